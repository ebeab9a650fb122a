"""Threads that read, write and delete at once: the first level stays whole, and loses no hit."""

from __future__ import annotations

import gc
import random
import sys
import threading
import weakref
from collections.abc import Callable, Iterator

import cachetools
import pytest

from hhs_perf.cache.observed.stats import PatternCounts
from hhs_perf.cache.policy import Policy
from hhs_perf.cache.store.entry import HIT, Entry, Group
from hhs_perf.cache.store.l1 import l1_store
from hhs_perf.cache.store.s3fifo import S3FIFOCache

THREADS = 8
ROUNDS = 16_000
PATIENCE = 50.0
GROUP = Group(0, PatternCounts(""), (), Policy())


@pytest.fixture(autouse=True)
def _switching() -> Iterator[None]:
    """Let threads change places at almost every bytecode."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work: Callable[[int], None]) -> None:
    """Do `work(n)` in eight threads that start together; raise what one raises, or a hang."""
    start = threading.Barrier(THREADS)
    errors: list[BaseException] = []

    def run(n: int) -> None:
        try:
            start.wait(PATIENCE)
            work(n)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


def assert_whole(cache: S3FIFOCache) -> None:
    """Check that queues, entries and sizes agree."""
    held = dict(cache.entries())
    small, main = cache._small.living(), cache._main.living()
    assert sorted(map(repr, [*small, *main])) == sorted(map(repr, held))
    assert cache.currsize <= cache.maxsize
    if cache._sizes is None:
        assert cache.currsize == len(held)
    else:
        assert cache._sizes.keys() == held.keys()
        assert cache.currsize == sum(cache._sizes.values())
        assert cache._small_total == sum(cache._sizes[key] for key in small)


@pytest.mark.parametrize("sized", [False, True], ids=["entries", "bytes"])
def test_gets_sets_and_deletes_of_many_threads_leave_the_cache_whole(sized: bool) -> None:
    cache: S3FIFOCache[int, tuple[int, int]] = S3FIFOCache(
        120, (lambda value: value[1]) if sized else None
    )
    told: list[int] = []
    cache.on_evict = lambda key, _: told.append(key)

    def hammer(n: int) -> None:
        rng = random.Random(n)
        for turn in range(ROUNDS):
            key = min(int(rng.paretovariate(0.7)), 400)
            what = rng.random()
            if what < 0.6:
                found = cache.get(key)
                assert found is None or found[0] == key
            elif what < 0.85:
                cache.set(key, (key, turn % 4), ttl=rng.choice([None, 1e-4, 60]))
            elif what < 0.93:
                gone = cache.pop(key, None)
                assert gone is None or gone[0] == key
            elif what < 0.97:
                assert cache.setdefault(key, (key, 1))[0] == key
            elif what < 0.98:
                assert all(key == value[0] for key, value in cache.items())
            elif what < 0.99:
                cache.harvest()
            elif what < 0.998:
                cache.expire()
            elif turn % 50 == 0:
                cache.clear()

    at_once(hammer)
    assert_whole(cache)
    assert cache.evictions == len(told) > 0
    assert len(cache) > 0


def test_no_hit_is_lost_while_entries_are_evicted_replaced_and_harvested() -> None:
    """A hit is one addition to a field: with the interpreter's lock nothing falls in between."""
    cache: S3FIFOCache[str, object] = S3FIFOCache(20)
    told: dict[int, int] = {}
    made = [0] * THREADS
    entries: list[Entry] = []

    def harvest(_key: str, entry: Entry, hits: int) -> None:
        told[id(entry)] = told.get(id(entry), 0) + hits

    cache.on_harvest = harvest

    def hammer(n: int) -> None:
        rng = random.Random(n)
        for turn in range(ROUNDS):
            key = str(min(int(rng.paretovariate(1)), 60))
            entry = cache.find(key)
            if entry is None or turn % 40 == 0:
                entry = Entry(key, 1e12, 0, GROUP)
                entries.append(entry)  # kept, so that no other gets its id
                cache.put(key, entry)
            else:
                entry.hits += HIT
                made[n] += 1
            if turn % 97 == 0:
                cache.harvest()

    at_once(hammer)
    cache.forget_all()
    # An entry that was found just before it left may be hit after its harvest.
    late = sum(entry.hits // HIT for entry in entries)
    assert sum(told.values()) + late == sum(made)
    assert late <= THREADS * ROUNDS / 100


@pytest.mark.parametrize("kind", [cachetools.LRUCache, cachetools.LFUCache, cachetools.FIFOCache])
def test_a_foreign_cache_is_safe_under_the_stores_lock(kind: type[cachetools.Cache]) -> None:
    store = l1_store(kind(50))

    def hammer(n: int) -> None:
        rng = random.Random(n)
        for _ in range(ROUNDS // 4):
            key = str(min(int(rng.paretovariate(0.7)), 200))
            what = rng.random()
            if what < 0.6:
                found = store.find(key)
                assert found is None or found.value == key
            elif what < 0.9:
                store.put(key, Entry(key, 1e12, 0, GROUP))
            elif what < 0.98:
                store.remove(key)
            else:
                assert all(key == entry.value for key, entry in store.entries())

    at_once(hammer)
    assert len(store.entries()) == len(store) == store.currsize <= 50
    assert store.evictions > 0


def test_a_value_popped_by_many_threads_goes_to_one() -> None:
    cache: S3FIFOCache[int, int] = S3FIFOCache(1_000)
    cache.update({n: n for n in range(1_000)})
    got: list[int] = []

    def pop(_: int) -> None:
        for n in range(1_000):
            value = cache.pop(n, None)
            if value is not None:
                got.append(value)

    at_once(pop)
    assert sorted(got) == list(range(1_000))


def test_setdefault_of_many_threads_agrees_on_one_value() -> None:
    cache: S3FIFOCache[int, tuple[int, int]] = S3FIFOCache(1_000)
    seen: list[set[tuple[int, int]]] = [set() for _ in range(300)]

    def settle(n: int) -> None:
        for key in range(300):
            seen[key].add(cache.setdefault(key, (n, key)))

    at_once(settle)
    assert all(len(values) == 1 for values in seen)


def test_finalizers_that_use_the_cache_while_threads_do_leave_it_whole() -> None:
    """`weakref.finalize(thing, cache.pop, key)` is what an application may well write."""
    cache: S3FIFOCache[object, object] = S3FIFOCache(40)

    class Thing:
        def __init__(self) -> None:
            self.me = self  # a cycle: only the collector ends it, wherever it runs

    def hammer(n: int) -> None:
        rng = random.Random(n)
        for turn in range(ROUNDS // 4):
            key = rng.randrange(100)
            thing = Thing()
            weakref.finalize(thing, cache.pop, rng.randrange(100), None)
            weakref.finalize(thing, cache.__setitem__, rng.randrange(100), turn)
            cache[key] = thing
            cache.get(rng.randrange(100))

    at_once(hammer)
    cache["last"] = 1
    assert_whole(cache)
    cache.clear()
    gc.collect()
