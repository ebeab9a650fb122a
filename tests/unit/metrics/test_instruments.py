"""What instruments take and refuse, and what a snapshot then shows."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, cast

import pytest

from hhs_perf.exceptions import UnknownWindowError
from hhs_perf.metrics import Gauge, LocalReader, Registry
from hhs_perf.testing import FakeClock

REFUSED: list[Any] = [math.nan, math.inf, -math.inf, -0.001, None, "0.5", b"1", [], object(), 1j]


@pytest.fixture
def registry(clock: FakeClock) -> Registry:
    """A registry on the clock that is moved by hand; no tick lives."""
    return Registry(clock=clock)


@pytest.fixture
def reader(registry: Registry) -> LocalReader:
    """The reader of that registry."""
    return LocalReader(registry)


@pytest.mark.parametrize("ticking", [True, False])
@pytest.mark.parametrize("value", REFUSED)
def test_a_timer_refuses_and_counts_what_is_no_duration(
    registry: Registry, reader: LocalReader, ticking: bool, value: Any
) -> None:
    registry.use_ticks(ticking=ticking)
    timer = registry.timer("t")
    for taken in (0.2, value, 0.1):
        timer.record(taken)
    seen = reader.read().timer("t")
    assert (seen.count, seen.rejected) == (2, 1)
    assert seen.sum == pytest.approx(0.3)
    assert (seen.min, seen.max) == (0.1, 0.2)
    assert seen.quantile(1.0) == 0.2


def test_a_timer_that_took_nothing_but_refusals_shows_them(
    registry: Registry, reader: LocalReader, clock: FakeClock
) -> None:
    registry.timer("t").record(math.nan)
    for window in ("5m", "1h", "24h"):
        seen = reader.read(window).timer("t")
        assert (seen.count, seen.rejected, seen.quantile(0.5)) == (0, 1, None)
    clock.advance(30)
    assert reader.read().timer("t").rejected == 1


@pytest.mark.parametrize("value", REFUSED)
def test_a_counter_refuses_and_counts_what_is_no_amount(
    registry: Registry, reader: LocalReader, value: Any
) -> None:
    counter = registry.counter("c")
    for amount in (2, value, 0, 0.5):
        counter.add(amount)
    assert reader.read().count("c") == 2.5
    assert counter.rejected == 1


def test_a_counter_that_counted_nothing_is_zero_not_missing(
    registry: Registry, reader: LocalReader
) -> None:
    registry.counter("c", x="1")
    assert reader.read().counters("c") == [({"x": "1"}, 0.0)]


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "1", b"1", [], 1j, 10**400], ids=repr)
def test_a_gauge_refuses_and_counts_what_is_no_finite_number(value: Any) -> None:
    gauge = Gauge("g", ())
    gauge.set(3)
    gauge.set(value)
    gauge.add(value)
    assert (gauge.value, gauge.rejected) == (3.0, 2)


def test_a_gauge_refuses_a_number_that_fails_in_a_way_of_its_own() -> None:
    class Hostile:
        def __float__(self) -> float:
            raise ZeroDivisionError

    gauge = Gauge("g", ())
    gauge.set(cast("float", Hostile()))
    assert (gauge.value, gauge.rejected) == (None, 1)


def test_a_gauge_moves_from_zero_and_may_be_negative() -> None:
    gauge = Gauge("g", ())
    assert gauge.value is None
    gauge.add(-2)
    gauge.add(0.5)
    assert gauge.value == -1.5
    gauge.set(cast("float", Decimal("0.25")))
    assert gauge.value == 0.25


def test_a_gauge_that_is_not_set_is_not_shown(registry: Registry, reader: LocalReader) -> None:
    registry.gauge("g", x="1")
    registry.gauge("g", x="2").set(4)
    assert reader.read().gauges("g") == [({"x": "2"}, 4.0)]


def test_an_unknown_window_is_refused(reader: LocalReader) -> None:
    with pytest.raises(UnknownWindowError):
        reader.read("7d")


def test_a_snapshot_selects_by_tags(registry: Registry, reader: LocalReader) -> None:
    for method, route, n in [("GET", "/a", 1), ("GET", "/b", 2), ("PUT", "/a", 4)]:
        timer = registry.timer("t", method=method, route=route)
        counter = registry.counter("c", method=method, route=route)
        for _ in range(n):
            timer.record(0.1)
            counter.add(10)
    snapshot = reader.read()
    assert snapshot.timer("t").count == 7
    assert snapshot.timer("t", method="GET").count == 3
    assert snapshot.timer("t", method="PUT", route="/b").count == 0
    assert snapshot.timer("t", host="x").count == 0
    assert snapshot.timer("unknown").count == 0
    assert snapshot.count("c", route="/a") == 50
    assert snapshot.count("unknown") == 0
    assert snapshot.tag_values("t", "route") == ["/a", "/b"]
    assert snapshot.tag_values("c", "method") == ["GET", "PUT"]
    assert snapshot.tag_values("t", "host") == []
    assert [tags["route"] for tags, _ in snapshot.timers("t", method="GET")] == ["/a", "/b"]


def test_a_snapshot_does_not_change_any_more(
    registry: Registry, reader: LocalReader, clock: FakeClock
) -> None:
    timer, counter, gauge = registry.timer("t"), registry.counter("c"), registry.gauge("g")
    for n in range(700):
        timer.record(n)
    counter.add(1)
    gauge.set(1)
    snapshot = reader.read()
    for n in range(700):
        timer.record(10_000 + n)
    counter.add(1)
    gauge.set(2)
    clock.advance(31)
    registry.flush()
    seen = snapshot.timer("t")
    assert (seen.count, seen.max, seen.quantile(1.0)) == (700, 699.0, 699.0)
    assert snapshot.count("c") == 1
    assert snapshot.gauges("g") == [({}, 1.0)]


def test_the_generation_changes_with_the_data_and_not_without(
    registry: Registry, reader: LocalReader, clock: FakeClock
) -> None:
    timer = registry.timer("t")
    timer.record(1.0)
    first = reader.generation()
    clock.advance(3)
    assert reader.generation() == reader.read().generation == first
    timer.record(1.0)
    second = reader.generation()
    assert second != first
    clock.advance(30)
    assert reader.generation() != second  # a slot has left the windows


def test_two_readers_of_one_process_differ_by_their_start(clock: FakeClock) -> None:
    early = LocalReader(Registry(clock=clock))
    clock.advance(1)
    assert early.boot_id != LocalReader(Registry(clock=clock)).boot_id


def test_rates_are_per_second_of_what_the_window_saw(
    registry: Registry, reader: LocalReader, clock: FakeClock
) -> None:
    timer = registry.timer("t")
    assert reader.read().rate(0) is None
    for _ in range(20):
        clock.advance(1)
        timer.record(0.1)
    snapshot = reader.read()
    assert snapshot.seconds == 20
    assert snapshot.rate(snapshot.timer("t").count) == 1.0
    for _ in range(600):
        clock.advance(1)
        timer.record(0.1)
    snapshot = reader.read()
    assert 270 <= snapshot.seconds <= 300
    rate = snapshot.rate(snapshot.timer("t").count)
    assert rate is not None
    assert rate == pytest.approx(1.0, abs=0.01)
