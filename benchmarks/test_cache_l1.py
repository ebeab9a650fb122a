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
from typing import TYPE_CHECKING, Any, Final

import pytest

from benchmarks._interleave import interleave, paired_difference, paired_ratio
from benchmarks._results import Result
from benchmarks.conftest import Peer
from hhs_perf.cache import TieredCache, tiered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.conftest import Bench

ENTRIES: Final = 1_000
HITS: Final = 20_000
SLOW: Final = 10  # one turn of a peer that takes so many times as long makes as many hits fewer
TTL: Final = 3_600.0
THREADS: Final = 4
GET_BOUND: Final = 0.35
STATISTICS_BOUND: Final = 0.2
SYNC_BOUND: Final = 0.8
ASYNC_BOUND: Final = 0.5
NUMBERS: Final = random.Random(1).choices(range(ENTRIES), k=HITS)
KEYS: Final = [f"account:{number}" for number in NUMBERS]


@pytest.fixture
def cache() -> TieredCache:
    """Return a cache without L2 that holds all keys."""
    cache = TieredCache(l1_maxsize=2 * ENTRIES)
    for number in range(ENTRIES):
        cache.set(f"account:{number}", number, ttl=TTL)
    return cache


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Yield an event loop that is not running."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def _filled(cache: Any) -> Any:
    for number in range(ENTRIES):
        cache[f"account:{number}"] = number
    return cache


def _each(function: Callable[[Any], object], arguments: list[Any]) -> Callable[[], None]:
    def run() -> None:
        for argument in arguments:
            function(argument)

    return run


def _each_awaited(
    loop: asyncio.AbstractEventLoop,
    function: Callable[[Any], Awaitable[object]],
    arguments: list[Any],
) -> Callable[[], None]:
    async def ask() -> None:
        for argument in arguments:
            await function(argument)

    return lambda: loop.run_until_complete(ask())


def _cachetools_locked() -> Callable[[], None]:
    """Read `c[k]`, the quicker way: `get` of a TTLCache takes three times as long."""
    import cachetools

    held = _filled(cachetools.TTLCache(2 * ENTRIES, TTL))
    lock = threading.Lock()

    def run() -> None:
        for key in KEYS:
            with lock:
                held[key]

    return run


def _indexed(held: Any) -> Callable[[], None]:
    def run() -> None:
        for key in KEYS:
            held[key]

    return run


def _theine() -> Callable[[str], object]:
    from datetime import timedelta

    from theine import Cache

    held = Cache(2 * ENTRIES)
    for number in range(ENTRIES):
        held.set(f"account:{number}", number, timedelta(seconds=TTL))
    return held.get


def _dogpile() -> Any:
    from dogpile.cache import make_region

    return make_region().configure("dogpile.cache.memory", expiration_time=TTL)


def _cashews() -> Any:
    from cashews import Cache

    held = Cache()
    held.setup("mem://", size=2 * ENTRIES)
    return held


def _simple_flask() -> Any:
    from flask import Flask
    from flask_caching import Cache

    app = Flask("bench")
    held = Cache(
        app,
        config={"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 2 * ENTRIES},
    )
    app.app_context().push()
    return held


def _aiocache() -> Any:
    from aiocache import Cache

    return Cache(Cache.MEMORY)


def test_get(bench: Bench, cache: TieredCache, loop: asyncio.AbstractEventLoop) -> None:
    """A hit costs a third of one in cachetools' TTLCache under the lock that it asks for."""
    import cachebox

    few = KEYS[: HITS // SLOW]
    region, cashews, flask, aio = _dogpile(), _cashews(), _simple_flask(), _aiocache()
    region.set_multi({f"account:{number}": number for number in range(ENTRIES)})

    async def fill() -> None:
        for number in range(ENTRIES):
            await cashews.set(f"account:{number}", number, expire=TTL)
            await aio.set(f"account:{number}", number, ttl=TTL)

    loop.run_until_complete(fill())
    flask.set_many({f"account:{number}": number for number in range(ENTRIES)}, timeout=int(TTL))

    def shown(run: Callable[[], object]) -> Peer:
        return Peer(run=run, bound=None, operations=len(few))

    bench.compare(
        "get: a hit in L1",
        _each(cache.get, KEYS),
        {
            "cachetools.TTLCache c[k] under its lock": Peer(
                run=_cachetools_locked(), bound=GET_BOUND
            ),
            "cachebox.TTLCache c[k] (Rust, no statistics)": Peer(
                run=_indexed(_filled(cachebox.TTLCache(2 * ENTRIES, TTL))), bound=None
            ),
            "dict c[k]": Peer(run=_indexed(_filled({})), bound=None),
            "theine": Peer(run=_each(_theine(), KEYS), bound=None),
            "dogpile.cache memory": shown(_each(region.get, few)),
            "Flask-Caching SimpleCache": shown(_each(flask.get, few)),
            "cashews mem": shown(_each_awaited(loop, cashews.get, few)),
            "aiocache memory": shown(_each_awaited(loop, aio.get, few)),
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
    return functools.partial(space["get"]).func.__get__(cache)


def test_statistics(bench: Bench, cache: TieredCache) -> None:
    """What counts the hits takes a fifth of a hit: the same code is run without it."""
    counted, bare = _each(cache.get, KEYS), _each(_without_statistics(cache), KEYS)
    costs = interleave({"counted": counted, "bare": bare}, rounds=60)
    whole = [cost / HITS for cost in costs["counted"]]
    less = [cost / HITS for cost in costs["bare"]]
    spent = [each - other for each, other in zip(whole, less, strict=True)]
    bench.benchmark.pedantic(counted, rounds=3)
    bench.judge(
        Result(
            what="get: what statistics take of a hit",
            peer="the whole hit",
            unit="ns",
            ours=paired_difference(whole, less).scaled(1e9),
            theirs=paired_difference(whole, [0.0] * len(whole)).scaled(1e9),
            ratio=paired_ratio(spent, whole),
            bound=STATISTICS_BOUND,
            note="Statistics of a hit are one addition, which S3-FIFO needs as well.",
        )
    )


def test_get_in_threads(bench: Bench, cache: TieredCache) -> None:
    """Four threads that hit at once wait for each other no more than the interpreter makes them."""
    import cachebox

    def in_threads(run: Callable[[], object]) -> Callable[[], None]:
        def start() -> None:
            threads = [threading.Thread(target=run) for _ in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        return start

    bench.compare(
        f"get: a hit in L1, {THREADS} threads at once",
        in_threads(_each(cache.get, KEYS)),
        {
            "cachetools.TTLCache c[k] under its lock": Peer(
                run=in_threads(_cachetools_locked()), bound=GET_BOUND
            ),
            "cachebox.TTLCache c[k] (Rust, no statistics)": Peer(
                run=in_threads(_indexed(_filled(cachebox.TTLCache(2 * ENTRIES, TTL)))), bound=None
            ),
            "theine": Peer(run=in_threads(_each(_theine(), KEYS)), bound=None),
        },
        unit="ns",
        operations=HITS * THREADS,
        rounds=20,
    )


def _plain(number: int) -> int:
    return number


async def _coroutine(number: int) -> int:
    return number


def _warm(function: Callable[[int], object]) -> Callable[[int], object]:
    for number in range(ENTRIES):
        function(number)
    return function


def test_decorated_function(bench: Bench) -> None:
    """A decorated function answers a hit sooner than cachebox's in Rust, which asks its lock."""
    import cachebox
    import cachetools
    from theine import Memoize

    region, flask, cache = _dogpile(), _simple_flask(), TieredCache(l1_maxsize=5 * ENTRIES)
    few = NUMBERS[: HITS // SLOW]
    memoized = Memoize(2 * ENTRIES, None)(_plain)
    memoized.key(lambda number: f"account:{number}")
    held = cachetools.TTLCache(2 * ENTRIES, TTL)

    def shown(function: Callable[[int], object]) -> Peer:
        return Peer(run=_each(_warm(function), few), bound=None, operations=len(few))

    def full(function: Callable[[int], object], bound: float | None = None) -> Peer:
        return Peer(run=_each(_warm(function), NUMBERS), bound=bound)

    bench.compare(
        "decorator: a hit of a function",
        _each(_warm(cache.cached(ttl=TTL)(_plain)), NUMBERS),
        {
            "cachebox.cached, its lock, no copy": full(
                cachebox.cached(cachebox.TTLCache(2 * ENTRIES, TTL), postprocess=None)(_plain),
                SYNC_BOUND,
            ),
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
    import aiocache
    import cachebox
    from theine import Memoize

    cache = TieredCache(l1_maxsize=2 * ENTRIES)
    few = NUMBERS[: HITS // SLOW]
    memoized = Memoize(2 * ENTRIES, None)(_coroutine)
    memoized.key(lambda number: f"account:{number}")

    def warm(function: Callable[[int], Awaitable[object]]) -> Callable[[int], Awaitable[object]]:
        _each_awaited(loop, function, list(range(ENTRIES)))()
        return function

    def shown(function: Callable[[int], Awaitable[object]]) -> Peer:
        run = _each_awaited(loop, warm(function), few)
        return Peer(run=run, bound=None, operations=len(few))

    bench.compare(
        "decorator: a hit of a coroutine function",
        _each_awaited(loop, warm(cache.cached(ttl=TTL)(_coroutine)), NUMBERS),
        {
            "cachebox.cached, its lock, no copy": Peer(
                run=_each_awaited(
                    loop,
                    warm(
                        cachebox.cached(cachebox.TTLCache(2 * ENTRIES, TTL), postprocess=None)(
                            _coroutine
                        )
                    ),
                    NUMBERS,
                ),
                bound=ASYNC_BOUND,
            ),
            "the coroutine function alone": Peer(
                run=_each_awaited(loop, _coroutine, NUMBERS), bound=None
            ),
            "theine.Memoize": shown(memoized),
            "cashews, protected=False": shown(
                _cashews()(ttl=TTL, key="a:{number}", protected=False)(_coroutine)
            ),
            "cashews": shown(_cashews()(ttl=TTL, key="a:{number}")(_coroutine)),
            "aiocache.cached": shown(aiocache.cached(ttl=TTL)(_coroutine)),
        },
        unit="ns",
        operations=HITS,
    )
