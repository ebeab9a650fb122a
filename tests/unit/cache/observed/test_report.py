"""The report says what happened, by level, reason and pattern, and how the cache stands."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from hhs_perf.cache import NOT_MODIFIED, CacheReport, Policy, TieredCache
from hhs_perf.cache.observed.report import PatternReport
from hhs_perf.cache.observed.reporting import state_of
from hhs_perf.testing import FakeClock
from tests.chaos_proxy import ChaosProxy
from tests.servers import Server, wait_until


@pytest.fixture
def cache(clock: FakeClock) -> TieredCache:
    return TieredCache(clock=clock, l1_maxsize=10)


@pytest.fixture
def shared(valkey_url: str, namespace: str) -> Iterator[Callable[..., TieredCache]]:
    """Caches of one namespace over a Valkey, each as a process of its own has it."""
    made: list[TieredCache] = []

    def make(**options: Any) -> TieredCache:
        cache = TieredCache(options.pop("redis", valkey_url), namespace=namespace, **options)
        made.append(cache)
        return cache

    yield make
    for each in made:
        each.close()


def pattern(report: CacheReport, name: str) -> PatternReport:
    [found] = [each for each in report.patterns if each.pattern == name]
    return found


def linked(cache: TieredCache) -> TieredCache:
    cache.get("nothing")
    below = cache.core.below
    assert below is not None
    wait_until(lambda: below.backplane.is_linked, "the link")
    return cache


def heard(cache: TieredCache, messages: int = 1) -> None:
    """Wait for word of what another one wrote: a value read before that is dropped again."""
    wait_until(lambda: cache.core.memory.counts.messages >= messages, "the message")


def test_a_cache_that_nobody_used_shows_nothing(cache: TieredCache) -> None:
    report = cache.report()
    assert not report.is_used
    assert (report.hits, report.misses, report.hit_rate) == (0, 0, None)
    assert (report.mean_load_seconds, report.time_saved, report.memory.bytes) == (None, None, None)
    assert report.patterns == report.advice == report.recent_errors == ()
    assert (report.address, report.breaker, report.link) == (None, None, None)
    assert [level.layer for level in report.levels] == ["l1"]


def test_misses_are_told_by_reason(cache: TieredCache, clock: FakeClock) -> None:
    cache.get("a:absent")
    cache.set("a:1", 1, ttl=5)
    clock.advance(6)
    cache.get("a:1")
    cache.set("a:2", 2)
    cache.delete("a:2")
    cache.get("a:2")
    cache.set("a:3", 3, tags=["t"])
    cache.invalidate(tags=["t"])
    cache.get("a:3")
    for number in range(30):
        cache.set(f"b:{number}", number)
    store = cache.core.memory.store
    cache.get(next(key for n in range(30) if store.was_evicted(key := f"b:{n}")))
    report = cache.report()
    missed = attrs.asdict(report.missed)
    assert missed == {
        "absent": 1,
        "expired": 1,
        "invalidated": 2,
        "evicted": 1,
        "unreadable": None,
    }
    assert report.levels[0].missed == report.missed
    assert sum(value or 0 for value in missed.values()) == report.misses == 5
    assert pattern(report, "a:*").missed.invalidated == 2
    assert pattern(report, "b:*").missed.evicted == 1
    assert pattern(report, "b:*").evictions + pattern(report, "a:*").evictions == (
        report.levels[0].evictions
    )


def test_hits_and_loads_stand_by_pattern(cache: TieredCache, clock: FakeClock) -> None:
    @cache.cached(ttl=60, key="account:{number}")
    def account(number: int) -> int:
        clock.advance(0.5)
        return number

    for number in (1, 2, 1, 1):
        account(number)
    for _ in range(3):
        cache.get("plain:7")
    report = cache.report()
    row = pattern(report, "account:{number}")
    assert (row.hits, row.misses, row.loads, row.puts, row.entries) == (2, 2, 2, 2, 2)
    assert (row.mean_load_seconds, row.time_saved, row.ttl) == (0.5, 1.0, 60)
    assert row.bytes is not None
    assert row.bytes > 2 * 150
    assert (report.hits, report.misses, report.loads) == (2, 5, 2)
    assert (report.load_seconds, report.mean_load_seconds, report.time_saved) == (1.0, 0.5, 1.0)
    assert [each.pattern for each in report.patterns] == ["account:{number}", "plain:*"]


def test_a_failing_loader_is_a_miss_and_a_recent_error_without_its_text(
    cache: TieredCache, clock: FakeClock
) -> None:
    def fail() -> None:
        raise RuntimeError("secret: hunter2")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            cache.get_or_load("a:1", fail)
    report = cache.report()
    assert (report.misses, report.loads, report.load_failures) == (2, 2, 2)
    assert report.errors == 2
    error = report.recent_errors[0]
    assert (error.at, error.where, error.error) == (clock.wall(), "load a:*", "RuntimeError")
    assert "hunter2" not in repr(report)


def test_refreshing_is_no_lookup(cache: TieredCache) -> None:
    cache.refresh("a:1", lambda: 1)
    cache.refresh("a:1", lambda: 2)
    report = cache.report()
    assert (report.hits, report.misses, report.loads) == (0, 0, 2)
    assert report.levels[0].misses == 0


def test_patterns_are_capped(cache: TieredCache) -> None:
    letters = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghij"]
    for each in letters:
        cache.get(f"{each}:1")
    report = cache.report()
    assert len(report.patterns) == 101
    assert pattern(report, "other").misses == 100


def test_keys_do_not_show(cache: TieredCache) -> None:
    for number in range(20):
        cache.get_or_load(f"session:tok{number}", lambda: 1)
        cache.get(f"session:tok{number}")
    assert "tok1" not in repr(cache.report())


def test_loads_that_change_nothing_are_told(cache: TieredCache, clock: FakeClock) -> None:
    for number in range(10):
        cache.get_or_load("same:1", lambda: {"rows": [1, 2, 3]}, ttl=5)
        cache.get_or_load("other:1", lambda: {"rows": [number]}, ttl=5)  # noqa: B023 - called before the next turn
        clock.advance(6)
    report = cache.report()
    assert (pattern(report, "same:*").compared, pattern(report, "same:*").unchanged) == (9, 9)
    assert (pattern(report, "other:*").compared, pattern(report, "other:*").unchanged) == (9, 0)


def test_a_loader_that_says_not_modified_counts_as_unchanged(
    cache: TieredCache, clock: FakeClock
) -> None:
    policy = Policy(ttl=5, fail_safe_for=60)
    cache.get_or_load("a:1", object, policy=policy)
    for _ in range(4):
        clock.advance(6)
        cache.get_or_load("a:1", lambda: NOT_MODIFIED, policy=policy)
    row = pattern(cache.report(), "a:*")
    assert (row.compared, row.unchanged) == (4, 4)


def test_keys_missed_at_first_and_hit_later_are_cold_ones(
    cache: TieredCache, clock: FakeClock
) -> None:
    cache.get_or_load("hot:1", lambda: 1)
    cache.get_or_load("rare:1", lambda: 1)
    clock.advance(61)
    cache.get_or_load("late:1", lambda: 1)
    for _ in range(30):
        cache.get_or_load("hot:1", lambda: 1)
        cache.get_or_load("late:1", lambda: 1)
    report = cache.report()
    assert (pattern(report, "hot:*").cold_keys, pattern(report, "hot:*").cold_hits) == (1, 29)
    assert pattern(report, "rare:*").cold_keys == 0
    assert pattern(report, "late:*").cold_keys == 0


def test_hot_keys_that_expire_under_callers_are_told(cache: TieredCache, clock: FakeClock) -> None:
    for _ in range(3):
        for _ in range(20):
            cache.get_or_load("hot:1", lambda: 1, ttl=5)
        cache.get_or_load("rare:1", lambda: 1, ttl=5)
        cache.report()
        clock.advance(6)
    report = cache.report()
    assert pattern(report, "hot:*").hot_expired == 2
    assert pattern(report, "rare:*").hot_expired == 0


def test_kept_exceptions_are_hits(cache: TieredCache) -> None:
    def fail() -> None:
        raise LookupError("no such account")

    policy = Policy(negative=(LookupError,), negative_ttl=5)
    for _ in range(3):
        with pytest.raises(LookupError):
            cache.get_or_load("a:1", fail, policy=policy)
    report = cache.report()
    assert (report.hits, report.misses, report.loads) == (2, 1, 1)


def test_the_state_changes_with_what_the_report_shows(cache: TieredCache, clock: FakeClock) -> None:
    moves: list[Callable[[], object]] = [
        lambda: cache.get("a:1"),
        lambda: cache.set("a:1", 1),
        lambda: cache.set("a:2", 1, ttl=9),
        lambda: (cache.get("a:1"), cache.core.memory.tally.take()),
        lambda: cache.delete("a:1"),
        lambda: cache.refresh("b:1", lambda: 1),
    ]
    seen = [state_of(cache.core, ())]
    for move in moves:
        move()
        assert state_of(cache.core, ()) not in seen
        seen.append(state_of(cache.core, ()))
        assert state_of(cache.core, ()) == seen[-1]
    clock.advance(1)
    assert state_of(cache.core, ()) == seen[-1]


def test_both_levels_are_told_apart(shared: Callable[..., TieredCache]) -> None:
    first, second = linked(shared()), linked(shared())
    first.get_or_load("a:1", lambda: {"n": 1}, ttl=60)
    heard(second)
    second.get_or_load("a:1", dict, ttl=60)
    second.get("a:1")
    wrote, read = first.report(), second.report()
    assert wrote.levels[1].puts == 1
    assert wrote.levels[1].bytes_written == pattern(wrote, "a:*").l2_bytes_written
    assert read.levels[1].bytes_read == wrote.levels[1].bytes_written
    level1, level2 = read.levels
    assert (level1.layer, level1.hits, level1.misses) == ("l1", 1, 2)
    assert (level2.layer, level2.hits, level2.misses) == ("l2", 1, 1)
    assert (level2.missed.absent, level2.missed.evicted, level2.missed.unreadable) == (1, None, 0)
    assert (read.hits, read.misses) == (2, 1)
    row = pattern(read, "a:*")
    assert (row.l1_hits, row.l2_hits, row.loads) == (1, 1, 0)
    assert row.mean_load_seconds is not None  # told by the value in L2
    operations = {each.op: each for each in read.l2_operations}
    assert operations["get"].count == 2
    assert operations["get"].avg > 0
    assert read.link is not None
    assert read.link.state == "linked"
    assert read.breaker is not None
    assert read.breaker.state == "closed"


def test_unreadable_bytes_are_misses_of_l2_by_reason(
    shared: Callable[..., TieredCache], valkey: Server
) -> None:
    cache = linked(shared())
    assert cache.core.below is not None
    name = cache.core.below.level2.names.value("a:1")
    cache.core.below.link.send("SET", name, b"garbage")
    assert cache.get("a:1") is None
    report = cache.report()
    assert report.levels[1].missed.unreadable == 1
    assert report.unreadable == {"foreign": 1}


def test_values_invalidated_below_are_told(shared: Callable[..., TieredCache]) -> None:
    first, second = linked(shared()), linked(shared())
    first.set("a:1", 1, tags=["t"], ttl=60)
    heard(second)
    second.invalidate(tags=["t"])
    assert second.get("a:1") is None
    assert second.report().levels[1].missed.invalidated == 1


def test_many_keys_count_level_by_level(shared: Callable[..., TieredCache]) -> None:
    first, second = linked(shared()), linked(shared())
    first.set_many({"a:1": 1, "a:2": 2}, ttl=60)
    heard(second, 2)
    assert second.get_many(["a:1", "a:2", "a:3"]) == {"a:1": 1, "a:2": 2}
    report = second.report()
    assert (report.hits, report.misses) == (2, 2)  # one of them was `linked`
    assert (report.levels[1].hits, report.levels[1].misses) == (2, 2)


def test_loads_through_l2_are_compared_by_what_was_written(
    shared: Callable[..., TieredCache],
) -> None:
    @attrs.frozen
    class Row:
        name: str

    cache = linked(shared())
    for _ in range(3):
        cache.refresh("a:1", lambda: Row("x"), type=Row)
    cache.refresh("a:1", lambda: Row("y"), type=Row)
    row = pattern(cache.report(), "a:*")
    assert (row.compared, row.unchanged) == (3, 2)


def test_an_outage_shows_and_is_no_miss_of_l2(
    shared: Callable[..., TieredCache], launch: Callable[..., Server]
) -> None:
    server = launch(None, "--requirepass", "hunter2")
    cache = linked(shared(redis=server.url.replace("//", "//:hunter2@")))
    before = cache.report().levels[1].misses
    server.kill()
    below = cache.core.below
    assert below is not None
    wait_until(lambda: not below.backplane.is_linked, "the loss")
    cache.get("a:1")
    cache.delete("a:2")
    report = cache.report()
    assert report.breaker is not None
    assert report.link is not None
    assert report.breaker.state != "closed"
    assert (report.link.state, report.link.losses, report.link.unsent) == ("lost", 1, 1)
    assert report.link.lag is None
    assert report.levels[1].misses == before
    assert (report.levels[1].errors or 0) >= 1
    assert {each.where.split()[0] for each in report.recent_errors} <= {"l2", "backplane"}
    assert "hunter2" not in repr(report)
    assert [each.rule for each in report.advice] == ["redis-unreachable"]


def test_the_lag_of_a_slow_link_shows(
    shared: Callable[..., TieredCache], valkey: Server, proxied: Callable[[Server], ChaosProxy]
) -> None:
    proxy = proxied(valkey)
    cache = linked(shared(redis=f"redis://127.0.0.1:{proxy.port}/0"))
    below = cache.core.below
    assert below is not None
    wait_until(lambda: below.backplane.lag is not None, "a ping")
    report = cache.report()
    assert report.link is not None
    assert report.link.lag is not None
    assert 0 < report.link.lag < 1


def test_a_report_holds_nothing_of_the_cache(cache: TieredCache) -> None:
    class Value:
        pass

    cache.set("a:1", Value())
    report = cache.report()
    cache.delete("a:1")
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Value]
    assert report.memory.entries == 1
