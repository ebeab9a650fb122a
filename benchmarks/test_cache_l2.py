"""What a read from Redis costs over the bare client, alone and in numbers, beside the peers.

Every read misses L1, is found in L2, is decoded and comes up to L1. The bare call is redis-py's
`get` with the same time-outs, and msgspec's decoding of the value.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from benchmarks._cache_peers import (
    TTL,
    aiocache_redis,
    awaited_in_turn,
    cashews,
    dogpile_redis,
    flask_caching,
    in_turn,
)
from benchmarks.conftest import Peer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks._cache_places import Place
    from benchmarks.conftest import Bench
    from hhs_perf.cache import TieredCache

KEYS: Final = [f"account:{number}" for number in range(1_000)]
BARE_KEYS: Final = [f"bare:{key}" for key in KEYS]
OTHERS: Final = [f"other:{number}" for number in range(500)]
VALUE: Final = {
    "id": 17,
    "handle": "somebody",
    "platform": "youtube",
    "followers": 123_456,
    "ratio": 0.25,
    "tags": ["a", "b", "c"],
    "about": "x" * 70,
}
PACKED: Final = msgspec.msgpack.encode(VALUE)
GET_BOUND: Final = 1.2
MANY_BOUND: Final = 2.0
ROUNDS: Final = 25
NOTE: Final = (
    f"The value is a dict of {len(PACKED)} bytes. Reads miss L1, are found in L2, decoded, and"
    " come up to L1, which is empty before each turn; or it is full of entries that are hit more"
    " often, and each read displaces one of the others."
)
MANY_NOTE: Final = (
    "MGET is one exchange whose cost per key is small, and the yardstick decodes nothing: with"
    " decoding alone it takes 1.3 times as long. Beyond that each value's frame is checked and"
    " becomes an entry of L1, in Python, which takes half as long again as exchange and decoding"
    " together; where L1 is full, displacing other entries takes that much once more. One loop"
    " with all of it written out, which was tried, would save a fifth."
)

decode = msgspec.msgpack.Decoder().decode


@pytest.fixture
def place(place: Place) -> Place:
    """Give a server and a protocol; the server holds the bare values."""
    place.bare().mset(dict.fromkeys(BARE_KEYS, PACKED))
    return place


@pytest.fixture(params=["empty", "full"])
def state(request: pytest.FixtureRequest) -> str:
    """Return what L1 is."""
    return request.param


@pytest.fixture
def cache(place: Place, state: str) -> Iterator[TieredCache]:
    """Yield a cache whose L2 holds all keys; check that they were found there."""
    # Another process, as it were, has loaded them: its L1 remembers what it held.
    namespace = place.new_name()
    place.cache(namespace=namespace).set_many(dict.fromkeys(KEYS, VALUE), ttl=TTL)
    cache = place.cache(2 * len(KEYS) if state == "empty" else len(OTHERS), namespace)
    if state == "full":
        cache.set_many(dict.fromkeys(OTHERS, VALUE), ttl=TTL)
        in_turn(cache.get, OTHERS * 3)()
    in_turn(cache.get, KEYS)()
    cache.core.memory.walk()
    counts = cache.core.memory.counts
    counts.clear()
    yield cache
    cache.core.memory.walk()
    assert counts.l2_hits >= ROUNDS * len(KEYS)
    assert counts.l1_hits < counts.l2_hits / 100
    assert not counts.errors


@pytest.fixture
def emptying(cache: TieredCache, state: str) -> dict[str, Callable[[], object]]:
    """Return what comes before our turn."""
    return {"ours": cache.core.memory.store.forget_all} if state == "empty" else {}


def _in_hundreds(keys: list[str]) -> list[list[str]]:
    return [keys[start : start + 100] for start in range(0, len(keys), 100)]


def _shows_peers(place: Place, state: str) -> bool:
    return place.is_first and state == "empty"


def test_get(
    bench: Bench,
    place: Place,
    state: str,
    cache: TieredCache,
    emptying: dict[str, Callable[[], object]],
) -> None:
    """A thread's read takes at most a fifth more CPU than the bare one, decoding included."""
    bare = place.bare()

    def read(key: str) -> None:
        decode(bare.get(key))

    peers = {"redis-py get, decoded": Peer(run=in_turn(read, BARE_KEYS), bound=GET_BOUND)}
    if _shows_peers(place, state):
        region, flask = dogpile_redis(place.parts), flask_caching(place.parts.geturl())
        region.set_multi(dict.fromkeys(KEYS, VALUE))
        flask.set_many(dict.fromkeys(KEYS, VALUE), timeout=int(TTL))
        peers["dogpile.cache get"] = Peer(run=in_turn(region.get, KEYS), bound=None)
        peers["Flask-Caching get"] = Peer(run=in_turn(flask.get, KEYS), bound=None)
    bench.compare(
        f"get: a hit in L2, L1 {state} ({place.name})",
        in_turn(cache.get, KEYS),
        peers,
        unit="us",
        operations=len(KEYS),
        rounds=ROUNDS,
        prepare=emptying,
        note=NOTE,
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # peers close redis-py as it was once
def test_get_awaited(
    bench: Bench,
    place: Place,
    state: str,
    cache: TieredCache,
    emptying: dict[str, Callable[[], object]],
) -> None:
    """A task's read takes at most a fifth more CPU than the bare one, decoding included."""
    bare = place.bare_async()

    async def read(key: str) -> None:
        decode(await bare.get(key))

    def shown(get: Callable[[str], Awaitable[object]]) -> Peer:
        return Peer(run=awaited_in_turn(place.loop, get, KEYS), bound=None)

    run = awaited_in_turn(place.loop, read, BARE_KEYS)
    peers = {"redis-py get, decoded": Peer(run=run, bound=GET_BOUND)}
    if _shows_peers(place, state):
        spiced, aio = cashews(place.parts.geturl()), aiocache_redis(place.parts)

        async def fill() -> None:
            for key in KEYS:
                await spiced.set(key, VALUE, expire=TTL)
                await aio.set(key, VALUE, ttl=TTL)

        place.run(fill())
        peers |= {"cashews get": shown(spiced.get), "aiocache get": shown(aio.get)}
    bench.compare(
        f"aio.get: a hit in L2, L1 {state} ({place.name})",
        awaited_in_turn(place.loop, cache.aio.get, KEYS),
        peers,
        unit="us",
        operations=len(KEYS),
        rounds=ROUNDS,
        prepare=emptying,
        note=NOTE,
    )
    if _shows_peers(place, state):
        place.run(spiced.close())
        place.run(aio.close())


@pytest.mark.parametrize(
    ("clock", "of"), [(time.perf_counter, "wall time"), (time.process_time, "CPU")]
)
def test_get_many(
    bench: Bench,
    place: Place,
    state: str,
    cache: TieredCache,
    emptying: dict[str, Callable[[], object]],
    clock: Callable[[], float],
    of: str,
) -> None:
    """A hundred values at once, decoded, take twice the time of a bare MGET that decodes none."""
    is_judged = clock is time.perf_counter
    bare = place.bare()
    batches, bare_batches = _in_hundreds(KEYS), _in_hundreds(BARE_KEYS)

    def read(keys: list[str]) -> None:
        for packed in bare.mget(keys):
            decode(packed)

    bound = MANY_BOUND if is_judged else None
    peers = {"redis-py MGET": Peer(run=in_turn(bare.mget, bare_batches), bound=bound)}
    if place.is_first:
        run = in_turn(read, bare_batches)
        peers["redis-py MGET, decoded"] = Peer(run=run, bound=None)
    if _shows_peers(place, state) and is_judged:
        region, flask = dogpile_redis(place.parts), flask_caching(place.parts.geturl())
        region.set_multi(dict.fromkeys(KEYS, VALUE))
        flask.set_many(dict.fromkeys(KEYS, VALUE), timeout=int(TTL))
        peers["dogpile.cache get_multi"] = Peer(run=in_turn(region.get_multi, batches), bound=None)
        peers["Flask-Caching get_many"] = Peer(
            run=in_turn(lambda keys: flask.get_many(*keys), batches), bound=None
        )
    bench.compare(
        f"get_many: 100 hits in L2, L1 {state}, {of} ({place.name})",
        in_turn(cache.get_many, batches),
        peers,
        unit="us",
        operations=len(batches),
        rounds=ROUNDS,
        clock=clock,
        prepare=emptying,
        note=MANY_NOTE,
    )


@pytest.mark.parametrize("state", ["empty"], indirect=True)
def test_gathered(
    bench: Bench,
    place: Place,
    cache: TieredCache,
    emptying: dict[str, Callable[[], object]],
) -> None:
    """A hundred tasks that read at once travel together."""
    bare = place.bare_async()
    batches, bare_batches = _in_hundreds(KEYS), _in_hundreds(BARE_KEYS)

    def at_once(get: Callable[[str], Any], batches: list[list[str]]) -> Callable[[], None]:
        async def ask() -> None:
            for keys in batches:
                await asyncio.gather(*map(get, keys))

        return lambda: place.run(ask())

    mget = awaited_in_turn(place.loop, bare.mget, bare_batches)
    bench.compare(
        f"aio.get: 100 tasks, hits in L2, L1 empty ({place.name})",
        at_once(cache.aio.get, batches),
        {
            "redis-py get": Peer(run=at_once(bare.get, bare_batches), bound=1.0),
            "redis-py MGET": Peer(run=mget, bound=None),
        },
        unit="us",
        operations=len(batches),
        rounds=ROUNDS,
        prepare=emptying,
    )
