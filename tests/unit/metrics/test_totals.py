"""Totals over many series are what adding the series up would give."""

from __future__ import annotations

import math

import pytest

from hhs_perf.metrics import LocalReader, Registry
from hhs_perf.metrics.merging import merge
from hhs_perf.testing import FakeClock

NAME = "http.server.request.duration"
LEVELS = [("<", 0.5), ("<=", 0.2)]


def fill(registry: Registry, clock: FakeClock, slots: int, per_slot: int, series: int = 6) -> None:
    """Record in some series of two kinds, slot after slot."""
    timers = [
        registry.timer(NAME, route=f"/{n}", kind="cached" if n % 3 == 0 else "uncached")
        for n in range(series)
    ]
    for slot in range(slots):
        for n, timer in enumerate(timers):
            for i in range(per_slot):
                timer.record(abs(math.sin(slot * 7919 + n * 104_729 + i)))
        registry.flush()
        clock.advance(30)
        registry.flush()


@pytest.mark.parametrize("tags", [{}, {"kind": "cached"}, {"kind": "nobody's"}])
@pytest.mark.parametrize("window", ["5m", "1h", "24h"])
@pytest.mark.parametrize("per_slot", [3, 400])
def test_a_total_is_the_sum_of_its_series(tags: dict[str, str], window: str, per_slot: int) -> None:
    clock = FakeClock()
    registry = Registry(clock=clock)
    registry.count_at(NAME, LEVELS)
    registry.add_up(NAME, tags)
    fill(registry, clock, 25, per_slot)
    snapshot = LocalReader(registry).read(window)
    total = snapshot.timer(NAME, **tags)
    apart = merge((seen for _, seen in snapshot.timers(NAME, **tags)), registry.engine)
    assert (total.count, total.min, total.max) == (apart.count, apart.min, apart.max)
    assert total.sum == pytest.approx(apart.sum)
    if apart.count:
        assert dict(total.thresholds) == dict(apart.thresholds)
        if window != "24h":
            assert total.quantile(0.95) == pytest.approx(apart.quantile(0.95), rel=0.02)


def test_a_total_asked_for_late_does_not_hide_what_came_before() -> None:
    """Until it reaches back as far as the window, the series themselves are added up."""
    clock = FakeClock()
    registry = Registry(clock=clock)
    reader = LocalReader(registry)
    fill(registry, clock, 2, 10)
    registry.add_up(NAME, {})
    assert reader.read("5m").timer(NAME).count == 120
    fill(registry, clock, 9, 10)
    before = sum(seen.count for _, seen in reader.read("5m").timers(NAME))
    assert reader.read("5m").timer(NAME).count == before


def test_what_the_open_slot_has_is_in_the_total() -> None:
    clock = FakeClock()
    registry = Registry(clock=clock)
    registry.add_up(NAME, {})
    fill(registry, clock, 1, 10)
    registry.timer(NAME, route="/new", kind="uncached").record(9.0)
    total = LocalReader(registry).read("5m").timer(NAME)
    assert (total.count, total.max) == (61, 9.0)


def test_a_forked_child_begins_its_totals_anew() -> None:
    clock = FakeClock()
    registry = Registry(clock=clock)
    registry.add_up(NAME, {})
    fill(registry, clock, 3, 10)
    registry.after_fork_in_child()
    fill(registry, clock, 1, 10)
    assert LocalReader(registry).read("5m").timer(NAME).count == 60


def test_many_values_are_folded_once_a_slot_and_read_the_same() -> None:
    """The second reading in a slot finds what the first one put together."""
    clock = FakeClock()
    registry = Registry(clock=clock)
    fill(registry, clock, 8, 900, series=1)
    reader = LocalReader(registry)

    def figures() -> tuple[object, ...]:
        [(_, seen)] = reader.read("5m").timers(NAME)
        quantiles = [seen.quantile(q) for q in (0.1, 0.5, 0.95, 0.999)]
        return seen.count, seen.min, seen.max, *quantiles

    first = figures()
    timer = registry.timer(NAME, route="/0", kind="cached")
    assert timer.folded
    second = figures()
    assert second[:3] == first[:3]
    assert second[3:] == pytest.approx(first[3:], rel=1e-6)
    timer.record(7.0)
    assert figures()[2] == 7.0
    clock.advance(31)
    assert figures()[0] == 7_201
