"""One contract for every store that the tiered cache may keep its first level in."""

from __future__ import annotations

import math
from collections.abc import Callable

import cachetools
import pytest

from hhs_perf.cache.observed.stats import PatternCounts
from hhs_perf.cache.policy import Policy
from hhs_perf.cache.store.entry import HIT, Entry, Group, is_gone, take_hits
from hhs_perf.cache.store.l1 import ForeignL1, L1Store, l1_store
from hhs_perf.cache.store.s3fifo import S3FIFOCache
from hhs_perf.exceptions import ConfigurationError
from hhs_perf.testing import FakeClock

GROUP = Group(0, PatternCounts("account:*"), (), Policy())
CACHES: dict[str, Callable[..., cachetools.Cache]] = {
    "S3FIFO": S3FIFOCache,
    "FIFO": cachetools.FIFOCache,
    "LFU": cachetools.LFUCache,
    "LRU": cachetools.LRUCache,
    "RR": cachetools.RRCache,
    "TTL": lambda maxsize, **kwargs: cachetools.TTLCache(maxsize, 1e6, **kwargs),
    "TLRU": lambda maxsize, **kwargs: cachetools.TLRUCache(
        maxsize, lambda _key, entry, _now: entry.expires, **kwargs
    ),
}


def entry(value: object = None, expires: float = math.inf) -> Entry:
    return Entry(value, expires, 0, GROUP)


@pytest.fixture(params=CACHES)
def make(request) -> Callable[..., L1Store]:
    return lambda maxsize, **kwargs: l1_store(CACHES[request.param](maxsize, **kwargs))


class TestEveryStore:
    def test_it_finds_the_very_entry_that_was_put(self, make) -> None:
        store = make(3)
        first, second = entry(1), entry(2)
        assert store.find("a") is None
        assert store.put("a", first)
        assert store.find("a") is first
        assert store.put("a", second)
        assert store.find("a") is second
        assert (len(store), store.currsize, store.maxsize) == (1, 1, 3)

    def test_it_gives_what_it_removes(self, make) -> None:
        store = make(3)
        kept = entry(1)
        store.put("a", kept)
        assert store.remove("a") is kept
        assert store.remove("a") is None
        assert store.find("a") is None
        assert len(store) == 0

    def test_it_keeps_no_more_than_its_bound_and_tells_who_left(self, make) -> None:
        store = make(4)
        told: list[tuple[str, object]] = []
        store.on_evict = lambda key, left: told.append((key, left.value))
        for n in range(20):
            assert store.put(str(n), entry(n))
            assert store.currsize == len(store) == len(store.entries()) <= 4
        assert store.evictions == len(told) == 16
        held = {key for key, _ in store.entries()}
        assert {key for key, _ in told} | held == {str(n) for n in range(20)}
        assert all(key == str(value) for key, value in told)
        assert not any(store.was_evicted(key) for key in held)
        assert store.was_evicted(told[-1][0])

    def test_removing_is_no_eviction(self, make) -> None:
        store = make(4)
        store.put("a", entry())
        store.put("b", entry())
        store.remove("a")
        store.forget_all()
        assert (len(store), store.evictions, store.was_evicted("a")) == (0, 0, False)

    def test_it_refuses_what_is_larger_than_itself_and_drops_what_that_replaces(self, make) -> None:
        store = make(3, getsizeof=len)
        assert store.put("a", entry("abc"))
        assert not store.put("a", entry("abcd"))
        assert store.find("a") is None
        assert store.currsize == 0

    def test_sizes_are_those_of_values(self, make) -> None:
        store = make(6, getsizeof=len)
        store.put("a", entry("abc"))
        store.put("b", entry("ab"))
        assert store.currsize == 5
        store.put("c", entry("abcdef"))
        assert [key for key, _ in store.entries()] == ["c"]

    def test_many_are_put_as_one_by_one(self, make) -> None:
        store, single = make(4), make(4)
        told: list[str] = []
        store.on_evict = lambda key, _: told.append(key)
        items = [(str(n), entry(n)) for n in range(3)]
        assert store.put_many(items) == []
        assert [store.find(key) for key, _ in items] == [kept for _, kept in items]
        more = [(str(n), entry(10 + n)) for n in (1, 7, 8, 9)]
        assert store.put_many(iter(more)) == []
        for key, kept in [*items, *more]:
            single.put(key, Entry(kept.value, math.inf, 0, GROUP))
        assert store.currsize == len(store) == 4
        assert store.evictions == len(told) == single.evictions == 2
        if isinstance(store, S3FIFOCache):
            assert dict(store) == dict(single)
        assert store.put_many([]) == []

    def test_of_many_those_that_are_too_large_are_told_and_hold_nothing(self, make) -> None:
        store = make(5, getsizeof=len)
        store.put("a", entry("abc"))
        assert store.put_many([("a", entry("abcdef")), ("b", entry("ab")), ("c", entry("abcdef"))])
        assert [key for key, _ in store.entries()] == ["b"]
        assert store.put_many([("b", entry("abcdef")), ("c", entry("abcdef"))]) == ["b", "c"]
        assert (len(store), store.currsize) == (0, 0)

    def test_every_hit_is_harvested_once(self, make) -> None:
        store = make(4)
        told: dict[str, int] = {}

        def harvest(key: str, _: Entry, hits: int) -> None:
            told[key] = told.get(key, 0) + hits

        store.on_harvest = harvest
        made: dict[str, int] = {}
        for n in range(40):
            key = str(n % 7)
            if store.find(key) is None:
                store.put(key, entry())
            for _ in range(n % 3):
                store.find(key).hits += HIT
                made[key] = made.get(key, 0) + 1
            if n % 5 == 0:
                store.put(key, entry())
            if n % 11 == 0:
                store.remove(key)
            if n % 13 == 0:
                store.harvest()
        store.forget_all()
        assert told == made

    def test_entries_are_a_copy(self, make) -> None:
        store = make(4)
        store.put("a", entry(1))
        entries = store.entries()
        store.forget_all()
        assert [(key, held.value) for key, held in entries] == [("a", 1)]

    def test_a_renewed_store_is_empty_and_works(self, make) -> None:
        store = make(2)
        for key in "abc":
            store.put(key, entry())
        told: list[str] = []
        store.on_evict = lambda key, _: told.append(key)
        store.renew()
        assert (len(store), told, store.was_evicted("a")) == (0, [], False)
        assert store.put("a", entry())

    def test_an_expired_entry_is_kept_for_who_may_use_it_stale(self, make) -> None:
        store = make(2)
        stale = entry(1, -math.inf)
        if not store.put("a", stale):  # a TLRUCache goes by its own `ttu`
            assert isinstance(store, ForeignL1)
            return
        assert store.find("a") is stale


class TestForeign:
    def test_a_cache_that_holds_something_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="must be empty"):
            l1_store(_full())

    def test_an_s3_fifo_cache_is_a_store_itself(self) -> None:
        cache: S3FIFOCache[str, object] = S3FIFOCache(2)
        assert l1_store(cache) is cache

    def test_a_hit_counts_for_the_caches_own_policy(self) -> None:
        store = l1_store(cachetools.LRUCache(2))
        store.put("a", entry())
        store.put("b", entry())
        store.find("a")
        store.put("c", entry())
        assert store.find("b") is None
        assert store.find("a") is not None

    def test_looking_over_the_entries_is_no_hit(self) -> None:
        store = l1_store(cachetools.LRUCache(2))
        store.put("a", entry())
        store.put("b", entry())
        for key, _ in store.entries():
            if key == "a":
                store.entries()
        store.harvest()
        store.put("c", entry())
        assert store.find("a") is None

    def test_what_expires_by_the_caches_own_clock_is_harvested_and_no_eviction(
        self, clock: FakeClock
    ) -> None:
        store = l1_store(cachetools.TTLCache(2, 5, timer=clock.monotonic))
        told: list[tuple[str, int]] = []
        store.on_harvest = lambda key, _, hits: told.append((key, hits))
        store.put("a", entry())
        store.find("a").hits += HIT
        clock.advance(5)
        assert store.find("a") is None
        store.put("b", entry())
        assert (told, store.evictions) == ([("a", 1)], 0)

    def test_an_item_popped_by_the_cache_itself_is_no_eviction(self) -> None:
        """Some versions of cachetools clear a cache by popping its items."""
        cache: cachetools.Cache = cachetools.LRUCache(2)
        store = l1_store(cache)
        store.put("a", entry())
        assert cache.popitem()[0] == "a"
        assert (store.evictions, store.was_evicted("a")) == (0, False)

    def test_values_made_up_by_missing_are_not_taken_for_entries(self) -> None:
        class Loading(cachetools.LRUCache):
            def __missing__(self, key: str) -> str:
                self[key] = key
                return key

        store = l1_store(Loading(2))
        assert store.find("a") is None
        assert store.entries() == []
        assert store.remove("a") is None
        kept = entry(1)
        assert store.put("a", kept)
        assert store.find("a") is kept


def _full() -> cachetools.Cache:
    cache: cachetools.Cache = cachetools.LRUCache(2)
    cache["a"] = 1
    return cache


class TestEntries:
    def test_an_entry_has_four_slots_and_no_dict(self) -> None:
        assert sorted(Entry.__slots__) == ["expires", "group", "hits", "value"]
        assert not hasattr(entry(), "__dict__")
        assert not hasattr(entry(), "__weakref__")

    @pytest.mark.parametrize(("hits", "credit"), [(0, 0), (1, 1), (3, 3), (4, 3), (10**12, 3)])
    def test_taken_hits_stay_as_credit_of_which_three_is_the_most(self, hits, credit) -> None:
        kept = entry()
        kept.hits += HIT * hits
        assert take_hits(kept) == hits
        assert kept.hits == credit
        assert take_hits(kept) == 0
        assert kept.hits == credit

    def test_an_entry_without_a_stale_time_is_gone_when_it_expires(self) -> None:
        assert [is_gone(entry(expires=5.0), now) for now in (4.9, 5.0)] == [False, True]

    def test_its_repr_shows_the_value_and_the_hits(self) -> None:
        kept = entry("v", 5.0)
        kept.hits += HIT * 2
        assert repr(kept) == "Entry('v', expires=5.0, hits=2)"
