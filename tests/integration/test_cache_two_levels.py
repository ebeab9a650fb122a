"""Policies, types and lives where there are two levels and two processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import attrs
import pytest
import redis

from hhs_perf.cache import NOT_MODIFIED, Codec, Loaded, MacKey, Policy, TieredCache, previous
from hhs_perf.exceptions import CacheCodecError, CacheKeyError
from tests.cache_worlds import Bus, Gate, ShiftedClock, in_thread, link, open_cache
from tests.servers import wait_until


@attrs.frozen
class Account:
    name: str
    since: datetime
    tags: tuple[str, ...] = ()


ACCOUNT = Account("a", datetime(2026, 1, 2, tzinfo=UTC), ("x", "y"))


@pytest.fixture
def make(valkey_url: str, namespace: str) -> Iterator[Callable[..., TieredCache]]:
    """Make caches of one namespace that hear each other."""
    with contextlib.ExitStack() as stack:
        settings = {"namespace": namespace, "l2_timeout": 2.0}
        yield lambda **more: link(stack.enter_context(open_cache(valkey_url, **settings | more)))


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as made:
        yield made


def landed(cache: TieredCache) -> None:
    wait_until(lambda: len(cache.core.flights) == 0, "the load")


def forget_in_l1(cache: TieredCache, key: str) -> None:
    cache.core.memory.depart([key])


def test_a_value_lives_longer_in_l2_than_in_l1(
    make: Callable[..., TieredCache], client: redis.Redis
) -> None:
    cache = make(l1_ttl=20.0, l2_ttl=200.0)
    cache.get_or_load("k", lambda: 1)
    names = cache.core.below.level2.names
    assert 19 < cache.core.memory.find("k").expires - cache.core.memory.now() <= 20
    assert 199_000 < client.pttl(names.value("k")) <= 200_000
    cache.get_or_load("own", lambda: 1, ttl=100)
    assert 99 < cache.core.memory.find("own").expires - cache.core.memory.now() <= 100
    assert 99_000 < client.pttl(names.value("own")) <= 100_000


def test_values_of_a_type_come_back_as_it(make: Callable[..., TieredCache]) -> None:
    one, two = make(), make()
    assert one.get_or_load("k", lambda: ACCOUNT, type=Account) == ACCOUNT
    assert two.get("k", type=Account) == ACCOUNT
    forget_in_l1(two, "k")
    assert two.get_or_load("k", lambda: None, type=Account) == ACCOUNT
    forget_in_l1(two, "k")
    assert two.get_many(["k"], type=Account) == {"k": ACCOUNT}


def test_a_value_of_another_type_is_a_miss_and_is_replaced(
    make: Callable[..., TieredCache],
) -> None:
    one, two = make(), make()
    one.set("k", "text")
    assert two.get("k", type=Account) is None
    assert two.get_or_load("k", lambda: ACCOUNT, type=Account) == ACCOUNT
    wait_until(lambda: one.get("k", type=Account) == ACCOUNT, "the message")


def test_what_l2_cannot_hold_stays_in_l1(
    make: Callable[..., TieredCache], caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and everything about the entry is as of any other."""
    one, two = make(), make()
    value = {1, 2}
    for number in range(3):
        key = f"set:{number}"
        assert one.get_or_load(key, lambda: value, ttl=50) is value
        assert one.get(key) is value
        assert one.contains(key)
        assert 49 < one.ttl(key) <= 50
        assert two.get(key) is None
    assert sum("stay in L1" in record.message for record in caplog.records) == 1
    assert one.core.memory.counts.unstorable == 3
    assert in_thread(two.get_or_load, "set:0", lambda: 5).result(2) == 5, "no lease was left"


def test_setting_what_l2_cannot_hold_ends_what_it_held(make: Callable[..., TieredCache]) -> None:
    one, two = make(), make()
    one.set("k", "old")
    one.set("k", {1, 2})
    assert one.get("k") == {1, 2}
    wait_until(lambda: two.get("k") is None, "the message")
    one.set("j", (1, 2), type=tuple[int, int])
    assert two.get("j", type=tuple[int, int]) == (1, 2)


def test_who_wants_to_know_is_told_what_cannot_be_stored(
    make: Callable[..., TieredCache],
) -> None:
    cache = make(on_l2_error="raise")
    with pytest.raises(CacheCodecError):
        cache.set("k", {1, 2})
    with pytest.raises(CacheCodecError):
        cache.get_or_load("k", lambda: {1, 2})
    assert in_thread(cache.get_or_load, "k", lambda: 1).result(2) == 1


def test_signed_values_are_read_by_who_has_the_key(make: Callable[..., TieredCache]) -> None:
    old, new = MacKey(id="old", secret=b"o" * 16), MacKey(id="new", secret=b"n" * 16)
    signs_old = make(codec=Codec(keys=[old]))
    rotating = make(codec=Codec(keys=[new, old]))
    signs_new, unsigned = make(codec=Codec(keys=[new])), make()
    signs_old.set("k", 1)
    assert rotating.get("k") == 1
    assert signs_new.get("k") is None
    rotating.set("j", 2)
    assert signs_new.get("j") == 2
    assert signs_old.get("j") is None
    unsigned.set("u", 3)
    for cache in (signs_old, rotating, signs_new):
        assert cache.get("u") is None
    assert signs_new.core.memory.counts.unreadable == {"mac": 2}


def test_a_value_past_its_life_in_l1_is_looked_up_not_taken_for_stale(
    valkey_url: str, namespace: str
) -> None:
    """Its ttl is not over, so nobody allowed a value that others may have changed."""
    clock = ShiftedClock()
    policy = Policy(copy="on_read")
    with (
        contextlib.closing(Bus(valkey_url, namespace)) as bus,
        open_cache(valkey_url, namespace=namespace, clock=clock, l1_ttl=10.0) as cache,
        open_cache(valkey_url, namespace=namespace) as other,
    ):
        bus.link(cache)
        bus.link(other)
        assert cache.get_or_load("k", lambda: ["old"], policy=policy) == ["old"]
        other.set("k", ["new"])
        clock.advance(11)
        assert cache.get_or_load("k", lambda: ["never"], policy=policy) == ["new"]


def test_a_process_without_the_value_gets_the_stale_one_of_l2(
    make: Callable[..., TieredCache],
) -> None:
    one, two = make(), make()
    policy = Policy(ttl=0.05, stale_for=60)
    one.get_or_load("k", lambda: "old", policy=policy)
    wait_until(lambda: one.get("k") is None, "the end of the ttl")
    gate = Gate(lambda: "new")
    began = time.monotonic()
    assert two.get_or_load("k", gate, policy=policy) == "old"
    assert time.monotonic() - began < 2
    gate.wait()
    assert one.get_or_load("k", lambda: "never", policy=policy) == "old"
    gate.open()
    landed(two)
    wait_until(
        lambda: one.get_or_load("k", lambda: "newer", policy=policy) in ("new", "newer"), "the new"
    )


def test_the_soft_timeout_holds_for_a_stale_value_of_l2(make: Callable[..., TieredCache]) -> None:
    one, two = make(), make()
    policy = Policy(ttl=0.05, fail_safe_for=60, soft_timeout=0.05)
    one.get_or_load("k", lambda: "old", policy=policy)
    wait_until(lambda: one.get("k") is None, "the end of the ttl")
    gate = Gate(lambda: "new")
    assert in_thread(two.get_or_load, "k", gate, policy=policy).result(2) == "old"
    gate.open()
    landed(two)


def test_a_refresh_sees_the_value_that_l2_holds(make: Callable[..., TieredCache]) -> None:
    one, two = make(), make()
    one.get_or_load("k", lambda: Loaded("value", note="etag-1"))
    seen: list[tuple[object, str | None]] = []

    def loader() -> object:
        before = previous()
        seen.append((before.value, before.note))
        return NOT_MODIFIED

    assert two.refresh("k", loader) == "value"
    assert seen == [("value", "etag-1")]
    assert two.get("k") == "value"


def test_a_refresh_loads_though_another_process_is_loading(
    make: Callable[..., TieredCache],
) -> None:
    """Who calls it has changed something: what was read before that will not do."""
    one, two = make(), make()
    gate = Gate(lambda: "old")
    load = in_thread(one.get_or_load, "k", gate)
    gate.wait()
    refresh = in_thread(two.refresh, "k", lambda: "new")
    time.sleep(0.05)
    gate.open()
    assert load.result(5) == "old"
    assert refresh.result(5) == "new"
    wait_until(lambda: one.get("k") == two.get("k") == "new", "the new value")


def test_a_refresh_loads_though_another_thread_is_loading(
    make: Callable[..., TieredCache],
) -> None:
    cache = make()
    gate = Gate(lambda: "old")
    load = in_thread(cache.get_or_load, "k", gate)
    gate.wait()
    refresh = in_thread(cache.refresh, "k", lambda: "new")
    time.sleep(0.05)
    gate.open()
    assert load.result(5) == "old"
    assert refresh.result(5) == "new"
    wait_until(lambda: cache.get("k") == "new", "the new value")


def test_only_one_process_refreshes_eagerly(make: Callable[..., TieredCache]) -> None:
    caches = [make(), make()]
    policy = Policy(ttl=0.5, eager_at=0.2)
    loads: list[int] = []

    def loader() -> str:
        loads.append(1)
        return f"value {len(loads)}"

    for cache in caches:
        assert cache.get_or_load("k", loader, policy=policy) == "value 1"

    def is_refreshed() -> bool:
        found = [cache.get_or_load("k", loader, policy=policy) for cache in caches]
        return found[0] == found[1] != "value 1"

    wait_until(is_refreshed, "the refresh")
    assert len(loads) <= 3


def test_a_closed_cache_goes_on(make: Callable[..., TieredCache]) -> None:
    cache = make()
    cache.set("k", 1)
    cache.close()
    began = time.monotonic()
    for number in range(10):
        assert cache.get_or_load(f"k{number}", lambda: 2) == 2
    assert cache.get("k") in (1, None)
    assert time.monotonic() - began < 1


def test_a_key_that_redis_cannot_be_told_is_refused(make: Callable[..., TieredCache]) -> None:
    """And leaves no load behind that others would wait for."""
    cache = make()
    for _ in range(2):
        with pytest.raises(CacheKeyError):
            cache.get_or_load("\ud800", lambda: 1)
    assert len(cache.core.flights) == 0


@pytest.mark.parametrize("key", ["", " ", "a}b{c", "{k:}", "ключ", "a\x00b", "k" * 5_000, "*"])
def test_any_text_is_a_key(make: Callable[..., TieredCache], key: str) -> None:
    one, two = make(), make()
    near = key + "}lock"
    one.set(key, key)
    one.set(near, "another")
    assert two.get_many([key, near]) == {key: key, near: "another"}
    forget_in_l1(two, key)
    assert two.get_or_load(key, lambda: None) == key
    one.invalidate(prefix=key or "}")
    wait_until(lambda: not key or two.get(key) is None, "the message")
