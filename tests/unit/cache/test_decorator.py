"""The decorator: functions, methods and coroutine functions, by their arguments."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import pytest

from hhs_perf.cache import Policy, TieredCache
from hhs_perf.exceptions import CacheKeyError, CacheReentrancyError
from hhs_perf.testing import FakeClock
from tests.cache_worlds import Gate, in_thread, open_cache


@pytest.fixture
def cache(clock: FakeClock) -> Iterator[TieredCache]:
    with open_cache(clock=clock, l1_ttl=60.0) as made:
        yield made


def test_equal_calls_are_made_once(cache: TieredCache) -> None:
    calls: list[tuple[int, int]] = []

    @cache.cached()
    def add(a: int, b: int = 2) -> int:
        calls.append((a, b))
        return a + b

    assert [add(1), add(1, 2), add(a=1), add(b=2, a=1), add(1, b=2)] == [3] * 5
    assert add(2) == 4
    assert calls == [(1, 2), (2, 2)]


def test_results_end_with_their_ttl_and_their_tags(cache: TieredCache, clock: FakeClock) -> None:
    calls: list[int] = []

    @cache.cached(ttl=10, tags=["t"])
    def count() -> int:
        calls.append(1)
        return len(calls)

    assert [count(), count()] == [1, 1]
    clock.advance(10)
    assert count() == 2
    cache.invalidate(tags=["t"])
    assert count() == 3


def test_a_template_makes_keys_that_people_can_read(cache: TieredCache) -> None:
    @cache.cached(key="account:{account_id}")
    def account(account_id: int, verbose: bool = False) -> int:
        return account_id

    account(5)
    assert account.key_of(5) == account.key_of(5, verbose=True) == "account:5"
    assert account.pattern == "account:{account_id}"
    assert cache.get("account:5") == 5


def test_one_call_is_invalidated_or_refreshed(cache: TieredCache) -> None:
    calls: list[int] = []

    @cache.cached()
    def count(_: str) -> int:
        calls.append(1)
        return len(calls)

    assert [count("a"), count("b")] == [1, 2]
    count.invalidate("a")
    assert [count("a"), count("b")] == [3, 2]
    assert count.refresh("b") == 4
    assert [count("a"), count("b")] == [3, 4]


def test_versions_and_functions_do_not_share_results(cache: TieredCache) -> None:
    def make(version: int | None) -> object:
        @cache.cached(version=version)
        def value() -> int | None:
            return version

        return value

    first, second = make(1), make(2)
    assert (first(), second(), first()) == (1, 2, 1)


def test_what_a_function_raises_is_raised_and_not_kept(cache: TieredCache) -> None:
    calls: list[int] = []

    @cache.cached()
    def fail() -> None:
        calls.append(1)
        raise LookupError("no row")

    for _ in range(2):
        with pytest.raises(LookupError):
            fail()
    assert len(calls) == 2


def test_none_is_a_result(cache: TieredCache) -> None:
    calls: list[int] = []

    @cache.cached()
    def nothing() -> None:
        calls.append(1)

    assert (nothing(), nothing()) == (None, None)
    assert len(calls) == 1


def test_methods_are_told_apart_by_what_the_key_names(cache: TieredCache) -> None:
    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        @cache.cached(key="shop:{self.name}:{item}")
        def price(self, item: str) -> str:
            return f"{self.name} {item}"

    assert Shop("a").price("x") == "a x"
    assert Shop("b").price("x") == "b x"
    assert Shop.price(Shop("a"), "x") == "a x"
    assert cache.get("shop:a:x") == "a x"


def test_a_method_needs_a_key_that_tells_its_instances_apart(cache: TieredCache) -> None:
    class Shop:
        @cache.cached()
        def price(self) -> int:
            return 1

    with pytest.raises(CacheKeyError, match="self"):
        Shop().price()


def test_static_and_class_methods_go_above(cache: TieredCache) -> None:
    class Shop:
        @staticmethod
        @cache.cached()
        def fixed(item: int) -> int:
            return item

        @classmethod
        @cache.cached(key="made:{item}")
        def made(cls, item: int) -> tuple[str, int]:
            return cls.__name__, item

    assert Shop.fixed(1) == Shop().fixed(1) == 1
    assert Shop.made(2) == ("Shop", 2)
    for kind in (staticmethod, classmethod, property):
        with pytest.raises(TypeError, match=kind.__name__):
            cache.cached()(kind(lambda: 1))


def test_generators_are_refused(cache: TieredCache) -> None:
    def numbers() -> Iterator[int]:
        yield 1

    async def later():
        yield 1

    for function in (numbers, later):
        with pytest.raises(TypeError, match="generator"):
            cache.cached()(function)


def test_a_decorated_function_still_looks_like_itself(cache: TieredCache) -> None:
    @cache.cached()
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    @cache.cached()
    async def later(a: int) -> int:
        return a

    assert (add.__name__, add.__doc__) == ("add", "Add.")
    assert str(inspect.signature(add)) == "(a: 'int', b: 'int' = 2) -> 'int'"
    assert inspect.iscoroutinefunction(later)


def test_wrong_arguments_are_the_functions_to_refuse(cache: TieredCache) -> None:
    @cache.cached()
    def add(a: int, b: int) -> int:
        return a + b

    for call in (lambda: add(1), lambda: add(1, 2, 3), lambda: add(1, c=2)):
        with pytest.raises(TypeError):
            call()


def test_a_function_that_needs_its_own_result_raises(cache: TieredCache) -> None:
    @cache.cached()
    def turn(number: int) -> int:
        return turn(number)

    @cache.cached()
    def factorial(number: int) -> int:
        return number * factorial(number - 1) if number else 1

    with pytest.raises(CacheReentrancyError):
        turn(1)
    assert factorial(10) == 3_628_800


def test_many_callers_share_one_call(cache: TieredCache) -> None:
    gate = Gate(lambda: "value")

    @cache.cached(key="load:{number}")
    def load(number: int) -> str:
        return gate()

    asked = [in_thread(load, 1) for _ in range(20)]
    gate.wait()
    gate.open()
    assert {each.result(5) for each in asked} == {"value"}
    assert gate.calls == 1


def test_the_policy_counts(cache: TieredCache, clock: FakeClock) -> None:
    @cache.cached(policy=Policy(ttl=5, copy="on_read", negative=(LookupError,)))
    def rows(fails: bool = False) -> list[int]:
        if fails:
            raise LookupError
        return [1]

    rows().append(2)
    assert rows() == [1]
    assert cache.ttl(rows.key_of()) == 5
    for _ in range(2):
        with pytest.raises(LookupError):
            rows(True)
    assert cache.core.memory.counts.loads == 2


async def test_coroutine_functions_are_awaited_once(cache: TieredCache) -> None:
    calls: list[int] = []

    @cache.cached(key="double:{number}")
    async def double(number: int) -> int:
        calls.append(number)
        await asyncio.sleep(0)
        return 2 * number

    assert await asyncio.gather(*(double(4) for _ in range(10))) == [8] * 10
    assert await double(4) == 8
    assert calls == [4]
    assert await double.refresh(4) == 8
    assert calls == [4, 4]
    await double.invalidate(4)
    await double(4)
    assert calls == [4, 4, 4]
    await cache.aio.close()


async def test_functions_and_coroutine_functions_share_entries_of_one_key(
    cache: TieredCache,
) -> None:
    @cache.cached(key="k:{n}")
    def now(n: int) -> str:
        return "now"

    @cache.cached(key="k:{n}")
    async def later(n: int) -> str:
        return "later"

    assert now(1) == "now"
    assert await later(1) == "now"
    assert await later(2) == "later"
    assert now(2) == "later"
    await cache.aio.close()
