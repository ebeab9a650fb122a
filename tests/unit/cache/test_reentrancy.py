"""Finalizers and signal handlers run wherever Python likes: they may call the cache there."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from types import FrameType

import cachetools
import pytest

from hhs_perf.cache import S3FIFOCache, TieredCache
from hhs_perf.cache.store.entry import HIT, Entry
from hhs_perf.exceptions import ConfigurationError

L1S: dict[str, Callable[[], cachetools.Cache[str, object]]] = {
    "s3fifo": lambda: S3FIFOCache(10),
    "s3fifo sized": lambda: S3FIFOCache(10, getsizeof=lambda _: 1),
    "lru": lambda: cachetools.LRUCache(10),
    "ttl": lambda: cachetools.TTLCache(10, 60),
}
DEEDS: dict[str, Callable[[TieredCache], object]] = {
    "set": lambda cache: cache.set("other", 1),
    "delete": lambda cache: cache.delete("other", "a"),
    "get": lambda cache: cache.get("a"),
    "get_or_load": lambda cache: cache.get_or_load("other", lambda: 1),
    "invalidate": lambda cache: cache.invalidate(tags=["u"], prefix="z"),
    "flush": lambda cache: cache.core.memory.flush(),
}


def fill(cache: TieredCache) -> None:
    for number in range(30):
        cache.set(f"e{number}", number)


DROPS: dict[str, Callable[[TieredCache], object]] = {
    "delete": lambda cache: cache.delete("a"),
    "overwriting": lambda cache: cache.set("a", 2),
    "a load": lambda cache: cache.refresh("a", lambda: 2),
    "eviction": fill,
    "a flush": lambda cache: cache.core.memory.flush(),
    "an invalidation": lambda cache: (cache.invalidate(tags=["t"]), cache.get("a")),
}


class Finalized:
    """A value that does something when it goes."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self.deed = deed

    def __del__(self) -> None:
        self.deed()


def ends(work: Callable[[], object]) -> bool:
    """Tell whether `work` ends; a deadlock holds up a thread of its own, not the run."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    return not thread.is_alive()


@pytest.mark.parametrize("drop", DROPS)
@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("l1", L1S)
def test_what_a_dropped_value_does_at_its_end_may_call_the_cache(
    l1: str, deed: str, drop: str
) -> None:
    cache = TieredCache(l1=L1S[l1]())
    done: list[bool] = []
    cache.set("a", Finalized(lambda: done.append(DEEDS[deed](cache) is not done)), tags=["t"])
    assert ends(lambda: DROPS[drop](cache))
    assert done == [True]
    cache.set("b", 3)
    assert cache.get("b") == 3


@pytest.mark.parametrize("drop", DROPS)
@pytest.mark.parametrize("l1", L1S)
def test_no_lock_of_the_cache_is_held_while_a_value_is_finalized(l1: str, drop: str) -> None:
    """Else a finalizer that waits for another thread would wait for ever."""
    cache = TieredCache(l1=L1S[l1]())
    done: list[bool] = []

    def elsewhere() -> None:
        thread = threading.Thread(target=lambda: cache.set("other", 1), daemon=True)
        thread.start()
        thread.join(5)
        done.append(not thread.is_alive())

    cache.set("a", Finalized(elsewhere), tags=["t"])
    DROPS[drop](cache)
    assert done == [True]


class Interrupting:
    """Does something at one of the places at which Python runs signal handlers."""

    def __init__(self, deed: Callable[[], object], at: int) -> None:
        self._deed = deed
        self._left = at

    def __call__(self, _: FrameType, event: str, __: object) -> None:
        # Handlers run where a function of Python begins, and where one of C has returned.
        if event in ("call", "c_return"):
            self._left -= 1
            if self._left < 0:
                sys.setprofile(None)
                self._deed()

    @property
    def is_past(self) -> bool:
        """Tell whether the work had fewer places than that."""
        return self._left >= 0


def interrupted(work: Callable[[], object], deed: Callable[[], object], at: int) -> bool:
    """Do `work`, and `deed` in the midst of it; False where there is no such place."""
    interrupting = Interrupting(deed, at)
    before = sys.getprofile()
    sys.setprofile(interrupting)
    try:
        work()
    finally:
        sys.setprofile(before)
    return not interrupting.is_past


def is_whole(cache: TieredCache, store: S3FIFOCache[str, object]) -> bool:
    """Tell whether nothing was left half done."""
    store.set("whole", 1)
    queued = [key for key, _, _ in store._queued()]
    return (
        cache.core.memory.departures.writing == 0
        and len(cache.core.flights) == 0
        and sorted(queued) == sorted(key for key, _ in store.entries())
        and store.currsize == len(store)
    )


@pytest.mark.parametrize("work", ["set", "delete", "load", "flush", "invalidate"])
@pytest.mark.parametrize("deed", DEEDS)
def test_a_signal_handler_may_call_the_cache_anywhere_in_its_midst(work: str, deed: str) -> None:
    works: dict[str, Callable[[TieredCache], object]] = {
        "set": lambda cache: cache.set("a", 2, tags=["t"]),
        "delete": lambda cache: cache.delete("a"),
        "load": lambda cache: cache.get_or_load("b", lambda: 2, tags=["t"]),
        "flush": lambda cache: cache.core.memory.flush(),
        "invalidate": lambda cache: cache.invalidate(tags=["t"], prefix="a"),
    }
    at = 0
    while True:
        store: S3FIFOCache[str, object] = S3FIFOCache(3, getsizeof=lambda _: 1)
        cache = TieredCache(l1=store)
        for key in ("a", "c", "d"):
            cache.set(key, 1, tags=["t"])
        if not interrupted(partial(works[work], cache), partial(DEEDS[deed], cache), at):
            break
        assert is_whole(cache, store), at
        at += 1
    assert at > 10


@pytest.mark.parametrize("how", ["delete", "tags", "prefix", "everything", "set"])
@pytest.mark.parametrize("work", ["get_or_load", "refresh", "get"])
def test_what_a_signal_handler_makes_void_is_not_answered_afterwards(work: str, how: str) -> None:
    """Wherever in a load it came: what was read before it is not kept."""
    changes: dict[str, Callable[[TieredCache], object]] = {
        "delete": lambda cache: cache.delete("a"),
        "tags": lambda cache: cache.invalidate(tags=["t"]),
        "prefix": lambda cache: cache.invalidate(prefix="a"),
        "everything": lambda cache: cache.invalidate(everything=True),
        "set": lambda cache: cache.set("a", "new", tags=["t"]),
    }
    at = 0
    while True:
        cache, source = TieredCache(l1_maxsize=3), ["old"]

        def load(source: list[str] = source) -> str:
            return source[0]

        def change(cache: TieredCache = cache, source: list[str] = source) -> None:
            source[0] = "new"
            changes[how](cache)

        if work != "get_or_load":
            cache.set("a", "old", tags=["t"])
        cache.invalidate(tags=["other"])
        works: dict[str, Callable[[], object]] = {
            "get_or_load": lambda: cache.get_or_load("a", load, tags=["t"]),  # noqa: B023 - called before the next turn
            "refresh": lambda: cache.refresh("a", load, tags=["t"]),  # noqa: B023 - called before the next turn
            "get": lambda: cache.get("a"),  # noqa: B023 - called before the next turn
        }
        if not interrupted(works[work], change, at):
            break
        assert cache.get_or_load("a", load, tags=["t"]) == "new", at
        at += 1
    assert at > 10


def test_garbage_collected_in_the_midst_may_call_the_cache() -> None:
    cache = TieredCache(l1_maxsize=20)

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            cache.set("gone", 1)
            cache.delete("gone", "k1")

    def work() -> None:
        for number in range(300):
            Cycle()
            cache.set(f"k{number % 40}", [number])
            cache.get_or_load(f"l{number}", dict)
            cache.invalidate(tags=[f"t{number}"])

    thresholds = gc.get_threshold()
    gc.set_threshold(5, 2, 2)
    try:
        assert ends(work)
    finally:
        gc.set_threshold(*thresholds)
    assert cache.core.memory.departures.writing == 0


def test_a_hit_in_the_midst_of_an_overwriting_counts_once() -> None:
    at = 0
    while True:
        cache = TieredCache()
        cache.set("a", 1)
        found = cache.core.memory.find("a")
        assert found is not None

        def hit(found: Entry = found) -> None:
            found.hits += 3 * HIT

        work = partial(cache.core.memory.store.put, "a", Entry(2, 1e12, 0, found.group))
        if not interrupted(work, hit, at):
            break
        cache.core.memory.tally.walk()
        assert cache.core.memory.counts.l1_hits + found.hits // HIT == 3, at
        at += 1
    assert at > 3


@pytest.mark.parametrize("make", L1S.values(), ids=list(L1S))
def test_a_cache_that_serves_another_one_or_is_filled_is_refused_as_l1(
    make: Callable[[], cachetools.Cache[str, object]],
) -> None:
    shared, filled = make(), make()
    TieredCache(l1=shared)
    with pytest.raises(ConfigurationError, match="serve one cache"):
        TieredCache(l1=shared)
    filled["a"] = 1
    with pytest.raises(ConfigurationError, match="must be empty, this one holds 1"):
        TieredCache(l1=filled)


@pytest.mark.parametrize("work", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_cache_says_that_it_cannot_be_copied(work: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match=r"TieredCache cannot be copied or pickled.*'mine'"):
        work(TieredCache(namespace="mine"))


async def test_an_exception_that_many_raise_does_not_grow() -> None:
    cache = TieredCache()
    let = asyncio.Event()
    deep: list[int] = []

    async def load() -> None:
        await let.wait()
        raise ValueError("no")

    async def wait() -> None:
        with pytest.raises(ValueError, match="no") as caught:
            await cache.aio.get_or_load("k", load)
        deep.append(len(list(traceback.walk_tb(caught.tb))))

    tasks = [asyncio.create_task(wait()) for _ in range(9)]
    await asyncio.sleep(0)
    let.set()
    await asyncio.gather(*tasks)
    assert len(deep) == 9
    assert max(deep[1:]) == min(deep[1:])
