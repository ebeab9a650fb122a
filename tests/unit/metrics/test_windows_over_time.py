"""Records, moved by a fake clock through slots of all three lengths."""

from __future__ import annotations

import pytest

from hhs_perf.metrics import Holding, LocalReader, Registry
from hhs_perf.metrics.distribution import TAIL
from hhs_perf.testing import FakeClock

WINDOWS = ("5m", "1h", "24h")


class Host:
    """A process that records, with a tick or without."""

    def __init__(self, clock: FakeClock, *, ticking: bool = False) -> None:
        self.clock = clock
        self.registry = Registry(clock=clock)
        self.registry.use_ticks(ticking=ticking)
        self.reader = LocalReader(self.registry)
        self.timer = self.registry.timer("t")
        self.counter = self.registry.counter("c")

    def record(self, value: float) -> None:
        """Record a value and count it."""
        self.timer.record(value)
        self.counter.add(1)

    def counts(self) -> list[int]:
        """Give how many values each window shows, timer and counter agreeing."""
        counts = []
        for window in WINDOWS:
            snapshot = self.reader.read(window)
            counts.append(snapshot.timer("t").count)
            assert snapshot.count("c") == counts[-1]
        return counts


@pytest.mark.parametrize("ticking", [True, False])
def test_a_value_leaves_each_window_with_its_slot(clock: FakeClock, ticking: bool) -> None:
    host = Host(clock, ticking=ticking)
    host.record(0.5)
    assert host.counts() == [1, 1, 1]
    shown: dict[str, float] = {}
    for second in range(0, 90_030, 30):
        for window, count in zip(WINDOWS, host.counts(), strict=True):
            if count:
                shown[window] = second
        clock.advance(30)
    # The last reading of each window that still had the value began in its last slot.
    assert shown == {"5m": 300 - 30, "1h": 3600 - 30, "24h": 86_400 - 30}


def test_boundaries_belong_to_the_later_slot(clock: FakeClock) -> None:
    host = Host(clock)
    clock.advance(29.999)
    host.record(1.0)
    clock.advance(0.001)
    host.record(2.0)
    clock.advance(269.999)
    assert host.counts() == [2, 2, 2]
    clock.advance(0.001)
    seen = host.reader.read("5m").timer("t")
    assert (seen.count, seen.max) == (1, 2.0)
    clock.advance(29.999)
    assert host.counts()[0] == 1
    clock.advance(0.001)
    assert host.counts()[0] == 0


def test_without_a_tick_a_value_belongs_to_the_slot_it_was_recorded_in(clock: FakeClock) -> None:
    """Nobody flushed in between: the next record, however late, closes the slot first."""
    host = Host(clock)
    host.record(1.0)
    clock.advance(200)
    host.record(2.0)
    clock.advance(150)
    host.record(3.0)
    seen = host.reader.read("5m").timer("t")
    assert (seen.count, seen.min) == (2, 2.0)
    clock.advance(130)
    seen = host.reader.read("5m").timer("t")
    assert (seen.count, seen.min) == (1, 3.0)


def test_an_idle_process_shows_each_window_its_own(clock: FakeClock) -> None:
    host = Host(clock)
    host.record(1.0)
    for gap, shown in [(299, [1, 1, 1]), (3_300, [0, 1, 1]), (82_800, [0, 0, 1]), (1, [0, 0, 0])]:
        clock.advance(gap)
        assert host.counts() == shown
    host.record(2.0)
    assert host.counts() == [1, 1, 1]


@pytest.mark.parametrize("jump", [-86_400.0, -1.0, 1.0, 45.0, 86_400.0 * 365])
def test_a_jump_of_the_wall_clock_changes_nothing(clock: FakeClock, jump: float) -> None:
    host = Host(clock)
    host.record(1.0)
    clock.advance(40)
    before = host.reader.read("5m")
    clock.jump_wall(jump)
    host.record(2.0)
    after = host.reader.read("5m")
    assert after.timer("t").count == 2
    assert (after.since, after.until) == (before.since, before.until)
    clock.advance(260)
    assert host.counts() == [1, 2, 2]


def test_the_sum_of_the_slots_is_the_count_over_a_busy_day(clock: FakeClock) -> None:
    """Three values each half-minute: no window ever shows one too many or too few."""
    host = Host(clock)
    for half in range(2_900):
        for value in (0.1, 0.2, 0.3):
            host.record(value)
        if half % 7 == 0:
            now = half + 1
            expected = []
            for per_slot, slots in ((1, 10), (10, 12), (120, 24)):
                first = max(0, (half // per_slot - slots + 1) * per_slot)
                expected.append(3 * (now - first))
            assert host.counts() == expected
        clock.advance(30)


def test_quiet_slots_keep_their_values_through_five_minutes_and_the_hour(
    clock: FakeClock,
) -> None:
    host = Host(clock)
    for half in range(10):
        host.record(half / 10)
        clock.advance(30)
    seen = host.reader.read("1h").timer("t")
    assert list(seen.values or ()) == [half / 10 for half in range(10)]
    clock.advance(3600)
    seen = host.reader.read("24h").timer("t")
    assert seen.quantile(0.5) == 0.4  # at most 64 an hour: still exact


def test_busy_hours_keep_exact_counters_for_the_day_and_nothing_else(clock: FakeClock) -> None:
    host = Host(clock)
    host.registry.count_at("t", [("<", 0.5)])
    host.timer = host.registry.timer("t")
    clock.advance(30)
    for half in range(20):
        for n in range(100):
            host.record((half * 100 + n) / 2000)
        clock.advance(30)
    hour = host.reader.read("1h").timer("t")
    assert hour.quantile(0.99) == 1979 / 2000
    clock.advance(3600)
    day = host.reader.read("24h").timer("t")
    assert (day.count, day.min, day.max) == (2000, 0.0, 1999 / 2000)
    assert day.holding(("<", 0.5)) == Holding(1000, 2000)
    assert day.quantile(0.5) is None


def test_the_tail_survives_closing_and_folding(clock: FakeClock) -> None:
    host = Host(clock)
    for half in range(12):
        for n in range(300):
            host.record(float(n * 12 + half))
        clock.advance(30)
    seen = host.reader.read("1h").timer("t")
    assert seen.count == 3600
    tail = list(seen.tail or ())
    assert len(tail) >= TAIL
    assert tail == [float(n) for n in range(3600 - len(tail), 3600)]
    assert seen.quantile(0.99) == 3563.0
    p50 = seen.quantile(0.5)
    assert p50 == pytest.approx(1800, rel=0.02)
