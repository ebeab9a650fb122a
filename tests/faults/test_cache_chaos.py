"""Redis refuses, stalls, forgets and lies: callers notice nothing but loads."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from hhs_perf.cache import TieredCache
from hhs_perf.exceptions import CacheBackendError
from tests.cache_worlds import Gate, in_thread, link, open_cache
from tests.chaos_proxy import ChaosProxy
from tests.servers import SentinelSet, Server, redis_binary, wait_until

TROUBLES = ["refuse", "tarpit", "delay", "half_close", "cut"]
# What the goals say, with room for a machine that stalls; the prints tell what was measured.
OPEN_WITHIN = 1.0
EACH_WITHIN = 0.002
BACK_WITHIN = 5.0


@pytest.fixture
def proxy(valkey: Server, proxied: Callable[[Server], ChaosProxy]) -> ChaosProxy:
    return proxied(valkey)


@pytest.fixture
def cache(proxy: ChaosProxy, namespace: str) -> Iterator[TieredCache]:
    """A cache that reaches Redis through the proxy."""
    with open_cache(proxy.url, namespace=namespace) as made:
        yield link(made)


@pytest.fixture
def direct(valkey_url: str, namespace: str) -> Iterator[TieredCache]:
    """A cache of the same namespace, whose way to Redis is never troubled."""
    with open_cache(valkey_url, namespace=namespace, l2_timeout=2.0) as made:
        yield link(made)


def trouble(proxy: ChaosProxy, how: str) -> None:
    if how == "delay":
        proxy.delay(0.3)
    else:
        getattr(proxy, how)()


def do_everything(cache: TieredCache, mark: str) -> None:
    """Use every method; what comes back is right, whatever Redis does."""
    cache.set(f"{mark}:set", 1, tags=["t"])
    cache.set_many({f"{mark}:many{number}": number for number in range(3)})
    assert cache.get(f"{mark}:set") in (1, None)
    assert cache.get(f"{mark}:unknown", "default") == "default"
    assert cache.get_or_load(f"{mark}:load", lambda: 2) == 2
    assert cache.refresh(f"{mark}:load", lambda: 3) == 3
    assert set(cache.get_many([f"{mark}:many0", f"{mark}:unknown"])) <= {f"{mark}:many0"}
    assert cache.contains(f"{mark}:load") in (True, False)
    left = cache.ttl(f"{mark}:load")
    assert left is None or 0 < left <= 300
    cache.delete(f"{mark}:load")
    assert cache.get(f"{mark}:load") is None
    cache.invalidate(tags=["t"], prefix=f"{mark}:", everything=True)
    assert cache.get(f"{mark}:set") is None


async def do_everything_as_task(cache: TieredCache, mark: str) -> None:
    aio = cache.aio
    await aio.set(f"{mark}:set", 1, tags=["t"])
    await aio.set_many({f"{mark}:many{number}": number for number in range(3)})
    assert await aio.get(f"{mark}:set") in (1, None)
    found = await asyncio.gather(*(aio.get(f"{mark}:unknown{each}", each) for each in range(20)))
    assert found == list(range(20))
    assert await aio.get_or_load(f"{mark}:load", lambda: 2) == 2
    assert await aio.refresh(f"{mark}:load", lambda: 3) == 3
    assert set(await aio.get_many([f"{mark}:many0", f"{mark}:unknown"])) <= {f"{mark}:many0"}
    assert await aio.contains(f"{mark}:load") in (True, False)
    left = await aio.ttl(f"{mark}:load")
    assert left is None or 0 < left <= 300
    await aio.delete(f"{mark}:load")
    assert await aio.get(f"{mark}:load") is None
    await aio.invalidate(tags=["t"], prefix=f"{mark}:", everything=True)
    assert await aio.get(f"{mark}:set") is None


def is_back(cache: TieredCache) -> bool:
    below = cache.core.below
    return below.breaker.is_closed and below.backplane.is_linked and not below.level2.unsent


@pytest.mark.parametrize("how", TROUBLES)
def test_no_trouble_reaches_a_caller(cache: TieredCache, proxy: ChaosProxy, how: str) -> None:
    """The first calls pay until the breaker opens, the others nothing; then all is well again."""
    do_everything(cache, "before")
    trouble(proxy, how)
    began = time.perf_counter()
    do_everything(cache, "during")
    until_open = time.perf_counter() - began
    began = time.perf_counter()
    for number in range(20):
        do_everything(cache, f"during{number}")
    each = (time.perf_counter() - began) / (20 * 14)
    proxy.pass_()
    began = time.perf_counter()
    wait_until(lambda: is_back(cache), "Redis to be used again", BACK_WITHIN)
    back = time.perf_counter() - began
    print(f"{how}: {until_open:.3f} s at first, {each * 1e6:.0f} µs a call, back in {back:.3f} s")
    if how != "cut":  # after a cut Redis is there again at once, and so is asked
        assert until_open < OPEN_WITHIN
        assert each < EACH_WITHIN
    do_everything(cache, "after")
    wait_until(lambda: cache.core.memory._deaf_until is None, "the end of short lives", 5)
    assert cache.get_or_load("again", lambda: 1, ttl=100) == 1
    entry = cache.core.memory.find("again")
    assert entry.expires - cache.core.memory.now() > 90, "lives are not shortened any more"
    with redis.Redis.from_url(proxy.url) as client:
        assert client.exists(f"hhs:{cache.namespace}:{{k:again}}") == 1


@pytest.mark.parametrize("how", TROUBLES)
async def test_no_trouble_reaches_a_task(cache: TieredCache, proxy: ChaosProxy, how: str) -> None:
    await do_everything_as_task(cache, "before")
    trouble(proxy, how)
    for number in range(20):
        await do_everything_as_task(cache, f"during{number}")
    proxy.pass_()
    await asyncio.to_thread(wait_until, lambda: is_back(cache), "Redis", BACK_WITHIN)
    await do_everything_as_task(cache, "after")
    await cache.aio.close()


@pytest.mark.parametrize("how", ["refuse", "tarpit"])
def test_a_cache_that_never_saw_redis_works(proxy: ChaosProxy, namespace: str, how: str) -> None:
    """Redis may come up after the application."""
    trouble(proxy, how)
    with open_cache(proxy.url, namespace=namespace) as cache:
        began = time.perf_counter()
        do_everything(cache, "first")
        assert time.perf_counter() - began < OPEN_WITHIN
        assert cache.get_or_load("kept", lambda: 1) == 1
        assert cache.get("kept") == 1
        proxy.pass_()
        wait_until(lambda: is_back(cache), "Redis to be used", BACK_WITHIN)
        do_everything(cache, "then")


def test_who_wants_to_know_is_told(proxy: ChaosProxy, namespace: str) -> None:
    with open_cache(proxy.url, namespace=namespace, on_l2_error="raise") as cache:
        link(cache)
        proxy.refuse()
        calls: list[Callable[[], Any]] = [
            lambda: cache.get("k"),
            lambda: cache.get_many(["k"]),
            lambda: cache.get_or_load("k", lambda: 1),
            lambda: cache.set("k", 1),
            lambda: cache.delete("k"),
            lambda: cache.invalidate(tags=["t"]),
            lambda: cache.invalidate(prefix="p"),
            lambda: cache.ttl("k"),
        ]
        for call in calls * 2:
            with pytest.raises(CacheBackendError):
                call()
        assert len(cache.core.flights) == 0


@pytest.mark.parametrize("how", ["refuse", "tarpit"])
def test_l1_keeps_serving(cache: TieredCache, proxy: ChaosProxy, how: str) -> None:
    cache.set("k", "value")
    trouble(proxy, how)
    cache.get("unknown")
    assert cache.get("k") == "value"
    wait_until(lambda: not cache.core.below.backplane.is_linked, "the loss of the link", 5)
    assert cache.get("k") == "value"
    assert cache.get_or_load("j", lambda: 1) == 1
    assert cache.get("j") == 1


@pytest.mark.parametrize("how", ["refuse", "delay"])
@pytest.mark.parametrize("what", ["delete", "set", "tags", "prefix", "everything"])
def test_changes_are_repeated_when_redis_is_back(
    cache: TieredCache, direct: TieredCache, proxy: ChaosProxy, how: str, what: str
) -> None:
    """Meanwhile the others have the old value, afterwards nobody has."""
    direct.set("a:1", "old", tags=["t"])
    assert cache.get("a:1") == "old"
    trouble(proxy, how)
    if what == "delete":
        cache.delete("a:1")
    elif what == "set":
        cache.set("a:1", "new")
    else:
        tags = ["t"] if what == "tags" else []
        prefix = "a:" if what == "prefix" else None
        cache.invalidate(tags=tags, prefix=prefix, everything=what == "everything")
    assert cache.get("a:1") in ("new", None)
    proxy.pass_()
    wait_until(lambda: is_back(cache), "Redis to be used again", BACK_WITHIN)
    assert cache.get("a:1") in ("new", None)
    wait_until(lambda: direct.get("a:1") in ("new", None), "the repetition", 5)
    assert cache.get_or_load("a:1", lambda: "new") == "new"


def test_more_changes_than_can_be_remembered_make_everything_void(
    cache: TieredCache, direct: TieredCache, proxy: ChaosProxy
) -> None:
    direct.set("k", "old")
    proxy.refuse()
    for number in range(0, 10_200, 100):
        cache.delete(*(f"k{each}" for each in range(number, number + 100)))
    assert cache.core.below.level2.unsent <= 10_000
    proxy.pass_()
    wait_until(lambda: is_back(cache), "Redis to be used again", BACK_WITHIN)
    wait_until(lambda: direct.get("k") is None, "the invalidation", 5)


def test_a_lease_whose_answer_was_lost_holds_nobody_up(
    cache: TieredCache, direct: TieredCache, proxy: ChaosProxy
) -> None:
    """Redis gave it, but too late: it is given back when Redis is there again."""
    proxy.delay(0.2)
    assert cache.get_or_load("k", lambda: 1) == 1
    proxy.pass_()
    wait_until(lambda: is_back(cache), "Redis to be used again", BACK_WITHIN)
    assert in_thread(direct.get_or_load, "k", lambda: 2).result(2) == 2


@pytest.mark.parametrize("how", ["refuse", "tarpit", "delay"])
def test_trouble_during_a_load_costs_the_others_no_lease(
    cache: TieredCache, direct: TieredCache, proxy: ChaosProxy, how: str
) -> None:
    gate = Gate(lambda: 1)
    load = in_thread(cache.get_or_load, "k", gate)
    gate.wait()
    trouble(proxy, how)
    gate.open()
    assert load.result(5) == 1
    proxy.pass_()
    wait_until(lambda: is_back(cache), "Redis to be used again", BACK_WITHIN)
    assert in_thread(direct.get_or_load, "k", lambda: 2).result(2) in (1, 2)


def test_waiting_for_another_process_ends_when_the_link_does(
    cache: TieredCache, direct: TieredCache, proxy: ChaosProxy
) -> None:
    """Its word would not be heard."""
    gate = Gate(lambda: 1)
    load = in_thread(direct.get_or_load, "k", gate)
    gate.wait()
    waiting = in_thread(cache.get_or_load, "k", lambda: 2)
    wait_until(lambda: "k" in cache.core.below.level2.waiting, "the waiting")
    proxy.refuse()
    assert waiting.result(4) == 2
    gate.open()
    assert load.result(5) == 1


# -- Redis itself


def test_a_restarted_server_is_used_again(launch: Callable[..., Server], namespace: str) -> None:
    server = launch()
    with open_cache(server.url, namespace=namespace, l2_timeout=1.0) as cache:
        link(cache)
        cache.set("k", 1)
        server.kill()
        do_everything(cache, "without")
        server.start()
        wait_until(lambda: is_back(cache), "Redis to be used again", BACK_WITHIN)
        assert cache.get("k") is None
        do_everything(cache, "with")


def test_a_server_that_stood_still_is_used_again(
    launch: Callable[..., Server], namespace: str
) -> None:
    server = launch()
    with open_cache(server.url, namespace=namespace) as cache:
        link(cache)
        server.pause()
        do_everything(cache, "paused")
        server.resume()
        wait_until(lambda: is_back(cache), "Redis to be used again", BACK_WITHIN)
        do_everything(cache, "resumed")


@pytest.mark.parametrize("which", ["valkey", "redis7"])
def test_forgotten_scripts_are_sent_again(
    request: pytest.FixtureRequest, namespace: str, which: str
) -> None:
    server = request.getfixturevalue(which)
    with (
        open_cache(server.url, namespace=namespace, l2_timeout=2.0) as cache,
        redis.Redis.from_url(server.url) as client,
    ):
        link(cache)
        for number in range(3):
            client.script_flush()
            do_everything(cache, str(number))
            client.script_flush()
            asyncio.run(_and_close(cache, str(number)))
        assert cache.core.below.breaker.report().openings == 0


async def _and_close(cache: TieredCache, mark: str) -> None:
    await do_everything_as_task(cache, mark)
    await cache.aio.close()


def test_a_flushed_server_leaves_no_old_value(direct: TieredCache, valkey_url: str) -> None:
    """With the lease gone, what was being loaded is not kept."""
    gate = Gate(lambda: "old")
    load = in_thread(direct.get_or_load, "k", gate)
    gate.wait()
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(f"hhs:{direct.namespace}:{{k:k}}lock")
    gate.open()
    assert load.result(5) == "old"
    assert direct.get_or_load("k", lambda: "new") == "new"


def test_a_replica_is_read_and_the_rest_loaded(
    launch: Callable[..., Server], namespace: str
) -> None:
    """As after a failover, to who was not told: it takes no writes."""
    primary = launch(None, "--repl-diskless-sync-delay", "0")
    replica = launch(None, "--replicaof", f"127.0.0.1 {primary.port}")
    wait_until(lambda: b"link_status:up" in replica.say("INFO replication"), "the replica")
    with (
        open_cache(replica.url, namespace=namespace, l2_timeout=1.0) as cache,
        open_cache(primary.url, namespace=namespace, l2_timeout=1.0) as writer,
    ):
        link(writer)
        link(cache)
        writer.set("k", 1)
        wait_until(lambda: cache.get("k") == 1, "the replication")
        for number in range(3):
            do_everything(cache, str(number))


@pytest.mark.parametrize("binary", [None, redis_binary()], ids=["valkey", "redis7"])
def test_a_full_server_takes_nothing_and_breaks_nothing(
    launch: Callable[..., Server], namespace: str, binary: Any
) -> None:
    server = launch(binary)
    with (
        open_cache(server.url, namespace=namespace, l2_timeout=1.0) as cache,
        redis.Redis.from_url(server.url) as client,
    ):
        link(cache)
        cache.set("k", 1)
        client.config_set("maxmemory", 1)
        for number in range(3):
            do_everything(cache, str(number))
        cache.set("kept", 2)
        client.config_set("maxmemory", 0)
        wait_until(lambda: is_back(cache), "Redis to be used again", BACK_WITHIN)
        do_everything(cache, "again")
        assert cache.get_or_load("k", lambda: 3) == 3


def test_names_that_hold_something_else_hurt_only_their_keys(
    direct: TieredCache, valkey_url: str
) -> None:
    names = direct.core.below.level2.names
    with redis.Redis.from_url(valkey_url) as client:
        client.rpush(names.value("list"), "x")
        client.rpush(names.lock("locked"), "x")
        client.rpush(names.tag("t"), "x")
        assert direct.get("list") is None
        assert direct.get_many(["list"]) == {}
        assert direct.ttl("list") is None
        assert in_thread(direct.get_or_load, "list", lambda: 1).result(2) == 1
        assert in_thread(direct.get_or_load, "locked", lambda: 1).result(2) == 1
        direct.invalidate(tags=["t"])
        assert direct.get_or_load("tagged", lambda: 1, tags=["t"]) == 1
        assert direct.core.below.breaker.report().openings == 0
        direct.core.memory.depart(["list", "locked"])
        assert direct.get_many(["list", "locked"]) == {"list": 1, "locked": 1}, "they have healed"
        client.delete(names.marks)
        client.set(names.marks, "x")
        direct.invalidate(prefix="t")
        do_everything(direct, "marks")
        client.delete(names.marks)


@pytest.mark.parametrize("stamp", [b"", b"x", b"-1", b"99999999999999999999", b"\xff\xfe", b"1e9"])
def test_stamps_that_are_none_break_nothing(
    direct: TieredCache, valkey_url: str, stamp: bytes
) -> None:
    names = direct.core.below.level2.names
    with redis.Redis.from_url(valkey_url) as client:
        client.set(names.tag("t"), stamp)
        client.hset(names.marks, mapping={b"*": stamp, b"p\xff": stamp, b"": stamp})
        direct.core.memory.marks.forget_tags()
        direct.core.below.backplane.is_linked = False
        do_everything(direct, "anyhow")
        assert direct.get_or_load("tagged", lambda: 1, tags=["t"]) == 1
        client.delete(names.tag("t"), names.marks)


def test_foreign_bytes_are_misses_that_heal(direct: TieredCache, valkey_url: str) -> None:
    names = direct.core.below.level2.names
    with redis.Redis.from_url(valkey_url) as client:
        direct.set("good", {"a": 1})
        good = client.get(names.value("good"))
        bad = [b"", b"x", os.urandom(50), good[:-1], good[:10], good + b"x", b"\x80\x04." + good]
        for number, data in enumerate(bad):
            key = f"bad{number}"
            client.set(names.value(key), data)
            assert direct.get(key) is None
            assert direct.get_many([key, "good"]) == {"good": {"a": 1}}
            assert direct.ttl(key) is None
            assert direct.get_or_load(key, lambda: 1) == 1
            direct.core.memory.depart([key])
            assert direct.get(key) == 1, "the load has replaced it"
        assert sum(direct.core.memory.counts.unreadable.values()) >= len(bad)


def test_foreign_messages_do_not_end_the_listening(direct: TieredCache, valkey_url: str) -> None:
    channel = direct.core.below.level2.names.channel
    with redis.Redis.from_url(valkey_url) as client:
        boot = "0123456789abcdef"
        for op in ("", "w", "d", "f", "t", "p", "e", "W", "?", "\x00"):
            for rest in ("", boot, f"{boot}k", f"{boot}{'9' * 40}", f"{boot}1700000000000000t"):
                client.publish(channel, op + rest)
        client.publish(channel, b"\xff\xfe\x00")
        direct.set("k", "old")
        client.publish(channel, f"d{boot}k")
        wait_until(lambda: direct.core.memory.find("k") is None, "the message")
    assert direct.core.below.backplane.is_linked


def test_an_unexpected_error_does_not_end_the_listening(
    direct: TieredCache, valkey_url: str
) -> None:
    """Whatever redis-py raises: without the thread nothing would be heard for ever."""
    backplane = direct.core.below.backplane
    working, losses = backplane._make_client, backplane.losses

    def broken() -> None:
        backplane._make_client = working
        raise AttributeError("a bug of redis-py")

    backplane._make_client = broken
    with redis.Redis.from_url(valkey_url) as client:
        client.client_kill_filter(_type="pubsub")
    wait_until(lambda: backplane.losses > losses, "the loss")
    wait_until(lambda: backplane.is_linked, "the new link")


def test_a_failover_is_followed(sentinel: SentinelSet, namespace: str) -> None:
    with open_cache(sentinel.url, namespace=namespace, l2_timeout=1.0) as cache:
        link(cache)
        cache.set("k", 1)
        sentinel.fail_over()
        do_everything(cache, "during")
        wait_until(lambda: is_back(cache), "the new primary to be used", 20)
        do_everything(cache, "after")
        assert cache.get_or_load("j", lambda: 1) == 1
        with redis.Redis.from_url(sentinel.replica.url) as client:
            assert client.exists(f"hhs:{namespace}:{{k:j}}") == 1
