"""S3FIFOCache keeps what cachetools promises of a cache, and what it adds to that."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import threading
from collections.abc import Callable, MutableMapping
from typing import Any

import cachetools
import pytest

from hhs_perf._clock import SystemClock
from hhs_perf.cache.observed.stats import PatternCounts
from hhs_perf.cache.policy import Policy
from hhs_perf.cache.store.entry import HIT, MAIN, Detail, Entry, Group
from hhs_perf.cache.store.s3fifo import S3FIFOCache
from hhs_perf.testing import FakeClock

Make = Callable[..., cachetools.Cache]
GROUP = Group(0, PatternCounts(""), (), Policy())


def entry(value: object, expires: float = math.inf) -> Entry:
    return Entry(value, expires, 0, GROUP)


@pytest.fixture(params=[cachetools.LRUCache, S3FIFOCache], ids=lambda cls: cls.__name__)
def make(request) -> Make:
    """A cachetools class, to know what the contract is, and ours."""
    return request.param


class TestContract:
    """What holds for cachetools' own caches holds for ours."""

    def test_it_is_a_cache_and_a_mutable_mapping(self, make: Make) -> None:
        cache = make(2)
        assert isinstance(cache, cachetools.Cache)
        assert isinstance(cache, MutableMapping)
        assert (cache.maxsize, cache.currsize, len(cache)) == (2, 0, 0)
        assert not cache

    def test_what_was_set_is_found_until_it_is_deleted(self, make: Make) -> None:
        cache = make(3)
        cache["a"], cache[2], cache[None] = 1, None, "none"
        assert (cache["a"], cache[2], cache[None]) == (1, None, "none")
        assert 2 in cache
        assert set(cache) == set(cache.keys()) == {"a", 2, None}
        assert dict(cache.items()) == dict(cache) == {"a": 1, 2: None, None: "none"}
        assert list(cache.values()).count(None) == 1
        assert (None, "none") in cache.items()
        assert cache == {"a": 1, 2: None, None: "none"}
        del cache["a"]
        assert "a" not in cache
        assert cache.currsize == len(cache) == 2

    def test_what_is_absent_raises_key_error_with_the_key(self, make: Make) -> None:
        cache = make(2)
        for ask in (cache.__getitem__, cache.__delitem__, cache.pop):
            with pytest.raises(KeyError) as raised:
                ask("absent")
            assert raised.value.args == ("absent",)

    def test_get_gives_the_default(self, make: Make) -> None:
        cache = make(2)
        cache[1] = None
        assert (cache.get(1, "d"), cache.get(2), cache.get(2, "d")) == (None, None, "d")

    def test_pop_gives_the_value_or_the_default(self, make: Make) -> None:
        cache = make(2)
        cache[1] = "one"
        assert cache.pop(1, "d") == "one"
        assert cache.pop(1, "d") == "d"
        assert cache.pop(1, None) is None
        assert len(cache) == 0

    def test_setdefault_sets_only_what_is_absent(self, make: Make) -> None:
        cache = make(2)
        assert cache.setdefault(1, "one") == "one"
        assert cache.setdefault(1, "other") == "one"
        assert cache.setdefault(2) is None
        assert cache[2] is None

    def test_popitem_empties_the_cache_and_then_raises_key_error(self, make: Make) -> None:
        cache = make(3)
        cache.update({1: "a", 2: "b"})
        assert {cache.popitem(), cache.popitem()} == {(1, "a"), (2, "b")}
        with pytest.raises(KeyError, match="is empty"):
            cache.popitem()
        assert cache.currsize == 0

    def test_clear_drops_everything(self, make: Make) -> None:
        cache = make(9, getsizeof=len)
        cache.update({1: "abc", 2: "de"})
        cache.clear()
        assert (len(cache), cache.currsize, list(cache)) == (0, 0, [])

    def test_missing_is_asked_by_subscription_alone(self, make: Make) -> None:
        class Loading(make):  # type: ignore[valid-type,misc]
            def __missing__(self, key: int) -> int:
                self[key] = key * 2
                return key * 2

        cache = Loading(4)
        assert cache[3] == 6
        assert 3 in cache
        assert cache.get(4, "d") == "d"
        assert cache.pop(5, "d") == "d"
        assert cache.setdefault(6, 1) == 1

    def test_a_value_larger_than_the_cache_is_refused(self, make: Make) -> None:
        cache = make(3, getsizeof=len)
        cache[1] = "old"
        with pytest.raises(ValueError, match=r"^value too large$"):
            cache[1] = "longer"
        assert cache[1] == "old"
        with pytest.raises(ValueError, match=r"^value too large$"):
            cache.setdefault(2, "longer")
        with pytest.raises(ValueError, match=r"^value too large$"):
            make(0)[1] = 1

    # cachetools 5, which we allow, does not yet do so itself.
    @pytest.mark.parametrize("make", [S3FIFOCache])
    def test_a_negative_size_is_refused(self, make: Make) -> None:
        cache = make(3, getsizeof=lambda value: value)
        with pytest.raises(ValueError, match=r"^value size must be non-negative$"):
            cache[1] = -1
        cache[1] = 0
        assert (len(cache), cache.currsize) == (1, 0)

    # cachetools 5, which we allow, does not yet do so itself.
    @pytest.mark.parametrize("make", [S3FIFOCache])
    def test_a_negative_maxsize_is_refused(self, make: Make) -> None:
        with pytest.raises(ValueError, match="maxsize must be non-negative"):
            make(-1)

    def test_currsize_adds_up_sizes_and_never_exceeds_maxsize(self, make: Make) -> None:
        cache = make(10, getsizeof=lambda value: value)
        for size in (3, 4, 5, 10, 1, 2, 6):
            cache[size] = size
            assert cache.currsize == sum(cache.values()) <= 10
        assert cache[6] == 6

    def test_replacing_changes_the_size(self, make: Make) -> None:
        cache = make(10, getsizeof=lambda value: value)
        cache["a"], cache["b"] = 3, 3
        cache["a"] = 5
        assert (cache.currsize, dict(cache)) == (8, {"a": 5, "b": 3})
        cache["a"] = 9
        assert (cache.currsize, dict(cache)) == (9, {"a": 9})
        cache["a"] = 1
        assert cache.currsize == 1

    def test_getsizeof_may_be_overridden_or_called(self, make: Make) -> None:
        class Sized(make):  # type: ignore[valid-type,misc]
            def getsizeof(self, value: str) -> int:
                return len(value)

        cache = Sized(4)
        cache.update({1: "abc", 2: "de"})
        assert dict(cache) == {2: "de"}
        assert (make(2).getsizeof("abc"), make(2, getsizeof=len).getsizeof("abc")) == (1, 3)

    def test_an_infinite_cache_never_evicts(self, make: Make) -> None:
        cache = make(math.inf)
        cache.update({n: n for n in range(1_000)})
        assert (len(cache), cache.maxsize) == (1_000, math.inf)

    def test_repr_shows_values_and_sizes(self, make: Make) -> None:
        cache = make(3)
        cache["a"] = [1]
        assert repr(cache) == f"{make.__name__}({{'a': [1]}}, maxsize=3, currsize=1)"

    def test_unhashable_keys_are_type_errors(self, make: Make) -> None:
        with pytest.raises(TypeError):
            make(1)[[]] = 1

    def test_it_is_not_hashable_itself(self, make: Make) -> None:
        with pytest.raises(TypeError):
            hash(make(1))

    # cachetools 5, which we allow, does not yet do so itself.
    @pytest.mark.parametrize("make", [S3FIFOCache])
    @pytest.mark.parametrize(
        "twin_of",
        [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))],
        ids=["copy", "deepcopy", "pickle"],
    )
    def test_twins_hold_the_same_and_go_their_own_ways(self, make: Make, twin_of: Any) -> None:
        cache = make(4, getsizeof=len)
        cache.update({1: "a", 2: "bc"})
        twin = twin_of(cache)
        assert type(twin) is make
        assert twin == cache
        assert (twin.maxsize, twin.currsize) == (4, 3)
        twin[3] = "def"
        del cache[1]
        assert dict(cache) == {2: "bc"}
        assert (cache.currsize, twin.currsize) == (2, sum(map(len, twin.values())))
        assert twin.getsizeof("four") == 4

    @pytest.mark.parametrize(
        "lock", [None, threading.Lock(), threading.Condition()], ids=["none", "lock", "condition"]
    )
    def test_it_serves_cachetools_decorator(self, make: Make, lock: Any) -> None:
        calls = []

        @cachetools.cached(make(2, getsizeof=len), lock=lock, info=True)
        def upper(text: str) -> str:
            calls.append(text)
            return text.upper()

        assert [upper("a"), upper("a"), upper("long"), upper("long")] == ["A", "A", "LONG", "LONG"]
        assert calls == ["a", "long", "long"]  # what is too large is not kept
        assert upper.cache_info() == (1, 3, 2, 1)
        upper.cache_clear()
        assert len(upper.cache) == 0


@pytest.fixture
def cache(clock: FakeClock) -> S3FIFOCache[str, object]:
    """Ten entries at most, with a clock that is moved by hand."""
    return S3FIFOCache(10, clock=clock.monotonic)


class TestExpiry:
    def test_an_expired_value_is_not_seen(self, cache, clock: FakeClock) -> None:
        cache.set("a", 1, ttl=5)
        cache["b"] = 2
        clock.advance(4.999)
        assert (cache["a"], cache.get("a"), "a" in cache) == (1, 1, True)
        clock.advance(0.001)
        assert "a" not in cache
        assert (cache.get("a", "d"), cache.pop("a", "d")) == ("d", "d")
        for ask in (cache.__getitem__, cache.__delitem__, cache.pop):
            with pytest.raises(KeyError):
                ask("a")
        assert list(cache) == ["b"]
        assert list(cache.items()) == [("b", 2)]
        assert list(cache.values()) == [2]
        assert cache == {"b": 2}
        assert repr(cache).startswith("S3FIFOCache({'b': 2}")

    def test_a_new_value_has_a_new_life(self, cache, clock: FakeClock) -> None:
        cache.set("a", 1, ttl=5)
        clock.advance(5)
        assert cache.setdefault("a", 2) == 2
        cache.set("b", 1, ttl=5)
        cache["b"] = 2
        clock.advance(1e9)
        assert (cache["a"], cache["b"]) == (2, 2)

    @pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf])
    def test_an_impossible_ttl_is_refused(self, cache, ttl: float) -> None:
        with pytest.raises(ValueError, match="ttl"):
            cache.set("a", 1, ttl=ttl)
        assert "a" not in cache

    def test_expire_drops_and_gives_what_has_expired(self, cache, clock: FakeClock) -> None:
        cache.set("a", 1, ttl=5)
        cache.set("b", 2, ttl=6)
        assert cache.expire() == []
        clock.advance(5)
        assert len(cache) == 2
        assert cache.expire() == [("a", 1)]
        assert (len(cache), cache.currsize) == (1, 1)

    def test_what_has_expired_makes_room_before_what_lives(self, cache, clock: FakeClock) -> None:
        cache.set("old", 1, ttl=5)
        cache["old"]
        cache.update({str(n): n for n in range(9)})
        clock.advance(5)
        cache["new"] = 1
        assert {*cache} == {*map(str, range(9)), "new"}
        assert cache.evictions == 0
        assert not cache.was_evicted("old")

    def test_what_has_expired_in_the_main_queue_makes_room_first(self, cache, clock) -> None:
        cache.set("old", 1, ttl=5)
        assert cache["old"]
        cache.update({n: n for n in range(10)})
        assert cache.find("old").hits & MAIN
        clock.advance(5)
        held = {*cache}
        cache["new"] = 1
        assert {*cache} == held | {"new"}

    def test_hits_in_the_small_queue_do_not_save_what_has_expired(self, cache, clock) -> None:
        for n in range(10):
            cache.set(n, n, ttl=None if n % 3 == 0 else 5)
            assert cache[n] == n
        clock.advance(5)
        cache.update({f"new {n}": n for n in range(6)})
        assert {*cache} == {0, 3, 6, 9} | {f"new {n}" for n in range(6)}
        assert cache.evictions == 0

    def test_hits_in_the_main_queue_do_not_save_what_has_expired(self, cache, clock) -> None:
        for n in range(10):
            cache.set(n, n, ttl=None if n % 3 == 0 else 5)
            assert cache[n] == n
        cache["x"] = 1
        assert all(cache.find(n).hits & MAIN for n in range(1, 10))
        assert {*cache} == {"x", *range(1, 10)}
        for key in cache:
            assert cache[key]
        clock.advance(5)
        for n in range(6):
            cache[f"new {n}"] = n + 1
            assert cache[f"new {n}"]
        assert {*cache} == {3, 6, 9, "x"} | {f"new {n}" for n in range(6)}
        assert cache.evictions == 1

    def test_popitem_gives_nothing_expired(self, cache, clock: FakeClock) -> None:
        cache.set("a", 1, ttl=5)
        cache["b"] = 2
        clock.advance(5)
        assert cache.popitem() == ("b", 2)
        cache.set("a", 1, ttl=5)
        clock.advance(5)
        with pytest.raises(KeyError):
            cache.popitem()

    def test_what_may_be_used_stale_is_evicted_no_earlier_than_others(self, cache, clock) -> None:
        """An entry that needs a look on every hit, or is kept past its ttl, is not gone."""
        detail = Detail(0, PatternCounts(""), (), Policy())
        detail.keep_until = 60.0
        cache.put("stale", Entry(1, -math.inf, 0, detail))
        cache.find("stale").hits += HIT
        cache.update({str(n): n for n in range(40)})
        assert cache.find("stale") is not None
        assert cache.expire() == []
        clock.advance(60)
        assert cache.expire() == [("stale", 1)]

    def test_copies_expire_when_the_original_does(self, cache, clock: FakeClock) -> None:
        cache.set("a", 1, ttl=5)
        twin = copy.copy(cache)
        clock.advance(4.999)
        assert "a" in twin
        clock.advance(0.001)
        assert "a" not in twin

    def test_a_pickled_life_runs_on_under_another_monotonic_clock(
        self, cache, clock: FakeClock, monkeypatch
    ) -> None:
        """After a reboot the readings start anew; the wall clock tells how long it took."""
        clock.advance(1_000)
        cache.set("a", 1, ttl=10)
        cache["b"] = 2
        walls = iter([5e8, 5e8 + 3])
        monkeypatch.setattr(SystemClock, "wall", lambda: next(walls))
        state = cache.__getstate__()
        rebooted = FakeClock()
        rebooted.advance(50)
        state["store"] = (10, rebooted.monotonic, False)
        twin: S3FIFOCache[str, object] = S3FIFOCache.__new__(S3FIFOCache)
        twin.__setstate__(state)
        rebooted.advance(6.999)
        assert dict(twin) == {"a": 1, "b": 2}
        rebooted.advance(0.002)
        assert dict(twin) == {"b": 2}


class TestEviction:
    def test_a_scan_does_not_displace_what_is_used(self, cache) -> None:
        used = [f"used {n}" for n in range(5)]
        for key in used:
            cache[key] = key
            assert cache[key]
        cache.update({n: n for n in range(1_000)})
        assert set(used) <= set(cache)
        assert cache.evictions == 1_005 - 10

    def test_what_returns_soon_after_its_eviction_is_no_newcomer(self, cache) -> None:
        cache.update({n: n for n in range(11)})
        assert 0 not in cache
        assert cache.was_evicted(0)
        cache[0] = "back"
        assert not cache.was_evicted(0)
        cache.update({n: n for n in range(100, 120)})
        assert cache[0] == "back"

    def test_what_was_used_and_evicted_is_known_as_evicted(self, cache) -> None:
        cache["a"] = 1
        assert cache["a"]
        for n in range(12):
            cache[n] = n
            assert cache[n] == n
        assert "a" not in cache
        assert cache.was_evicted("a")
        cache["a"] = 1
        assert not cache.was_evicted("a")

    def test_what_was_deleted_or_never_held_was_not_evicted(self, cache) -> None:
        cache["a"] = 1
        del cache["a"]
        assert not cache.was_evicted("a")
        assert not cache.was_evicted("b")

    def test_a_write_counts_as_a_use(self, cache) -> None:
        cache["a"] = 1
        cache["a"] = 2
        cache.update({n: n for n in range(1_000)})
        assert cache["a"] == 2

    def test_a_key_deleted_and_set_again_starts_at_the_end(self, cache) -> None:
        cache.update({n: n for n in range(10)})
        del cache[0]
        cache[0] = "again"
        cache["new"] = 1
        assert 0 in cache
        assert 1 not in cache

    def test_evictions_are_told_with_key_and_entry(self, cache) -> None:
        told = []
        cache.on_evict = lambda key, entry: told.append((key, entry.value))
        cache.update({n: str(n) for n in range(12)})
        assert told == [(0, "0"), (1, "1")]
        assert cache.evictions == 2
        del cache[2]
        cache.popitem()
        cache.clear()
        assert len(told) == cache.evictions == 2

    def test_every_hit_is_harvested_once(self, cache) -> None:
        told: dict[object, int] = {}

        def harvest(key: object, _: Entry, hits: int) -> None:
            told[key] = told.get(key, 0) + hits

        cache.on_harvest = harvest
        cache.update({n: n for n in range(10)})
        for n in range(10):
            for _ in range(n):
                assert cache[n] == n
        cache.harvest()
        cache.harvest()
        assert told == {n: n for n in range(1, 10)}
        assert [cache[9], cache[9], cache[8], cache[7]] == [9, 9, 8, 7]
        cache.remove(9)
        cache[8] = "new"
        cache.forget_all()
        assert told == {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 8: 9, 9: 11}

    def test_hits_harvested_early_still_keep_an_entry(self, cache) -> None:
        cache["a"] = 1
        assert cache["a"]
        cache.harvest()
        cache.update({n: n for n in range(1_000)})
        assert "a" in cache

    def test_a_byte_bound_evicts_as_many_as_it_takes(self) -> None:
        cache = S3FIFOCache(100, getsizeof=len)
        cache.update(dict.fromkeys(range(10), "x" * 10))
        cache["large"] = "x" * 75
        assert cache["large"]
        assert (len(cache), cache.currsize) == (3, 95)

    def test_an_entry_that_grows_past_the_room_stays_and_others_leave(self) -> None:
        cache = S3FIFOCache(100, getsizeof=len)
        cache.update(dict.fromkeys(range(10), "x" * 10))
        cache[0] = "x" * 95
        assert dict(cache) == {0: "x" * 95}
        assert cache.currsize == 95

    def test_sizes_of_fractions_leave_no_rest(self) -> None:
        cache = S3FIFOCache(0.4, getsizeof=lambda value: value)
        cache.update({1: 0.1, 2: 0.2})
        del cache[1], cache[2]
        assert 0.1 + 0.2 - 0.1 - 0.2 > 0
        assert cache.currsize == 0

    def test_weigh_sees_the_key_too(self) -> None:
        cache = S3FIFOCache(10, weigh=lambda key, entry: len(key) + len(entry.value))
        cache["abcd"] = "1234"
        assert cache.currsize == 8
        with pytest.raises(ValueError, match="value too large"):
            cache["abcd"] = "1234567"
        with pytest.raises(ValueError, match="not by both"):
            S3FIFOCache(10, len, weigh=lambda key, entry: 1)


class TestSafety:
    def test_iteration_survives_writes(self, cache) -> None:
        cache.update({n: n for n in range(10)})
        for n in cache:
            del cache[n]
            cache[n + 100] = n
        for n, _ in cache.items():
            cache.pop(n)
        assert len(cache) == 0

    def test_values_die_after_the_lock_is_released(self, cache) -> None:
        """A finalizer may wait for a thread that uses the cache."""

        class Finalized:
            def __del__(self) -> None:
                other = threading.Thread(target=cache.__setitem__, args=("dead", True))
                other.start()
                other.join(10)
                assert not other.is_alive()

        for end in (
            lambda: cache.__setitem__("a", 1),
            lambda: cache.update({n: n for n in range(11)}),
            lambda: cache.pop("a", None) and None,
            cache.clear,
        ):
            cache.clear()
            cache["a"] = Finalized()
            end()
            gc.collect()
            assert cache.pop("dead")

    def test_a_finalizer_in_the_midst_of_a_write_is_served_afterwards(self, cache) -> None:
        cache.update({n: n for n in range(10)})
        told: list[object] = []

        def in_the_midst(key: object, _: Entry) -> None:
            told.append(key)
            if len(told) == 1:
                cache["put"] = 1  # evicts in turn
                told.append(cache.remove(5).value)
                assert "put" not in cache

        cache.on_evict = in_the_midst
        cache["new"] = 1
        assert told[:2] == [0, 5]
        assert {*cache} == {1, 2, 3, 4, 6, 7, 8, 9, "new", "put"} - ({*told[2:]})
        assert len(cache._small.living()) + len(cache._main.living()) == len(cache)

    def test_a_deed_that_fails_leaves_the_cache_usable(self, cache) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError

        cache.update({n: n for n in range(10)})
        cache.on_evict = fail
        with pytest.raises(RuntimeError):
            cache["new"] = 1
        cache.on_evict = None
        cache.update({n: n for n in range(20, 50)})
        assert len(cache) == 10

    @pytest.mark.parametrize("lost", [1, 5, 10])
    def test_keys_that_fell_out_of_the_queues_return_to_them(self, cache, lost: int) -> None:
        """A signal handler may raise between taking a key off a queue and putting it back."""
        cache.update({n: n for n in range(10)})
        for _ in range(lost):
            assert cache._small.pop()
        cache["new"] = 1
        assert len(cache) == 10
        held = [*cache._small.living(), *cache._main.living()]
        assert sorted(map(str, held)) == sorted(map(str, cache))

    def test_a_queue_bit_that_a_racing_hit_undid_loses_nothing(self, cache) -> None:
        """Without the interpreter's lock a hit may write back the bits that it read before."""
        cache["a"] = 1
        assert cache["a"]
        cache.update({n: n for n in range(10)})
        assert cache.find("a").hits & MAIN
        cache.find("a").hits &= ~MAIN
        del cache["a"]
        cache["a"] = 2
        for n in range(300):
            cache[n] = n
            if n % 3:
                cache[n]
            assert len(cache) <= 10
            held = [*cache._small.living(), *cache._main.living()]
            assert sorted(map(str, held)) == sorted(map(str, cache))

    def test_a_forked_child_of_a_writer_starts_anew(self, cache) -> None:
        """The thread that held the lock is no more, and what it was doing is half done."""
        cache["a"] = 1
        cache._guard.after_fork_in_child()
        assert cache["a"] == 1
        holding, done = threading.Event(), threading.Event()

        def hold() -> None:
            with cache._guard.lock:
                holding.set()
                done.wait(10)

        writer = threading.Thread(target=hold)
        writer.start()
        assert holding.wait(10)
        cache._guard.after_fork_in_child()
        assert len(cache) == 0
        cache["b"] = 2
        assert cache["b"] == 2
        done.set()
        writer.join()
