"""Loading through the cache: stale, eager, negative, with time-outs, in the first level alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hhs_perf.cache import NOT_MODIFIED, Loaded, Policy, TieredCache, previous
from hhs_perf.exceptions import CacheTimeoutError
from hhs_perf.testing import FakeClock
from tests.cache_worlds import Gate, in_thread, open_cache
from tests.servers import wait_until


@pytest.fixture
def cache(clock: FakeClock) -> Iterator[TieredCache]:
    with open_cache(clock=clock, l1_ttl=60.0) as made:
        yield made


class Loader:
    """Counts its calls, and gives or raises what it is told to."""

    def __init__(self, result: object = "value") -> None:
        self.result = result
        self.calls = 0

    def __call__(self) -> object:
        self.calls += 1
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def landed(cache: TieredCache) -> None:
    """Wait until what runs in the background has ended."""
    wait_until(lambda: len(cache.core.flights) == 0, "the load")


def test_a_value_is_loaded_once_and_again_when_its_ttl_is_over(
    cache: TieredCache, clock: FakeClock
) -> None:
    loader = Loader()
    for _ in range(3):
        assert cache.get_or_load("k", loader, ttl=10) == "value"
    assert loader.calls == 1
    clock.advance(10)
    cache.get_or_load("k", loader, ttl=10)
    assert loader.calls == 2


def test_none_is_loaded_once(cache: TieredCache) -> None:
    loader = Loader(None)
    assert cache.get_or_load("k", loader) is None
    assert cache.get_or_load("k", loader) is None
    assert loader.calls == 1
    assert cache.get("k", "default") is None


def test_the_loader_may_say_ttl_and_tags(cache: TieredCache, clock: FakeClock) -> None:
    cache.get_or_load("k", lambda: Loaded(1, ttl=5, tags=["t"]), ttl=50, tags=["other"])
    cache.invalidate(tags=["other"])
    assert cache.get("k") == 1
    clock.advance(5)
    assert cache.get("k") is None
    cache.get_or_load("k", lambda: Loaded(1, tags=["t"]))
    cache.invalidate(tags=["t"])
    assert cache.get("k") is None


def test_jitter_only_shortens(clock: FakeClock) -> None:
    policy = Policy(ttl=100, jitter=0.2)
    with open_cache(clock=clock) as cache:
        lives = []
        for number in range(200):
            cache.get_or_load(f"k{number}", lambda: 1, policy=policy)
            lives.append(cache.ttl(f"k{number}"))
    assert 80 <= min(lives) < 85
    assert 95 < max(lives) <= 100


# -- stale


def test_a_stale_value_is_answered_and_loaded_anew(cache: TieredCache, clock: FakeClock) -> None:
    policy = Policy(ttl=10, stale_for=20)
    cache.get_or_load("k", lambda: "old", policy=policy)
    clock.advance(15)
    gate = Gate(lambda: "new")
    for _ in range(3):
        assert cache.get_or_load("k", gate, policy=policy) == "old"
    gate.wait()
    assert cache.get("k") is None, "only who can load it anew gets a stale value"
    gate.open()
    landed(cache)
    assert cache.get("k") == "new"
    assert gate.calls == 1


def test_past_its_stale_time_a_value_is_waited_for(cache: TieredCache, clock: FakeClock) -> None:
    policy = Policy(ttl=10, stale_for=20)
    cache.get_or_load("k", lambda: "old", policy=policy)
    clock.advance(30)
    assert cache.get_or_load("k", lambda: "new", policy=policy) == "new"


def test_a_call_that_does_not_want_stale_values_gets_none(
    cache: TieredCache, clock: FakeClock
) -> None:
    """Stale time is the caller's: another one may have let the entry keep longer."""
    cache.get_or_load("k", lambda: "old", policy=Policy(ttl=10, stale_for=20))
    clock.advance(15)
    assert cache.get_or_load("k", lambda: "new") == "new"


def test_past_the_eager_share_a_value_is_refreshed_before_it_ends(
    cache: TieredCache, clock: FakeClock
) -> None:
    policy = Policy(ttl=10, eager_at=0.8)
    cache.get_or_load("k", lambda: "old", policy=policy)
    clock.advance(7.9)
    assert cache.get_or_load("k", lambda: "not yet", policy=policy) == "old"
    clock.advance(0.1)
    assert cache.get_or_load("k", lambda: "new", policy=policy) == "old"
    landed(cache)
    assert cache.get("k") == "new"
    assert cache.ttl("k") == 10


def test_an_eager_refresh_that_fails_leaves_the_value_and_waits(
    cache: TieredCache, clock: FakeClock
) -> None:
    """Not every call tries again, and the value lives as long as it would have."""
    policy = Policy(ttl=100, eager_at=0.5, negative_ttl=5)
    cache.get_or_load("k", lambda: "old", policy=policy)
    clock.advance(50)
    loader = Loader(LookupError())
    for _ in range(5):
        assert cache.get_or_load("k", loader, policy=policy) == "old"
        landed(cache)
    assert loader.calls == 1
    clock.advance(5)
    assert cache.get_or_load("k", loader, policy=policy) == "old"
    landed(cache)
    assert loader.calls == 2
    assert cache.ttl("k") == 45


def test_a_deleted_value_is_not_brought_back_by_its_refresh(
    cache: TieredCache, clock: FakeClock
) -> None:
    policy = Policy(ttl=10, stale_for=20)
    cache.get_or_load("k", lambda: "old", policy=policy)
    clock.advance(15)
    gate = Gate(lambda: "old")
    assert cache.get_or_load("k", gate, policy=policy) == "old"
    gate.wait()
    cache.delete("k")
    gate.open()
    landed(cache)
    assert cache.get_or_load("k", lambda: "new", policy=policy) == "new"


# -- failing


def test_what_a_loader_raises_reaches_the_caller_and_is_not_kept(cache: TieredCache) -> None:
    loader = Loader(LookupError("no row"))
    for calls in (1, 2):
        with pytest.raises(LookupError, match="no row"):
            cache.get_or_load("k", loader)
        assert loader.calls == calls
    assert cache.get("k") is None


def test_a_failing_load_is_saved_by_a_stale_value(cache: TieredCache, clock: FakeClock) -> None:
    """For a moment that value counts as fresh, so that not every call fails anew."""
    policy = Policy(ttl=10, fail_safe_for=60, negative_ttl=5)
    cache.get_or_load("k", lambda: "old", policy=policy)
    clock.advance(15)
    loader = Loader(LookupError())
    for _ in range(3):
        assert cache.get_or_load("k", loader, policy=policy) == "old"
    assert loader.calls == 1
    clock.advance(5)
    assert cache.get_or_load("k", loader, policy=policy) == "old"
    assert loader.calls == 2
    assert cache.core.memory.counts.stale_served == 2
    clock.advance(50)
    with pytest.raises(LookupError):
        cache.get_or_load("k", loader, policy=policy)


def test_a_call_without_fail_safe_is_told_of_the_failure(
    cache: TieredCache, clock: FakeClock
) -> None:
    cache.get_or_load("k", lambda: "old", policy=Policy(ttl=10, fail_safe_for=60))
    clock.advance(15)
    with pytest.raises(LookupError):
        cache.get_or_load("k", Loader(LookupError()))


def test_a_refresh_that_fails_says_so_and_leaves_the_value(cache: TieredCache) -> None:
    cache.set("k", "old", ttl=50)
    with pytest.raises(LookupError):
        cache.refresh("k", Loader(LookupError()))
    assert cache.get("k") == "old"
    assert cache.ttl("k") == 50


def test_chosen_exceptions_are_kept_and_raised_again(cache: TieredCache, clock: FakeClock) -> None:
    policy = Policy(negative=(LookupError,), negative_ttl=5)
    loader = Loader(KeyError("no row"))
    for _ in range(3):
        with pytest.raises(KeyError, match="no row"):
            cache.get_or_load("k", loader, policy=policy)
    assert loader.calls == 1
    assert cache.get("k", "default") == "default"
    assert cache.get_many(["k"]) == {}
    assert not cache.contains("k")
    assert cache.ttl("k") is None
    clock.advance(5)
    loader.result = "row"
    assert cache.get_or_load("k", loader, policy=policy) == "row"


def test_other_exceptions_are_not_kept(cache: TieredCache) -> None:
    policy = Policy(negative=(LookupError,))
    loader = Loader(OSError())
    for _ in range(2):
        with pytest.raises(OSError):
            cache.get_or_load("k", loader, policy=policy)
    assert loader.calls == 2


def test_a_kept_exception_ends_with_a_set(cache: TieredCache) -> None:
    policy = Policy(negative=(LookupError,))
    with pytest.raises(LookupError):
        cache.get_or_load("k", Loader(LookupError()), policy=policy)
    cache.set("k", 1)
    assert cache.get_or_load("k", Loader(2), policy=policy) == 1


# -- time-outs


def test_past_the_hard_timeout_the_caller_is_free_and_the_load_goes_on(
    cache: TieredCache,
) -> None:
    gate = Gate(lambda: "value")
    policy = Policy(hard_timeout=0.02)
    with pytest.raises(CacheTimeoutError, match="k"):
        cache.get_or_load("k", gate, policy=policy)
    gate.open()
    landed(cache)
    assert cache.get("k") == "value"
    assert gate.calls == 1


def test_past_the_soft_timeout_a_stale_value_is_answered(
    cache: TieredCache, clock: FakeClock
) -> None:
    policy = Policy(ttl=10, fail_safe_for=60, soft_timeout=0.02)
    cache.get_or_load("k", lambda: "old", policy=policy)
    clock.advance(15)
    gate = Gate(lambda: "new")
    assert cache.get_or_load("k", gate, policy=policy) == "old"
    gate.open()
    landed(cache)
    assert cache.get_or_load("k", gate, policy=policy) == "new"
    assert gate.calls == 1


def test_without_a_stale_value_there_is_no_soft_timeout(cache: TieredCache) -> None:
    gate = Gate(lambda: "value")
    load = in_thread(cache.get_or_load, "k", gate, policy=Policy(soft_timeout=0.001))
    gate.wait()
    gate.open()
    assert load.result(5) == "value"


def test_who_joins_has_a_timeout_of_its_own(cache: TieredCache) -> None:
    gate = Gate(lambda: "value")
    leader = in_thread(cache.get_or_load, "k", gate)
    gate.wait()
    with pytest.raises(CacheTimeoutError):
        cache.get_or_load("k", gate, policy=Policy(hard_timeout=0.02))
    gate.open()
    assert leader.result(5) == "value"


# -- not modified


def test_a_loader_may_say_that_the_value_still_holds(cache: TieredCache, clock: FakeClock) -> None:
    policy = Policy(ttl=10, fail_safe_for=60)
    cache.get_or_load("k", lambda: Loaded("value", note="etag-1"), policy=policy)
    clock.advance(15)
    seen = []

    def loader() -> object:
        before = previous()
        seen.append((before.value, before.note))
        return NOT_MODIFIED

    assert cache.get_or_load("k", loader, policy=policy) == "value"
    assert cache.ttl("k") == 10
    clock.advance(15)
    assert cache.get_or_load("k", loader, policy=policy) == "value"
    assert seen == [("value", "etag-1")] * 2


def test_a_loader_without_a_value_to_replace_is_told_so(cache: TieredCache) -> None:
    assert cache.get_or_load("k", previous) is None


def test_a_loader_within_a_loader_has_a_previous_value_of_its_own(
    cache: TieredCache, clock: FakeClock
) -> None:
    policy = Policy(ttl=10, fail_safe_for=60)
    for key in ("outer", "inner"):
        cache.get_or_load(key, lambda key=key: key, policy=policy)
    clock.advance(15)

    def outer() -> tuple[object, object]:
        inner = cache.get_or_load("inner", lambda: previous().value, policy=policy)
        return inner, previous().value

    assert cache.get_or_load("outer", outer, policy=policy) == ("inner", "outer")


# -- copies


def test_every_caller_has_a_copy_where_the_policy_says_so(cache: TieredCache) -> None:
    policy = Policy(copy="on_read")
    loaded: list[int] = [1]
    first = cache.get_or_load("k", lambda: loaded, policy=policy)
    first.append(2)
    loaded.append(3)
    second = cache.get_or_load("k", lambda: loaded, policy=policy)
    assert second == [1]
    second.append(4)
    third = cache.get("k")
    assert third == [1]
    third.append(5)
    assert cache.get_many(["k"]) == {"k": [1]}


def test_who_waits_for_a_load_has_a_copy_too(cache: TieredCache) -> None:
    policy = Policy(copy="on_read")
    gate = Gate(lambda: [1])
    asked = [in_thread(cache.get_or_load, "k", gate, policy=policy) for _ in range(3)]
    gate.wait()
    gate.open()
    found = [each.result(5) for each in asked]
    assert found == [[1]] * 3
    assert len({id(each) for each in found}) == 3


def test_what_is_set_is_copied_as_well(cache: TieredCache) -> None:
    value = [1]
    cache.set("k", value, policy=Policy(copy="on_read"))
    value.append(2)
    assert cache.get("k") == [1]


def test_without_it_all_share_one_object(cache: TieredCache) -> None:
    value = cache.get_or_load("k", lambda: [1])
    assert cache.get("k") is value


def test_who_wants_copies_gets_them_of_what_was_stored_plainly(cache: TieredCache) -> None:
    cache.set("k", [1])
    copied = cache.get_or_load("k", lambda: [2], policy=Policy(copy="on_read"))
    copied.append(2)
    assert cache.get("k") == [1]
