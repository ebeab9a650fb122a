"""What callers notice of a Redis that is away: refused connections, or silence after connecting."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

from benchmarks import _cache_peers as peers
from benchmarks._cache_places import Place
from benchmarks._interleave import Spread
from benchmarks._results import Result
from benchmarks.conftest import Peer
from hhs_perf.cache import TieredCache
from tests.chaos_proxy import ChaosProxy
from tests.servers import Server, redis_binary, valkey_binary, wait_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.conftest import Bench

RUNS: Final = 7
CALLS: Final = 2_000
FIRST_BOUND: Final = 60.0
OPEN_BOUND: Final = 1.1
BACK_BOUND: Final = 1.0
DELETES: Final = 20
# Longer than that no peer is waited for.
PATIENCE: Final = 15.0
OUTAGES: Final = {"refused": ChaosProxy.refuse, "silent": ChaosProxy.tarpit}
NOTE: Final = (
    f"With the default time-out of 50 ms. First calls and times until Redis is back are medians of"
    f" {RUNS} outages; a call that misses with the breaker open is compared with one of a cache"
    " that has no L2."
)


@pytest.fixture(scope="module", params=["Valkey 9", "Redis 7"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Yield a server of each kind."""
    binary = {"Valkey 9": valkey_binary, "Redis 7": redis_binary}[request.param]
    with Server(binary()) as server:
        yield server


@pytest.fixture(params=OUTAGES)
def outage(request: pytest.FixtureRequest) -> str:
    """Return the name of a kind of outage."""
    return request.param


@pytest.fixture
def proxy(server: Server) -> Iterator[ChaosProxy]:
    """Yield what stands between the caches and the server."""
    with ChaosProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def place(proxy: ChaosProxy) -> Iterator[Place]:
    """Yield the way through the proxy, with the time-out that a cache has by default."""
    with Place("", proxy.url, 2, timeout=0.05) as place:
        yield place


def _is_up(cache: TieredCache) -> bool:
    below = cache.core.below
    assert below is not None
    return below.breaker.is_closed and below.backplane.is_linked


def _milliseconds(deed: Callable[[], object]) -> float:
    begun = time.perf_counter()
    deed()
    return (time.perf_counter() - begun) * 1e3


def _result(what: str, samples: list[float], unit: str, bound: float) -> Result:
    return Result(what=what, peer="", unit=unit, ours=Spread.of(samples), bound=bound, note=NOTE)


def test_first_call(bench: Bench, proxy: ChaosProxy, place: Place, outage: str) -> None:
    """Whoever finds out waits for one time-out, and gets what the loader gives."""
    found: dict[str, list[float]] = {"thread": [], "task": [], "thread, at the start": []}
    for run in range(RUNS):
        for caller, samples in found.items():
            proxy.pass_()
            cache = TieredCache(place.url) if "start" in caller else place.cache()
            OUTAGES[outage](proxy)

            def ask(cache: TieredCache = cache, caller: str = caller, run: int = run) -> object:
                if caller == "task":
                    return place.run(cache.aio.get_or_load(f"k{run}", lambda: 1))
                return cache.get_or_load(f"k{run}", lambda: 1)

            samples.append(_milliseconds(ask))
            cache.close()
    bench.benchmark.pedantic(lambda: None)
    bench.judge(
        *(
            _result(f"Redis {outage}: the first call of a {caller}", samples, "ms", FIRST_BOUND)
            for caller, samples in found.items()
        )
    )


@pytest.mark.parametrize("awaits", [False, True], ids=["thread", "task"])
def test_breaker_open(
    bench: Bench, proxy: ChaosProxy, place: Place, outage: str, *, awaits: bool
) -> None:
    """From then on, a call costs what it costs without an L2."""
    cache, alone = place.cache(10 * CALLS), TieredCache(l1_maxsize=10 * CALLS)
    OUTAGES[outage](proxy)
    cache.get("find out")
    wait_until(lambda: not _is_up(cache), "the breaker to open")
    keys = [f"account:{number}" for number in range(CALLS)]

    def misses(cache: TieredCache) -> Callable[[], None]:
        if awaits:
            return peers.awaited_in_turn(
                place.loop, lambda key: cache.aio.get_or_load(key, _load), keys
            )
        return peers.in_turn(lambda key: cache.get_or_load(key, _load), keys)

    def forget(cache: TieredCache) -> Callable[[], None]:
        return cache.core.memory.store.forget_all

    bench.compare(
        f"Redis {outage}, breaker open: a {'task' if awaits else 'thread'} loads a missing value",
        misses(cache),
        {"without an L2": Peer(run=misses(alone), bound=OPEN_BOUND)},
        unit="us",
        operations=CALLS,
        rounds=25,
        prepare={"ours": forget(cache), "without an L2": forget(alone)},
        note=NOTE,
    )
    assert not _is_up(cache)


def _load() -> int:
    return 1


def test_back(bench: Bench, server: Server, proxy: ChaosProxy, place: Place, outage: str) -> None:
    """A second after Redis is back it is used again, and what was deleted meanwhile is gone."""
    seconds: list[float] = []
    kept = 0
    for _ in range(RUNS):
        cache = place.cache()
        doomed = [f"doomed:{number}" for number in range(DELETES)]
        cache.set_many(dict.fromkeys(doomed, 1))
        OUTAGES[outage](proxy)
        cache.get("find out")
        wait_until(lambda cache=cache: not _is_up(cache), "the breaker to open")
        cache.delete(*doomed)
        time.sleep(1.5)  # long enough for the breaker's longest pauses
        proxy.pass_()
        begun = time.perf_counter()
        wait_until(lambda cache=cache: _is_up(cache), "Redis to be used again")
        seconds.append(time.perf_counter() - begun)
        with Place("", server.url, 2) as straight:
            names = cache.core.lookup.second.level2.names  # type: ignore[union-attr]
            bare = straight.bare()
            wait_until(lambda cache=cache: not _unsent(cache), "the deletes")
            kept += sum(bare.exists(names.value(key)) for key in doomed)
        cache.close()
    bench.benchmark.pedantic(lambda: None)
    none = Spread(median=kept, low=kept, high=kept)
    bench.judge(
        _result(f"Redis {outage}, then back: used again after", seconds, "s", BACK_BOUND),
        Result(
            what=f"Redis {outage}, then back: deletes that were lost, of {RUNS * DELETES}",
            peer="",
            unit="",
            ours=none,
            bound=0,
        ),
    )


def _unsent(cache: TieredCache) -> int:
    second = cache.core.lookup.second
    assert second is not None
    return second.level2.unsent


def _dogpile(url: str, _: Place) -> Callable[[], object]:
    region = peers.dogpile_redis(urlsplit(url))
    return lambda: region.get_or_create("k", _load)


def _flask(url: str, _: Place) -> Callable[[], object]:
    return peers.flask_caching(url).memoize(timeout=60)(_load)


def _awaited(make: Callable[[str], Callable[[], Awaitable[object]]]) -> Any:  # noqa: ANN401 - whatever the peer is
    def prepared(url: str, place: Place) -> Callable[[], object]:
        function = make(url)
        return lambda: place.run(function())

    return prepared


async def _load_async() -> int:
    return 1


def _cashews(url: str) -> Callable[[], Awaitable[object]]:
    return peers.cashews(url)(ttl=60, key="k")(_load_async)


def _aiocache(url: str) -> Callable[[], Awaitable[object]]:
    import aiocache

    parts = urlsplit(url)
    return aiocache.cached(
        ttl=60, cache=aiocache.Cache.REDIS, endpoint=parts.hostname, port=parts.port
    )(_load_async)


PEERS: Final = {
    "dogpile.cache": _dogpile,
    "Flask-Caching memoize, a URL": _flask,
    "cashews": _awaited(_cashews),
    "aiocache.cached": _awaited(_aiocache),
}
# More than 45 s each, which nobody has to see again.
ENDLESS: Final = {("silent", "dogpile.cache"), ("silent", "Flask-Caching memoize, a URL")}
SHOWN: Final = [
    (outage, peer) for outage in OUTAGES for peer in PEERS if (outage, peer) not in ENDLESS
]


@pytest.mark.parametrize("server", ["Valkey 9"], indirect=True)
@pytest.mark.parametrize(("outage", "peer"), SHOWN)
def test_peers(
    bench: Bench,
    proxy: ChaosProxy,
    place: Place,
    outage: str,
    peer: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What a call costs while Redis stays away, the second one and later, is shown."""
    caplog.set_level(logging.CRITICAL + 1)
    cache = place.cache()
    OUTAGES[outage](proxy)
    ask = PEERS[peer](proxy.url, place)

    def answered() -> None:
        try:
            ask()
        except Exception as exc:  # noqa: BLE001 - peers raise what they like
            ends.append(type(exc).__name__)

    ends: list[str] = []
    answered()
    theirs: list[float] = []
    while len(theirs) < 5 and sum(theirs) < PATIENCE * 1e3 / 3:
        theirs.append(_milliseconds(answered))
    cache.get_or_load("find out", _load)
    ours = [
        _milliseconds(lambda number=number: cache.get_or_load(f"k{number}", _load))
        for number in range(20)
    ]
    bench.benchmark.pedantic(lambda: None)
    peer_spread = Spread.of([*theirs, theirs[-1]])
    ours_spread = Spread.of(ours)
    end = f", it raises {ends[-1]}" if ends else ""
    quotient = ours_spread.median / peer_spread.median
    bench.judge(
        Result(
            what=f"Redis {outage}: a call that loads while it is away",
            peer=f"{peer}{end}",
            unit="ms",
            ours=ours_spread,
            theirs=peer_spread,
            ratio=Spread(median=quotient, low=quotient, high=quotient),
        )
    )
