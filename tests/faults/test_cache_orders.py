"""Every order of the steps of loads, reads and changes: none leaves an old value behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hhs_perf.cache import TieredCache
from tests.cache_schedules import Operation, Schedule, all_orders, random_orders
from tests.cache_worlds import Bus, open_cache

CHANGES = ["delete", "set", "refresh", "tags", "prefix", "everything"]
RANDOM = [
    pytest.param(60, id="60"),
    pytest.param(3_000, id="3000", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
]


class World:
    """A database with one row, and caches that may hold what it said."""

    def __init__(self, caches: list[TieredCache], bus: Bus | None) -> None:
        self.caches = caches
        self._bus = bus
        self._numbers = itertools.count(1)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Take a key that nobody used before."""
        self.prefix = f"row{next(self._numbers)}"
        self.key = f"{self.prefix}:k"
        self.row = "old"
        self.changed = False

    def load(self, cache: TieredCache, name: str = "load") -> Operation:
        """A load, which reads the database in one go."""
        return self._operation(name, cache, lambda: self._loading(cache))

    def _loading(self, cache: TieredCache, *, is_forced: bool = False) -> Any:
        core, tags = cache.core, (self.prefix,)
        request = core.request(self.key, lambda: self.row, tags=tags, is_forced=is_forced)
        return core.loading(request)

    def get(self, cache: TieredCache, name: str = "get") -> Operation:
        """A look-up without a loader."""
        return self._operation(name, cache, lambda: cache.core.finding(self.key, None, None))

    def get_many(self, cache: TieredCache, name: str = "get_many") -> Operation:
        """Likewise, of several keys."""
        keys = [self.key, "another"]
        return self._operation(name, cache, lambda: cache.core.finding_many(keys, None))

    def change(self, how: str, cache: TieredCache) -> Operation:
        """The database changes, then the cache is told."""

        def begin() -> Any:
            self.row = "new"
            if how == "set":
                return cache.core.setting({self.key: "new"}, None, (self.prefix,), None, None)
            if how == "refresh":
                return self._loading(cache, is_forced=True)
            if how == "delete":
                return cache.core.deletion([self.key])
            what = {
                "tags": ((self.prefix,), None, False),
                "prefix": ((), self.prefix, False),
                "everything": ((), None, True),
            }
            tags, prefix, everything = what[how]
            return cache.core.invalidation(tags, prefix, everything=everything)

        return Operation(how, cache, begin)

    def _operation(self, name: str, cache: TieredCache, begin: Callable[[], Any]) -> Operation:
        def noting() -> Any:
            operation.is_late = any(each.is_done for each in self.changes_of(cache))
            return begin()

        operation = Operation(name, cache, noting)
        return operation

    def changes_of(self, cache: TieredCache) -> list[Operation]:
        """What changed the row through this cache, in the running order."""
        return [each for each in self.running if each.name in CHANGES and each.cache is cache]

    def run(self, schedule: Schedule, operations: list[Operation], *, eager: bool = False) -> None:
        """Run one order; then whoever asks must get what the database says."""
        self.running = operations
        schedule.run(operations, self._bus.deliver if eager and self._bus else None)
        for each in operations:
            assert each.error is None, (each.name, schedule.trace)
            assert each.name != "refresh" or each.result == "new", schedule.trace
            if each.is_late and each.name not in CHANGES:
                found = each.result.get(self.key) if each.name == "get_many" else each.result
                assert found != "old", (each.name, "began after the change", schedule.trace)
        for _ in range(2):
            if self._bus is not None:
                self._bus.deliver()
            for cache in self.caches:
                assert cache.get(self.key) in (None, "new"), schedule.trace
                found = cache.get_or_load(self.key, lambda: self.row, tags=(self.prefix,))
                assert found == "new", schedule.trace


@pytest.fixture
def alone() -> Iterator[World]:
    """One cache without L2."""
    with open_cache() as cache:
        yield World([cache], None)


@pytest.fixture
def pair(valkey_url: str, namespace: str) -> Iterator[World]:
    """Two caches over one Valkey, as two processes would have them."""
    bus = Bus(valkey_url, namespace)
    settings = {"namespace": namespace, "l2_timeout": 5.0}
    with open_cache(valkey_url, **settings) as one, open_cache(valkey_url, **settings) as other:
        yield World([bus.link(one), bus.link(other)], bus)
    bus.close()


def explore(world: World, make: Callable[[], list[Operation]], some: int = 0) -> int:
    """Run all orders, or `some` of them at random; give how many were run."""
    count = 0
    for schedule in random_orders(some, seed=5) if some else all_orders(3_000):
        world.begin_anew()
        world.run(schedule, make())
        count += 1
    return count


@pytest.mark.parametrize("change", CHANGES)
def test_no_order_of_load_and_change_leaves_an_old_value_in_l1(alone: World, change: str) -> None:
    [cache] = alone.caches
    assert explore(alone, lambda: [alone.load(cache), alone.change(change, cache)]) > 3


@pytest.mark.parametrize("change", CHANGES)
def test_no_order_of_two_loads_and_a_change_leaves_an_old_value_in_l1(
    alone: World, change: str
) -> None:
    [cache] = alone.caches
    explore(
        alone,
        lambda: [
            alone.load(cache, "load 1"),
            alone.change(change, cache),
            alone.load(cache, "load 2"),
        ],
    )


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("read", ["get", "get_many"])
@pytest.mark.parametrize("changer", [0, 1])
def test_no_order_of_promotion_and_change_leaves_an_old_value(
    pair: World, change: str, read: str, changer: int
) -> None:
    """L2 holds the old value, and L1 does not."""
    one, two = pair.caches

    def make() -> list[Operation]:
        two.set(pair.key, "old", tags=(pair.prefix,))
        pair._bus.deliver()
        return [getattr(pair, read)(one), pair.change(change, pair.caches[changer])]

    # A refresh takes so many steps that all orders would take a minute.
    explore(pair, make, some=200 if change == "refresh" else 0)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("changer", [0, 1])
def test_no_order_of_load_and_change_leaves_an_old_value(
    pair: World, change: str, changer: int
) -> None:
    one = pair.caches[0]
    explore(
        pair,
        lambda: [pair.load(one), pair.change(change, pair.caches[changer])],
        some=300 if change == "refresh" else 0,
    )


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("count", RANDOM)
def test_random_orders_of_many_operations_leave_no_old_value(
    pair: World, change: str, count: int
) -> None:
    """Four loads, two reads and a change, of two caches; messages come late or at once."""
    one, two = pair.caches
    for number, schedule in enumerate(random_orders(count, seed=7)):
        pair.begin_anew()
        if number % 2:
            two.set(pair.key, "old", tags=(pair.prefix,))
        if number % 4 == 3:
            one.get(pair.key)
        operations = [
            pair.load(one, "load 1"),
            pair.load(two, "load 2"),
            pair.get(one),
            pair.change(change, one if number % 3 else two),
            pair.load(one, "load 3"),
            pair.load(two, "load 4"),
            pair.get(two),
        ]
        pair.run(schedule, operations, eager=number % 5 < 2)
