"""What one process changes reaches the memory of the others, over each server and protocol."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
import redis

from hhs_perf.cache import Policy, TieredCache
from tests.cache_worlds import Bus, ShiftedClock, link, open_cache
from tests.servers import wait_until

CHANGES = ["set", "set_many", "delete", "tags", "prefix", "everything", "load"]


@pytest.fixture
def pair(redis_url: str, namespace: str) -> Iterator[tuple[TieredCache, TieredCache]]:
    """Two caches that hear each other."""
    settings = {"namespace": namespace, "l2_timeout": 2.0}
    with open_cache(redis_url, **settings) as one, open_cache(redis_url, **settings) as two:
        yield link(one), link(two)


def in_l1(cache: TieredCache, key: str) -> object:
    """Give what L1 would answer, without asking L2."""
    found = cache.core.quick(key)
    return None if found is None else found.value


def hold(pair: tuple[TieredCache, TieredCache]) -> None:
    """Have `a:1` in L1 of both; the second one has heard of the writing before."""
    one, two = pair
    heard = two.core.memory.counts.messages
    one.set("a:1", "old", tags=["t"])
    wait_until(lambda: two.core.memory.counts.messages > heard, "the message")
    assert two.get("a:1") == "old"
    assert two.get("a:1") == "old"
    assert in_l1(two, "a:1") == in_l1(one, "a:1") == "old"


def change(cache: TieredCache, how: str) -> None:
    if how == "set":
        cache.set("a:1", "new")
    elif how == "set_many":
        cache.set_many({"a:1": "new", "b:1": "old"})
    elif how == "delete":
        cache.delete("a:1", "b:2")
    elif how == "prefix":
        cache.invalidate(prefix="a:")
    elif how == "tags":
        cache.invalidate(tags=["t", "u"])
    elif how == "everything":
        cache.invalidate(everything=True)
    else:
        cache.refresh("a:1", lambda: "new")


@pytest.mark.parametrize("how", CHANGES)
def test_a_change_reaches_the_l1_of_another_process(
    pair: tuple[TieredCache, TieredCache], how: str
) -> None:
    one, two = pair
    hold(pair)
    change(one, how)
    wait_until(lambda: in_l1(two, "a:1") is None, "the message", 5)
    assert two.get("a:1") in ("new", None)
    assert one.get("a:1") in ("new", None)


@pytest.mark.parametrize("how", ["set", "delete", "tags", "load"])
async def test_a_change_by_a_task_does_so_too(
    pair: tuple[TieredCache, TieredCache], how: str
) -> None:
    one, two = pair
    hold(pair)
    if how == "load":
        await one.aio.refresh("a:1", lambda: "new")
    elif how == "set":
        await one.aio.set_many({"a:1": "new"})
    elif how == "delete":
        await one.aio.delete("a:1")
    else:
        await one.aio.invalidate(tags=["t"])
    await asyncio.to_thread(wait_until, lambda: in_l1(two, "a:1") is None, "the message", 5)
    assert await two.aio.get("a:1") in ("new", None)
    for cache in pair:
        await cache.aio.close()


def test_what_does_not_concern_an_entry_leaves_it(pair: tuple[TieredCache, TieredCache]) -> None:
    one, two = pair
    hold(pair)
    heard = two.core.memory.counts.messages
    one.delete("a:2")
    one.set("b:1", 1)
    one.invalidate(tags=["other"], prefix="b:")
    wait_until(lambda: two.core.memory.counts.messages >= heard + 4, "the messages")
    reads = two.core.memory.counts.l2_hits
    assert two.get("a:1") == "old"
    assert two.core.memory.counts.l2_hits == reads


def test_l1_never_outlives_l2_nor_starts_the_ttl_anew(redis_url: str, namespace: str) -> None:
    """Promotion keeps what remains of the ttl."""
    clock = ShiftedClock()
    settings = {"namespace": namespace, "l2_timeout": 2.0, "l1_ttl": 1000.0}
    with (
        contextlib.closing(Bus(redis_url, namespace)) as bus,
        open_cache(redis_url, **settings) as one,
        open_cache(redis_url, clock=clock, **settings) as two,
    ):
        bus.link(one)
        bus.link(two)
        one.set("k", "value", ttl=100)
        bus.deliver()
        clock.advance(60)
        assert two.get("k") == "value"
        left = two.core.memory.find("k").expires - clock.monotonic()
        assert 39 < left <= 40
        assert 39 < two.ttl("k") <= 40
        clock.advance(41)
        assert in_l1(two, "k") is None


@pytest.mark.parametrize("skew", [-7200.0, 3.0])
def test_a_wrong_clock_breaks_neither_ttl_nor_invalidation(
    redis_url: str, namespace: str, skew: float
) -> None:
    """Stamps are on Redis's clock, whatever the machine believes."""
    wrong = ShiftedClock(wall=skew)
    settings = {"namespace": namespace, "l2_timeout": 2.0}
    with (
        open_cache(redis_url, **settings) as right,
        open_cache(redis_url, clock=wrong, **settings) as askew,
    ):
        link(right)
        link(askew)
        for one, two in ((right, askew), (askew, right)):
            one.set("k", "value", ttl=100, tags=["t"])
            wait_until(lambda two=two: two.get("k") == "value", "the message")
            assert 98 < two.ttl("k") <= 100.1
            two.invalidate(tags=["t"])
            assert two.get("k") is None
            wait_until(lambda one=one: one.get("k") is None, "the message")
            one.set("k", "anew", tags=["t"])
            wait_until(lambda two=two: two.get("k") == "anew", "the message")
            one.get_or_load("loaded", lambda: 1, ttl=100, tags=["t"])
            assert two.get("loaded") == 1
            two.invalidate(tags=["t"], everything=True)
            assert two.get("loaded") is None


def test_link_loss_shortens_lives_and_the_new_link_begins_empty(
    redis_url: str, namespace: str
) -> None:
    clock = ShiftedClock()
    with (
        open_cache(redis_url, namespace=namespace, l2_timeout=2.0, clock=clock) as cache,
        redis.Redis.from_url(redis_url) as client,
    ):
        link(cache)
        backplane = cache.core.below.backplane
        backplane._make_client, working = lambda: 1 / 0, backplane._make_client
        cache.set("k", "value", ttl=100)
        assert client.client_kill_filter(_type="pubsub") >= 1
        wait_until(lambda: not backplane.is_linked, "the loss")
        assert in_l1(cache, "k") is None, "it needs a look, which shortens its life"
        assert cache.get("k") == "value"
        client.delete(f"hhs:{namespace}:{{k:k}}")
        assert cache.get("k") == "value"
        clock.advance(5.1)
        assert cache.get("k") is None, "what nobody told of shows within five seconds"
        cache.set("j", "value", ttl=100)
        backplane._make_client = working
        wait_until(lambda: backplane.is_linked, "the new link")
        assert in_l1(cache, "j") is None
        assert cache.get("j") == "value"


def test_what_was_changed_while_the_link_was_down_is_seen(
    pair: tuple[TieredCache, TieredCache], redis_url: str
) -> None:
    one, two = pair
    keys = ["set", "delete", "prefix:1", "tags", "other"]
    one.set_many(dict.fromkeys(keys, "old"), tags=["t"])
    one.set("tags", "old", tags=["u"])
    assert set(two.get_many(keys).values()) == {"old"}
    losses = two.core.below.backplane.losses
    with redis.Redis.from_url(redis_url) as client:
        client.client_kill_filter(_type="pubsub")
    one.set("set", "new")
    one.delete("delete")
    one.invalidate(tags=["u"], prefix="prefix:")
    wait_until(lambda: two.core.below.backplane.losses > losses, "the loss")
    wait_until(lambda: two.core.below.backplane.is_linked, "the new link")
    assert two.get_many(keys) == {"set": "new", "other": "old"}


def test_stale_time_is_shared_between_processes(pair: tuple[TieredCache, TieredCache]) -> None:
    """A value past its ttl is still there for the process that never had it."""
    one, two = pair
    policy = Policy(ttl=0.05, fail_safe_for=60)
    one.get_or_load("k", lambda: "value", policy=policy)
    wait_until(lambda: one.get("k") is None, "the end of the ttl")

    def fail() -> str:
        raise LookupError

    assert two.get_or_load("k", fail, policy=policy) == "value"


def test_kept_exceptions_reach_other_processes(pair: tuple[TieredCache, TieredCache]) -> None:
    one, two = pair
    policy = Policy(negative=(LookupError,), negative_ttl=60)
    calls: list[int] = []

    def fail() -> int:
        calls.append(1)
        raise LookupError("no row")

    for cache in (one, two, one, two):
        with pytest.raises(LookupError, match="no row"):
            cache.get_or_load("k", fail, policy=policy, type=int)
        assert cache.get("k", "nothing") == "nothing"
        assert cache.get_many(["k"]) == {}
    assert len(calls) == 1
