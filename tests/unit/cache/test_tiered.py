"""The methods of TieredCache over the first level alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cachetools
import pytest

from hhs_perf.cache import S3FIFOCache, TieredCache
from hhs_perf.exceptions import ConfigurationError
from hhs_perf.testing import FakeClock
from tests.cache_worlds import open_cache


@pytest.fixture(params=["s3fifo", "lru", "ttl", "bytes"])
def cache(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[TieredCache]:
    """A cache over each kind of L1."""
    settings: dict[str, Any] = {
        "s3fifo": {},
        "lru": {"l1": cachetools.LRUCache(100)},
        "ttl": {"l1": cachetools.TTLCache(100, 1000, timer=clock.monotonic)},
        "bytes": {"l1_maxbytes": 100_000},
    }[request.param]
    with open_cache(clock=clock, l1_ttl=60.0, **settings) as made:
        yield made


def test_what_is_set_is_got(cache: TieredCache) -> None:
    cache.set("k", {"a": [1]})
    assert cache.get("k") == {"a": [1]}
    assert cache.get("unknown") is None
    assert cache.get("unknown", 5) == 5
    assert cache.contains("k")
    assert not cache.contains("unknown")


def test_a_ttl_ends_at_its_time(cache: TieredCache, clock: FakeClock) -> None:
    cache.set("k", 1, ttl=10)
    assert cache.ttl("k") == 10
    clock.advance(9.5)
    assert cache.ttl("k") == 0.5
    assert cache.get("k") == 1
    clock.advance(0.5)
    assert cache.get("k") is None
    assert cache.ttl("k") is None
    assert not cache.contains("k")


def test_where_a_call_says_nothing_the_caches_ttl_holds(
    cache: TieredCache, clock: FakeClock
) -> None:
    cache.set("k", 1)
    assert cache.ttl("k") == 60
    cache.set_many({"a": 1, "b": 2}, ttl=5)
    assert cache.ttl("a") == 5


def test_many_are_set_and_got(cache: TieredCache) -> None:
    cache.set_many({f"k{number}": number for number in range(10)}, tags=["t"])
    assert cache.get_many(["k1", "k5", "unknown", "k1"]) == {"k1": 1, "k5": 5}
    assert cache.get_many([]) == {}
    cache.set_many({})
    cache.invalidate(tags=["t"])
    assert cache.get_many(["k1", "k5"]) == {}


def test_all_of_many_are_kept_however_many(clock: FakeClock) -> None:
    """More than the deletes that are remembered."""
    with open_cache(clock=clock, l1_maxsize=20_000) as cache:
        cache.set_many({str(number): number for number in range(12_000)})
        assert len(cache.get_many(map(str, range(12_000)))) == 12_000


def test_deleted_keys_are_gone(cache: TieredCache) -> None:
    cache.set_many({"a": 1, "b": 2, "c": 3})
    cache.delete("a", "b", "unknown")
    cache.delete()
    assert cache.get_many(["a", "b", "c"]) == {"c": 3}


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ({"tags": ["t"]}, {"b:1", "b:2"}),
        ({"tags": "t"}, {"b:1", "b:2"}),
        ({"tags": ["t", "u"]}, {"b:2"}),
        ({"prefix": "a:"}, {"b:1", "b:2"}),
        ({"prefix": "a:", "tags": ["u"]}, {"b:2"}),
        ({"everything": True}, set()),
    ],
)
def test_what_is_invalidated_is_gone_and_nothing_else(
    cache: TieredCache, how: dict[str, Any], left: set[str]
) -> None:
    cache.set("a:1", 1, tags=["t"])
    cache.set("a:2", 2, tags=["t", "u"])
    cache.set("b:1", 3, tags=["u"])
    cache.set("b:2", 4)
    cache.invalidate(**how)
    assert set(cache.get_many(["a:1", "a:2", "b:1", "b:2"])) == left
    cache.set("a:1", "anew", tags=["t", "u"])
    assert cache.get("a:1") == "anew"


def test_to_invalidate_nothing_is_a_mistake(cache: TieredCache) -> None:
    for how in ({}, {"tags": []}, {"prefix": ""}):
        with pytest.raises(ValueError, match="what to invalidate"):
            cache.invalidate(**how)


@pytest.mark.parametrize("key", [None, 1, b"k", ("a", "b")])
def test_keys_are_strings(cache: TieredCache, key: object) -> None:
    calls = [
        lambda: cache.get(key),
        lambda: cache.get_many([key]),
        lambda: cache.set(key, 1),
        lambda: cache.delete(key),
        lambda: cache.get_or_load(key, lambda: 1),
        lambda: cache.contains(key),
        lambda: cache.ttl(key),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="string"):
            call()


def test_tags_are_strings(cache: TieredCache) -> None:
    with pytest.raises(TypeError, match="tag"):
        cache.set("k", 1, tags=[1])


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), 40 * 86400])
def test_a_ttl_out_of_range_is_refused(cache: TieredCache, ttl: float) -> None:
    for call in (
        lambda: cache.set("k", 1, ttl=ttl),
        lambda: cache.set_many({"k": 1}, ttl=ttl),
        lambda: cache.get_or_load("k", lambda: 1, ttl=ttl),
        lambda: cache.cached(ttl=ttl),
    ):
        with pytest.raises(ValueError, match="ttl"):
            call()


@pytest.mark.parametrize("key", ["", " ", "\x00", "ключ", "a" * 10_000, "a:b}c{d", "\n"])
def test_any_string_is_a_key(cache: TieredCache, key: str) -> None:
    cache.set(key, 1)
    assert cache.get(key) == 1
    cache.delete(key)
    assert cache.get(key) is None


def test_a_value_larger_than_l1_is_loaded_each_time(clock: FakeClock) -> None:
    with open_cache(clock=clock, l1_maxbytes=1_000) as cache:
        cache.set("k", "x" * 10_000)
        assert cache.get("k") is None
        assert cache.get_or_load("k", lambda: "y" * 10_000) == "y" * 10_000
        assert cache.get("k") is None


def test_an_l1_without_room_holds_nothing(clock: FakeClock) -> None:
    with open_cache(clock=clock, l1_maxsize=0) as cache:
        cache.set("k", 1)
        assert cache.get("k") is None
        assert cache.get_or_load("k", lambda: 2) == 2


def test_a_closed_cache_goes_on(cache: TieredCache) -> None:
    cache.set("k", 1)
    cache.close()
    cache.close()
    assert cache.get("k") == 1
    assert cache.get_or_load("j", lambda: 2) == 2


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"namespace": ""}, "namespace"),
        ({"namespace": "a:b"}, "namespace"),
        ({"namespace": "a{b}"}, "namespace"),
        ({"namespace": "a\nb"}, "namespace"),
        ({"l1_ttl": 0}, "l1_ttl"),
        ({"l2_ttl": -1}, "l2_ttl"),
        ({"l2_timeout": 0, "redis": "redis://127.0.0.1:1"}, "l2_timeout"),
        ({"l1_maxsize": -1}, "l1"),
        ({"on_l2_error": "ignore"}, "on_l2_error"),
        ({"redis": "http://127.0.0.1"}, "redis"),
    ],
)
def test_arguments_out_of_range_are_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        TieredCache(**settings)


def test_an_l1_that_holds_something_is_refused() -> None:
    l1 = cachetools.LRUCache(10)
    l1["k"] = 1
    with pytest.raises(ConfigurationError, match="empty"):
        TieredCache(l1=l1)


def test_an_l1_of_ones_own_is_used() -> None:
    l1: S3FIFOCache[str, Any] = S3FIFOCache(10)
    with open_cache(l1=l1) as cache:
        for number in range(50):
            cache.set(str(number), number)
        assert len(l1) == 10
