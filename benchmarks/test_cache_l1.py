"""What a hit in memory costs, by `get` and through a decorator, beside the caches that Python has.

The L1 of hhs_perf answers with an expiry, statistics and thread safety, all in Python.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
import textwrap
import threading
from typing import TYPE_CHECKING, Final

import aiocache
import cachebox
import cachetools
import pytest
from theine import Memoize

from benchmarks._cache_peers import (
    TTL,
    aiocache_memory,
    awaited_in_turn,
    cashews,
    dogpile_memory,
    flask_caching,
    in_turn,
    locked_ttl_cache,
    theine_get,
)
from benchmarks._interleave import interleave, paired_difference, paired_ratio
from benchmarks._results import Result
from benchmarks.conftest import Peer
from hhs_perf.cache import TieredCache, tiered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.conftest import Bench

ENTRIES: Final = 1_000
HITS: Final = 20_000
FEW: Final = 2_000  # hits of a turn of a peer that takes ten times as long
THREADS: Final = 4
GET_BOUND: Final = 0.35
STATISTICS_BOUND: Final = 0.2
SYNC_BOUND: Final = 0.8
ASYNC_BOUND: Final = 0.5
NUMBERS: Final = random.Random(1).choices(range(ENTRIES), k=HITS)
KEYS: Final = [f"account:{number}" for number in NUMBERS]
VALUES: Final = {f"account:{number}": number for number in range(ENTRIES)}
LOCKED: Final = "cachetools.TTLCache c[k] under its lock"
CACHEBOX: Final = "cachebox.TTLCache c[k] (Rust, no statistics)"
CACHEBOX_CACHED: Final = "cachebox.cached, its lock, no copy"


@pytest.fixture
def cache() -> TieredCache:
    """Return a cache without L2 that holds all keys."""
    cache = TieredCache(l1_maxsize=2 * ENTRIES)
    cache.set_many(VALUES, ttl=TTL)
    return cache


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Yield an event loop that is not running."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def _cachebox_get() -> Callable[[str], object]:
    held: cachebox.TTLCache[str, object] = cachebox.TTLCache(2 * ENTRIES, TTL)
    held.update(VALUES)
    return held.__getitem__


def test_get(bench: Bench, cache: TieredCache, loop: asyncio.AbstractEventLoop) -> None:
    """A hit costs a third of one in cachetools' TTLCache under the lock that it asks for."""
    few = KEYS[:FEW]
    region, spiced, flask, aio = dogpile_memory(), cashews(), flask_caching(), aiocache_memory()
    region.set_multi(VALUES)
    flask.set_many(VALUES, timeout=int(TTL))

    async def fill() -> None:
        for key, value in VALUES.items():
            await spiced.set(key, value, expire=TTL)
            await aio.set(key, value, ttl=TTL)

    loop.run_until_complete(fill())

    def shown(run: Callable[[], object]) -> Peer:
        return Peer(run=run, bound=None, operations=FEW)

    bench.compare(
        "get: a hit in L1",
        in_turn(cache.get, KEYS),
        {
            LOCKED: Peer(run=in_turn(locked_ttl_cache(VALUES), KEYS), bound=GET_BOUND),
            CACHEBOX: Peer(run=in_turn(_cachebox_get(), KEYS), bound=None),
            "theine": Peer(run=in_turn(theine_get(VALUES), KEYS), bound=None),
            "dogpile.cache memory": shown(in_turn(region.get, few)),
            "Flask-Caching SimpleCache": shown(in_turn(flask.get, few)),
            "cashews mem": shown(awaited_in_turn(loop, spiced.get, few)),
            "aiocache memory": shown(awaited_in_turn(loop, aio.get, few)),
        },
        unit="ns",
        operations=HITS,
    )


def _without_statistics(cache: TieredCache) -> Callable[[str], object]:
    """Return `TieredCache.get` less the one line that counts, bound to `cache`."""
    lines = textwrap.dedent(inspect.getsource(TieredCache.get)).splitlines()
    kept = [line for line in lines if ".hits +=" not in line]
    assert len(lines) - len(kept) == 1, "a hit counts in one line"
    space = dict(vars(tiered))
    exec("from __future__ import annotations\n" + "\n".join(kept), space)
    return space["get"].__get__(cache)


def test_statistics(bench: Bench, cache: TieredCache) -> None:
    """What counts the hits takes a fifth of a hit: the same code is run without it."""
    counted, bare = in_turn(cache.get, KEYS), in_turn(_without_statistics(cache), KEYS)
    costs = interleave({"counted": counted, "bare": bare}, rounds=60)
    whole = [cost / HITS for cost in costs["counted"]]
    less = [cost / HITS for cost in costs["bare"]]
    spent = [each - other for each, other in zip(whole, less, strict=True)]
    nothing = [0.0] * len(whole)
    bench.benchmark.pedantic(counted, rounds=3)
    bench.judge(
        Result(
            what="get: what statistics take of a hit",
            peer="the whole hit",
            unit="ns",
            ours=paired_difference(whole, less).scaled(1e9),
            theirs=paired_difference(whole, nothing).scaled(1e9),
            ratio=paired_ratio(spent, whole),
            bound=STATISTICS_BOUND,
            note="Statistics take the difference to the same code less the line that counts.",
        )
    )


def _in_threads(run: Callable[[], object]) -> Callable[[], None]:
    def start() -> None:
        threads = [threading.Thread(target=run) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return start


def test_get_in_threads(bench: Bench, cache: TieredCache) -> None:
    """Threads that hit at once wait for each other no more than the interpreter makes them."""
    locked = _in_threads(in_turn(locked_ttl_cache(VALUES), KEYS))
    bench.compare(
        f"get: a hit in L1, {THREADS} threads at once",
        _in_threads(in_turn(cache.get, KEYS)),
        {
            LOCKED: Peer(run=locked, bound=GET_BOUND),
            CACHEBOX: Peer(run=_in_threads(in_turn(_cachebox_get(), KEYS)), bound=None),
            "theine": Peer(run=_in_threads(in_turn(theine_get(VALUES), KEYS)), bound=None),
        },
        unit="ns",
        operations=HITS * THREADS,
        rounds=20,
    )


def _plain(number: int) -> int:
    return number


async def _coroutine(number: int) -> int:
    return number


def _key(number: int) -> str:
    return f"account:{number}"


def test_decorated_function(bench: Bench) -> None:
    """A decorated function answers a hit sooner than cachebox's in Rust, which asks its lock."""
    region, flask, cache = dogpile_memory(), flask_caching(), TieredCache(l1_maxsize=5 * ENTRIES)
    memoized = Memoize(2 * ENTRIES, None)(_plain)
    memoized.key(_key)
    held: cachetools.TTLCache[object, int] = cachetools.TTLCache(2 * ENTRIES, TTL)
    boxed = cachebox.cached(cachebox.TTLCache(2 * ENTRIES, TTL), postprocess=None)

    def full(function: Callable[[int], object], bound: float | None = None) -> Peer:
        in_turn(function, list(range(ENTRIES)))()
        return Peer(run=in_turn(function, NUMBERS), bound=bound)

    def shown(function: Callable[[int], object]) -> Peer:
        in_turn(function, list(range(ENTRIES)))()
        return Peer(run=in_turn(function, NUMBERS[:FEW]), bound=None, operations=FEW)

    bench.compare(
        "decorator: a hit of a function",
        full(cache.cached(ttl=TTL)(_plain)).run,
        {
            CACHEBOX_CACHED: full(boxed(_plain), SYNC_BOUND),
            "ours with a key template": full(cache.cached(ttl=TTL, key="a:{number}")(_plain)),
            "functools.lru_cache (no expiry)": full(functools.lru_cache(2 * ENTRIES)(_plain)),
            "cachetools.cached, TTLCache, lock": full(
                cachetools.cached(held, lock=threading.Lock())(_plain)
            ),
            "theine.Memoize": shown(memoized),
            "dogpile.cache memory": shown(region.cache_on_arguments()(_plain)),
            "Flask-Caching memoize, SimpleCache": shown(flask.memoize(timeout=int(TTL))(_plain)),
        },
        unit="ns",
        operations=HITS,
    )


def test_decorated_coroutine(bench: Bench, loop: asyncio.AbstractEventLoop) -> None:
    """A decorated coroutine function answers a hit in half the time of cachebox's."""
    memoized = Memoize(2 * ENTRIES, None)(_coroutine)
    memoized.key(_key)
    boxed = cachebox.cached(cachebox.TTLCache(2 * ENTRIES, TTL), postprocess=None)
    spiced = cashews()

    def full(function: Callable[[int], Awaitable[object]], bound: float | None = None) -> Peer:
        awaited_in_turn(loop, function, list(range(ENTRIES)))()
        return Peer(run=awaited_in_turn(loop, function, NUMBERS), bound=bound)

    def shown(function: Callable[[int], Awaitable[object]]) -> Peer:
        awaited_in_turn(loop, function, list(range(ENTRIES)))()
        run = awaited_in_turn(loop, function, NUMBERS[:FEW])
        return Peer(run=run, bound=None, operations=FEW)

    bench.compare(
        "decorator: a hit of a coroutine function",
        full(TieredCache(l1_maxsize=2 * ENTRIES).cached(ttl=TTL)(_coroutine)).run,
        {
            CACHEBOX_CACHED: full(boxed(_coroutine), ASYNC_BOUND),
            "the coroutine function alone": full(_coroutine),
            "theine.Memoize": shown(memoized),
            "cashews, protected=False": shown(
                spiced(ttl=TTL, key="a:{number}", protected=False)(_coroutine)
            ),
            "cashews": shown(spiced(ttl=TTL, key="b:{number}")(_coroutine)),
            "aiocache.cached": shown(aiocache.cached(ttl=TTL)(_coroutine)),
        },
        unit="ns",
        operations=HITS,
    )
