"""What the cache counts stands in the metrics when they are read, and once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cachetools import LRUCache

from hhs_perf import Monitor, Settings
from hhs_perf._faults import Faults
from hhs_perf.cache import TieredCache
from hhs_perf.cache.observed.feed import Feed
from hhs_perf.collectors import Collectors, cache_detail
from hhs_perf.collectors import cache as figures
from hhs_perf.metrics import LocalReader, Registry, Snapshot
from hhs_perf.testing import FakeClock


class Rig:
    """A cache, and the metrics it feeds."""

    def __init__(self, clock: FakeClock, **options: Any) -> None:
        self.faults = Faults()
        self.cache = TieredCache(clock=clock, faults=self.faults, **options)
        self.registry = Registry(clock=clock)
        self.reader = LocalReader(self.registry)
        self.feed = Feed(self.cache.core, Collectors(self.registry).cache)
        self.registry.feed_from(self.feed)

    def read(self, window: str = "5m") -> Snapshot:
        return self.reader.read(window)


@pytest.fixture
def rig(clock: FakeClock) -> Rig:
    return Rig(clock)


@pytest.fixture
def monitor(clock: FakeClock) -> Iterator[Monitor]:
    made = Monitor(Settings(), clock=clock, tick=False, installed_plugins=False)
    yield made
    made.close()


def test_lookups_are_recorded_once_whoever_reads(rig: Rig) -> None:
    rig.cache.get("a:1")
    rig.cache.set("a:1", 1)
    for _ in range(4):
        rig.cache.get("a:1")
    for _ in range(3):
        shown = figures.figures(rig.read())
        assert (shown.hits, shown.misses, shown.hit_rate) == (4, 1, 0.8)
        assert (shown.l1_hit_rate, shown.l2_hit_rate) == (0.8, None)


def test_figures_belong_to_the_window_in_which_they_happened(rig: Rig, clock: FakeClock) -> None:
    rig.cache.get("a:1")
    rig.registry.flush()
    clock.advance(400)
    rig.cache.get("a:2")
    assert figures.figures(rig.read("5m")).misses == 1
    assert figures.figures(rig.read("1h")).misses == 2


def test_misses_puts_and_evictions_are_told_level_by_level(clock: FakeClock) -> None:
    rig = Rig(clock, l1_maxsize=10)
    for number in range(15):
        rig.cache.set(f"a:{number}", number)
    rig.cache.get("none")
    rig.cache.delete("a:14")
    rig.cache.get("a:14")
    shown = cache_detail.detail(rig.read())
    [level] = shown.levels
    assert (level.layer, level.puts, level.evictions) == ("l1", 15, 5)
    assert shown.missed == level.missed
    assert (level.missed.absent, level.missed.invalidated) == (1, 1)
    assert level.bytes_written is None


def test_loads_are_timed_and_their_failures_counted(rig: Rig, clock: FakeClock) -> None:
    def load() -> int:
        clock.advance(0.25)
        return 1

    def fail() -> None:
        raise OSError

    rig.cache.get_or_load("a:1", load)
    with pytest.raises(OSError):
        rig.cache.get_or_load("a:2", fail)
    loads = cache_detail.detail(rig.read()).loads
    assert (loads.count, loads.errors, loads.error_rate) == (2, 1, 0.5)
    assert (loads.avg, loads.p95) == (0.25, 0.25)


def test_time_saved_is_hits_times_what_a_load_of_that_pattern_takes(
    rig: Rig, clock: FakeClock
) -> None:
    def load(seconds: float) -> int:
        clock.advance(seconds)
        return 1

    rig.cache.get_or_load("slow:1", lambda: load(2.0))
    rig.cache.get_or_load("quick:1", lambda: load(0.5))
    for _ in range(10):
        rig.cache.get("quick:1")
    rig.cache.get("slow:1")
    assert figures.figures(rig.read()).time_saved == pytest.approx(7.0)
    rig.cache.get("slow:1")
    assert figures.figures(rig.read()).time_saved == pytest.approx(9.0)


def test_an_idle_cache_changes_nothing(rig: Rig, clock: FakeClock) -> None:
    """Else no reader could ever be told that nothing has changed."""
    rig.cache.set("a:1", 1)
    rig.cache.get("a:1")
    first = rig.reader.generation()
    for _ in range(29):
        clock.advance(1)
        assert rig.reader.generation() == first


def test_looks_at_l1_are_timed_without_being_hits(rig: Rig) -> None:
    rig.cache.set("a:1", 1)
    for _ in range(7):
        rig.cache.get("a:1")
    shown = cache_detail.detail(rig.read())
    [row] = shown.by_operation
    assert (row.layer, row.op, row.sampled, row.count) == ("l1", "get", True, None)
    assert row.avg is not None
    assert shown.hits == 7
    rig.cache.get("a:1")
    assert figures.figures(rig.read()).hits == 8


def test_some_puts_to_l1_are_timed(rig: Rig) -> None:
    for number in range(64):
        rig.cache.set(f"a:{number}", 1)
    snapshot = rig.read()
    assert snapshot.timer(figures.DURATION, layer="l1", op="put").count == 4
    assert snapshot.count(figures.OPERATIONS) == 0


def test_hot_keys_are_learned_by_the_way(rig: Rig) -> None:
    for number in range(5):
        rig.cache.set(f"a:{number}", 1)
        for _ in range(number * 10):
            rig.cache.get(f"a:{number}")
    rig.registry.flush()
    assert rig.cache.core.memory.hot.top(2) == [("a:4", 40), ("a:3", 30)]


def test_a_failing_cache_of_the_host_does_not_keep_the_others_from_reading(
    clock: FakeClock,
) -> None:
    class Odd(LRUCache[Any, Any]):
        def __iter__(self) -> Iterator[Any]:
            raise RuntimeError("odd")

    rig = Rig(clock, l1=Odd(10))
    rig.registry.counter("other").add(1)
    assert rig.read().count("other") == 1
    assert rig.faults.counts == {"the cache's figures: RuntimeError": 1}


def test_a_forked_child_begins_at_nothing(rig: Rig) -> None:
    for _ in range(5):
        rig.cache.get("a:1")
    rig.registry.flush()
    for each in (rig.registry, rig.cache.core, rig.feed):
        each.after_fork_in_child()
    for _ in range(6):
        rig.cache.get("a:1")
    assert figures.figures(rig.read()).misses == 6


def test_series_stay_few_whatever_the_keys(rig: Rig) -> None:
    for number in range(500):
        rig.cache.get_or_load(f"{number}x:{number}", lambda: 1)
        rig.cache.get(f"{number}x:{number}")
    rig.registry.flush()
    assert len(rig.registry) < 30


def test_the_monitors_cache_feeds_sla_and_alert(monitor: Monitor) -> None:
    for number in range(40):
        monitor.cache.get(f"a:{number}")
    monitor.advance()
    [sla] = monitor.evaluate("cache-hit-rate")
    assert sla.status == "violated"
    assert [alert.rule for alert in monitor.alerts.active()] == ["cache-hit-rate"]


def test_reading_makes_no_cache(monitor: Monitor) -> None:
    assert figures.figures(monitor.reader.read()).observed is False
    assert not monitor.has_cache
