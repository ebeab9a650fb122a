"""Clocks, the timeline and stamps."""

from __future__ import annotations

import time

import pytest

from hhs_perf._clock import Clock, SystemClock, Timeline, rfc3339
from hhs_perf.testing import FakeClock


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()], ids=["system", "fake"])
def test_both_clocks_are_clocks(clock: object) -> None:
    assert isinstance(clock, Clock)


def test_system_clock_tells_the_time_of_the_system() -> None:
    clock = SystemClock()
    assert clock.wall() == pytest.approx(time.time(), abs=5)
    assert clock.monotonic() <= clock.monotonic()


def test_system_clock_costs_no_python_frame() -> None:
    """The hot path calls the builtin itself."""
    assert SystemClock().monotonic is time.perf_counter


def test_timeline_starts_at_wall_time_and_goes_with_monotonic_time() -> None:
    clock = FakeClock(wall=1_000.0)
    clock.advance(7)
    timeline = Timeline(clock)
    assert timeline.now() == 1_007.0
    clock.advance(2.5)
    assert timeline.now() == 1_009.5


def test_timeline_ignores_jumps_of_the_wall_clock() -> None:
    clock = FakeClock(wall=1_000.0)
    timeline = Timeline(clock)
    clock.jump_wall(-500)
    clock.advance(1)
    clock.jump_wall(10_000)
    assert timeline.now() == 1_001.0


def test_timeline_translates_between_its_two_scales() -> None:
    clock = FakeClock(wall=1_000.0)
    clock.advance(10)
    timeline = Timeline(clock)
    assert timeline.at(12.0) == 1_012.0
    assert timeline.monotonic_at(1_012.0) == 12.0


@pytest.mark.parametrize(
    ("seconds", "stamp"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.1239, "2023-11-14T22:13:20.123Z"),
        (1_700_000_000, "2023-11-14T22:13:20.000Z"),
    ],
)
def test_stamps_are_rfc3339_in_utc_to_the_millisecond(seconds: float, stamp: str) -> None:
    assert rfc3339(seconds) == stamp
