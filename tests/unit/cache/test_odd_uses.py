"""What somebody did who did not know the cache: each of these went wrong once."""

from __future__ import annotations

import asyncio
import enum
import time

import pytest

from hhs_perf.cache import Policy, TieredCache
from hhs_perf.cache.remote.l2 import L2Down
from hhs_perf.exceptions import CacheKeyError
from tests.servers import wait_until


class _Skewed:
    """The clock of a host that nobody has set right."""

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def monotonic(self) -> float:
        return time.perf_counter()

    def wall(self) -> float:
        return time.time() + self._ahead


class _Name(str, enum.Enum):  # noqa: UP042 - what it renders as is the point
    PRICE = "price"


@pytest.fixture
def caches(valkey_url, namespace):
    made = []

    def make(**options):
        made.append(TieredCache(valkey_url, namespace=namespace, **options))
        return made[-1]

    yield make
    for cache in made:
        cache.close()


@pytest.mark.parametrize("ahead", [-400.0, 5.0, 1e6])
def test_a_first_write_by_a_host_with_a_wrong_clock_is_like_any_other(caches, ahead):
    """It is found by others, lives as long as it should, and is void once it was invalidated."""
    job, one = caches(clock=_Skewed(ahead)), caches()
    job.set("price", 100, ttl=300, tags=["prices"])
    assert one.get("price") == 100
    assert 290 < one.ttl("price") <= 300
    one.invalidate(tags=["prices"])
    assert one.get("price") is None
    wait_until(lambda: job.get("price") is None, "the invalidation")


def test_a_string_of_a_subclass_is_the_plain_one(caches):
    """A member of an enumeration names the same entry in both levels, as key, prefix and tag."""
    one, two = caches(), caches()
    one.set("price", 1, tags=[_Name.PRICE])
    assert two.get(_Name.PRICE) == 1
    two.delete(_Name.PRICE)
    assert caches().get("price") is None
    one.set(_Name.PRICE, 2, tags=[_Name.PRICE])
    assert caches().get("price") == 2
    one.invalidate(prefix=_Name.PRICE)
    assert caches().get("price") is None
    one.set("other", 3, tags=[_Name.PRICE])
    one.invalidate(tags=["price"])
    assert caches().get("other") is None


def test_a_key_that_cannot_be_written_hurts_nobody_else(caches):
    """It is refused by name before anything is sent, with an L2 and without."""
    cache = caches()
    cache.set_many({f"k{number}": number for number in range(5)})
    fresh = caches()

    async def ask():
        try:
            return await asyncio.gather(
                *(fresh.aio.get(f"k{number}") for number in range(5)),
                fresh.aio.get("\ud800"),
                return_exceptions=True,
            )
        finally:
            await fresh.aio.close()

    *found, refused = asyncio.run(ask())
    assert found == [0, 1, 2, 3, 4]
    assert isinstance(refused, CacheKeyError)
    with pytest.raises(CacheKeyError, match="ud800"):
        cache.delete("k1", "\ud800")
    with pytest.raises(CacheKeyError):
        TieredCache().get("\ud800")


def test_who_wants_copies_gets_none_that_others_changed(caches):
    """A plain `get` in this process shares what it promotes; a reader of copies reads L2 anew."""
    one, two = caches(), caches()
    safe = Policy(ttl=60, copy="on_read")
    one.get_or_load("config", lambda: ["x"], policy=safe)
    two.get("config").append("changed")
    assert two.get_or_load("config", lambda: ["loaded"], policy=safe) == ["x"]


@pytest.mark.parametrize(("size", "stays_closed"), [(2_000_000, True), (1_000, False)])
def test_a_long_value_that_takes_its_time_does_not_cut_redis_off(caches, size, stays_closed):
    """A time-out while megabytes are sent is no sign that Redis is away; otherwise it is one."""
    below = caches().core.below
    steps = below.level2.put("long", b"x" * size, 60.0, None)
    next(steps)
    with pytest.raises(L2Down):
        steps.throw(TimeoutError())
    assert below.breaker.is_closed is stays_closed
