"""Sizes by Little's law and the Allen-Cunneen approximation, held against a simulation."""

from __future__ import annotations

import heapq
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf.database.pools.sizing import PoolLoad, advise, forecast

loads = st.builds(
    PoolLoad,
    rate=st.floats(0.0, 5_000.0),
    hold=st.floats(0.0, 2.0),
    wait=st.floats(0.0, 5.0),
    capacity=st.integers(1, 200),
    variation=st.floats(0.0, 10.0),
)


def simulated_wait(rate: float, hold: float, servers: int, *, seed: int) -> float:
    """Let 400,000 callers come at random and hold for a random time; give their mean wait."""
    dice = random.Random(seed)
    free_at = [0.0] * servers
    now = waited = 0.0
    callers = 400_000
    for _ in range(callers):
        now += dice.expovariate(rate)
        start = max(now, heapq.heappop(free_at))
        waited += start - now
        heapq.heappush(free_at, start + dice.expovariate(1 / hold))
    return waited / callers


@pytest.mark.parametrize(
    ("rate", "hold", "capacity"), [(30.0, 0.1, 4), (100.0, 0.05, 6), (8.5, 0.1, 1), (80.0, 0.1, 10)]
)
def test_forecast_agrees_with_a_simulation(rate: float, hold: float, capacity: int) -> None:
    """Within 15 % of what a discrete-event simulation of the same load waits."""
    found = forecast(PoolLoad(rate=rate, hold=hold, capacity=capacity), capacity)
    assert found.wait == pytest.approx(simulated_wait(rate, hold, capacity, seed=4), rel=0.15)


def test_forecast_of_one_server_is_the_formula_of_the_textbook() -> None:
    """M/M/1: Wq = rho / (1 - rho) x W."""
    found = forecast(PoolLoad(rate=8.0, hold=0.1, capacity=1), 1)
    assert found.wait == pytest.approx(0.8 / 0.2 * 0.1)
    assert found.utilisation == pytest.approx(0.8)


def test_even_holds_wait_half_as_long() -> None:
    """M/D/1 waits half of what M/M/1 does."""
    even = PoolLoad(rate=8.0, hold=0.1, capacity=1, variation=0.0)
    assert forecast(even, 1).wait == pytest.approx(0.2)


@given(load=loads, capacity=st.integers(1, 300), more=st.integers(1, 300))
def test_more_connections_never_forecast_a_longer_wait(
    load: PoolLoad, capacity: int, more: int
) -> None:
    few, many = forecast(load, capacity), forecast(load, capacity + more)
    if few.wait is None:
        return
    assert many.wait is not None
    assert many.wait <= few.wait * (1 + 1e-9)
    assert many.utilisation <= few.utilisation


@given(load=loads)
def test_little_holds(load: PoolLoad) -> None:
    """What is busy is rate times hold, and the utilisation its share of what there is."""
    assert load.busy == load.rate * load.hold
    if not load.is_saturated:
        found = forecast(load, load.capacity)
        assert found.utilisation * load.capacity == pytest.approx(load.busy)
    assert load.demand >= load.busy


@given(load=loads)
def test_recommended_size_is_the_smallest_that_is_enough(load: PoolLoad) -> None:
    advice = advise(load)
    if advice.recommended is None:
        assert load.busy == 0
        return
    if advice.recommended >= 10_000:
        return
    after = forecast(load, advice.recommended)
    assert after.wait is not None
    assert after.wait <= 0.005
    assert after.utilisation <= 0.8 + 1e-9
    if advice.recommended > 1:
        before = forecast(load, advice.recommended - 1)
        assert before.wait is None or before.wait > 0.005 or before.utilisation > 0.8 - 1e-9


def test_measured_wait_moves_the_forecast() -> None:
    """What was measured is forecast for the size that it was measured at."""
    load = PoolLoad(rate=30.0, hold=0.1, capacity=4, wait=0.1)
    assert forecast(load, 4).wait == pytest.approx(0.1)
    assert 0 < forecast(load, 8).wait < 0.01


def test_saturated_pool_counts_those_who_wait() -> None:
    """A pool that serves all it can says little of how much is asked for."""
    load = PoolLoad(rate=29.9, hold=0.1, capacity=3, wait=0.3)
    advice = advise(load)
    assert load.is_saturated
    assert load.demand == pytest.approx(29.9 * 0.4)
    half, same, twice = advice.forecasts
    assert (half.capacity, same.capacity, twice.capacity) == (1, 3, 6)
    assert same.wait is None
    assert "grows without bound" in same.text
    assert advice.recommended > 12
    assert "saturated" in advice.evidence


def test_evidence_tells_the_figures() -> None:
    advice = advise(PoolLoad(rate=30.0, hold=0.1, capacity=30, wait=0.0002))
    assert advice.recommended == 6
    assert advice.evidence == (
        "30.0 checkouts/s x 100.0 ms held = 3.0 of 30 connections in use (Little's law), 0.2 ms"
        " mean wait measured. 6 connections: 3.3 ms mean wait, 50% in use (Allen-Cunneen)"
    )


def test_nothing_follows_from_no_load() -> None:
    advice = advise(PoolLoad(rate=0.0, hold=0.0, capacity=30))
    assert advice.recommended is None
    assert all(one.wait == 0.0 for one in advice.forecasts)


@pytest.mark.parametrize(
    "wrong", [{"rate": -1.0}, {"hold": float("nan")}, {"wait": float("inf")}, {"capacity": 0}]
)
def test_what_cannot_be_measured_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PoolLoad(**({"rate": 1.0, "hold": 1.0, "capacity": 1} | wrong))
