"""How soon other processes see a write, and whether what was invalidated ever comes back."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from benchmarks import _cache_peers as peers
from benchmarks._cache_places import Place
from benchmarks._cache_workers import Workers
from benchmarks._interleave import Spread
from benchmarks._results import Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.conftest import Bench
    from tests.servers import Server

WRITES: Final = 150
ENTRIES: Final = (100, 100_000)
PROPAGATION_BOUND: Final = 2.0
GROWTH_BOUND: Final = 1.5
PROCESSES: Final = 4
RACES: Final = 10_000
AT_ONCE: Final = 200
# Within that time a message has come, however busy the machine: what is read then must be new.
SETTLED: Final = 0.1
PROPAGATION_NOTE: Final = (
    "From before the write until a thread of another process, which looks every 50 µs, reads the"
    " new value. The yardstick is redis-py: SET and PUBLISH, and a thread that reads the channel"
    " and drops the key from a dict."
)
RACES_NOTE: Final = (
    "A loader reads a row, another thread or process changes it and then deletes the key,"
    " invalidates its tag or prefix, or sets it, and the loader ends: each at a random time within"
    " 20 ms. Stale is a key that has the row's old value after all is over."
)


def _seen_after(workers: Workers, key: str, write: Callable[[], object]) -> float:
    """Return the seconds from before a write until the worker sees another value."""
    workers.tell(0, "watch", key=key)
    assert workers.answer(0) == "watching"
    time.sleep(random.random() * 0.002)
    begun = time.perf_counter()
    write()
    return workers.answer(0)["seen"] - begun


def test_propagation(bench: Bench, place: Place) -> None:
    """Another process sees a write in twice the time of a bare SET and PUBLISH."""
    namespace = place.new_name()
    cache, bare = place.cache(namespace=namespace), place.bare()
    took: dict[tuple[str, int], list[float]] = {}

    def set_and_publish(value: int) -> None:
        bare.set("row", value)
        bare.publish("forget", "row")

    with (
        Workers(1, place.url, namespace) as ours,
        Workers(1, place.url, namespace, "publish") as theirs,
    ):
        for entries in ENTRIES:
            for workers in (ours, theirs):
                workers.all("fill", entries=entries)
            mine, bares = (
                took.setdefault(("ours", entries), []),
                took.setdefault(("bare", entries), []),
            )
            for number in range(WRITES):
                value = number + entries
                mine.append(_seen_after(ours, "row", lambda: cache.set("row", value)))  # noqa: B023 - called before the next turn
                bares.append(_seen_after(theirs, "row", lambda: set_and_publish(value)))  # noqa: B023 - called before the next turn
    bench.benchmark.pedantic(lambda: None)
    spreads = {name: Spread.of(samples) for name, samples in took.items()}
    few, many = ENTRIES

    def beside(what: str, mine: Spread, other: Spread, peer: str, bound: float) -> Result:
        ratio = Spread(
            median=mine.median / other.median,
            low=mine.low / other.low,
            high=mine.high / other.high,
        )
        return Result(
            what=f"set: seen by another process {what} ({place.name})",
            peer=peer,
            unit="us",
            ours=mine.scaled(1e6),
            theirs=other.scaled(1e6),
            ratio=ratio,
            bound=bound,
            note=PROPAGATION_NOTE,
        )

    bench.judge(
        *(
            beside(
                f"that holds {entries:,} entries",
                spreads["ours", entries],
                spreads["bare", entries],
                "redis-py SET, PUBLISH",
                PROPAGATION_BOUND,
            )
            for entries in ENTRIES
        ),
        beside(
            f"that holds {many:,} entries",
            spreads["ours", many],
            spreads["ours", few],
            f"ours, {few:,} entries",
            GROWTH_BOUND,
        ),
    )


def _races(place: Place, processes: int, contender: str, races: int) -> int:
    """Return how many of the races left a stale value in any of the processes."""
    rng = random.Random(processes)
    everyone = range(processes)
    stale: set[str] = set()
    place.bare().delete("database")
    with Workers(processes, place.url, place.new_name(), contender) as workers:
        for first in range(0, races, AT_ONCE):
            keys = [f"row{number}-" for number in range(first, first + AT_ONCE)]
            # One process or two load a key, and any of them changes it.
            loaders = {key: rng.sample(everyone, rng.randint(1, min(2, processes))) for key in keys}
            changers = {key: rng.choice(everyone) for key in keys}
            at = time.perf_counter() + 0.02
            for worker in everyone:
                workers.tell(
                    worker,
                    "race",
                    at=at,
                    seed=rng.random(),
                    keys=[key for key in keys if worker in loaders[key]],
                    doomed=[key for key in keys if worker == changers[key]],
                )
            for worker in everyone:
                workers.answer(worker)
            time.sleep(SETTLED)
            stale.update(*workers.all("stale", keys=keys))
    return len(stale)


@pytest.mark.parametrize("processes", [1, PROCESSES])
@pytest.mark.parametrize("server", ["Valkey 9", "Redis 7"])
def test_races(bench: Bench, servers: dict[str, Server], server: str, processes: int) -> None:
    """What was invalidated while it was loaded is gone, in ten thousand random races."""
    with Place(server, servers[server].url, 2) as place:
        ours = _races(place, processes, "ours", RACES)
        # That it is a race at all.
        aside = _races(place, processes, "aside", RACES // 10)
    bench.benchmark.pedantic(lambda: None)
    many = f"{processes} processes" if processes > 1 else "one process"
    what = f"invalidated while it was loaded, {many}: stale of {RACES:,} ({server})"
    bench.judge(
        Result(
            what=what,
            peer=f"redis-py get, else load and set; of {RACES // 10:,}",
            unit="",
            ours=_exactly(ours),
            theirs=_exactly(aside),
            bound=0,
            note=RACES_NOTE,
        )
    )
    assert aside


def _exactly(count: float) -> Spread:
    return Spread(median=count, low=count, high=count)


class _Row:
    """What a loader reads, waits and returns; another may change it meanwhile."""

    def __init__(self) -> None:
        self.value = "old"
        self.was_read = threading.Event()
        self.may_end = threading.Event()

    def load(self) -> str:
        read = self.value
        self.was_read.set()
        self.may_end.wait(5)
        return read

    async def load_async(self) -> str:
        return await asyncio.to_thread(self.load)


def _in_thread(
    load: Callable[[_Row], object], delete: Callable[[], object], read: Callable[[], object]
) -> bool:
    """Run a deletion in the midst of a load; return whether the old value is read afterwards."""
    row = _Row()
    thread = threading.Thread(target=load, args=(row,))
    thread.start()
    row.was_read.wait(5)
    row.value = "new"
    delete()
    row.may_end.set()
    thread.join()
    return read() == "old"


def _ours(place: Place) -> bool:
    cache = place.cache()
    return _in_thread(
        lambda row: cache.get_or_load("k", row.load),
        lambda: cache.delete("k"),
        lambda: cache.get("k"),
    )


def _dogpile(place: Place) -> bool:
    region = peers.dogpile_redis(place.parts)
    return _in_thread(
        lambda row: region.get_or_create("k", row.load),
        lambda: region.delete("k"),
        lambda: region.get("k"),
    )


def _cachebox(_: Place) -> bool:
    import cachebox

    held: Any = cachebox.TTLCache(10, 60)
    cached: Any = cachebox.cached(held, key_maker=lambda *_: "k")(lambda row: row.load())
    return _in_thread(cached, lambda: held.pop("k", None), lambda: held.get("k"))


def _cachetools(_: Place) -> bool:
    import cachetools

    held: Any = cachetools.TTLCache(10, 60)
    lock = threading.Lock()
    cached = cachetools.cached(held, key=lambda _: "k", lock=lock)(lambda row: row.load())
    return _in_thread(cached, lambda: held.pop("k", None), lambda: held.get("k"))


def _flask_caching(place: Place) -> bool:
    held = peers.flask_caching(place.parts.geturl())
    row = _Row()
    app = held.app

    def load(_: _Row) -> None:
        with app.app_context():
            held.set("k", row.load())

    thread = threading.Thread(target=load, args=(row,))
    thread.start()
    row.was_read.wait(5)
    held.delete("k")
    row.may_end.set()
    thread.join()
    return held.get("k") == "old"


def _awaited(place: Place, cache: Any, cached: Callable[[_Row], Awaitable[object]]) -> bool:  # noqa: ANN401 - whatever the peer is
    async def race() -> bool:
        row = _Row()
        task = asyncio.ensure_future(cached(row))
        await asyncio.to_thread(row.was_read.wait, 5)
        await cache.delete("k")
        row.may_end.set()
        await task
        is_stale = await cache.get("k") == "old"
        await cache.close()
        return is_stale

    return place.run(race())


def _cashews(place: Place) -> bool:
    held = peers.cashews(place.parts.geturl())

    @held(ttl=60, key="k", lock=True)
    async def cached(row: _Row) -> str:
        return await row.load_async()

    return _awaited(place, held, cached)


def _aiocache(place: Place) -> bool:
    held = peers.aiocache_redis(place.parts)

    async def cached(row: _Row) -> None:
        await held.set("k", await row.load_async())

    return _awaited(place, held, cached)


RIVALS: Final = {
    "dogpile.cache": _dogpile,
    "cashews, lock=True": _cashews,
    "aiocache": _aiocache,
    "Flask-Caching": _flask_caching,
    "cachetools.cached": _cachetools,
    "cachebox.cached": _cachebox,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # peers close redis-py as it was once
@pytest.mark.parametrize("peer", RIVALS)
def test_peers(bench: Bench, servers: dict[str, Server], peer: str) -> None:
    """What the peers read after a deletion in the midst of a load is shown."""
    with Place("Valkey 9", servers["Valkey 9"].url, 2) as place:
        place.bare().flushall()
        ours, theirs = int(_ours(place)), int(RIVALS[peer](place))
    bench.benchmark.pedantic(lambda: None)
    bench.judge(
        Result(
            what="deleted while it was loaded: the old value is read (1 is yes)",
            peer=peer,
            unit="",
            ours=_exactly(ours),
            theirs=_exactly(theirs),
            note=RACES_NOTE,
        )
    )
    assert not ours
