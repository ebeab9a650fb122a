"""Whatever is recorded whenever, each window shows exactly what lies in its slots."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hhs_perf.metrics import WINDOWS, LocalReader, Registry, load_engine, nearest_rank
from hhs_perf.metrics.distribution import TAIL, Distribution, Threshold, count_holding
from hhs_perf.metrics.frame import decode, encode
from hhs_perf.metrics.merging import merge
from hhs_perf.metrics.slots import OpenSlot
from hhs_perf.testing import FakeClock

ENGINE = load_engine()
LEVELS: tuple[Threshold, ...] = (("<", 1.0), ("<=", 1.0), ("<", 100.0))

durations = st.floats(min_value=0, max_value=1e6, allow_subnormal=False) | st.just(1.0)
batches = st.lists(durations, max_size=300)
gaps = st.sampled_from([0.0, 0.5, 29.0, 30.0, 31.0, 100.0, 300.0, 1_000.0, 3_600.0, 30_000.0])
histories = st.lists(st.tuples(gaps, batches), max_size=12)


def slot_of(values: list[float]) -> Distribution:
    """Give what a slot sees of `values`."""
    slot = OpenSlot(ENGINE, LEVELS)
    slot.take(list(values))
    return slot.seen()


@given(history=histories, ticking=st.booleans(), start=st.integers(0, 90_000))
def test_the_slots_of_a_window_add_up_to_its_count(
    history: list[tuple[float, list[float]]], ticking: bool, start: int
) -> None:
    clock = FakeClock(wall=1_700_006_400.0 + start)
    registry = Registry(clock=clock)
    registry.count_at("t", LEVELS)
    registry.use_ticks(ticking=ticking)
    timer, counter, reader = registry.timer("t"), registry.counter("c"), LocalReader(registry)
    recorded: list[tuple[float, float]] = []
    for gap, values in history:
        clock.advance(gap)
        if ticking:  # somebody flushes at least once a slot
            registry.flush()
        for value in values:
            timer.record(value)
            counter.add(1)
            recorded.append((clock.wall(), value))
    for window in WINDOWS:
        slot = window.slot_seconds
        first = (clock.wall() // slot - window.slots + 1) * slot
        truth = sorted(value for at, value in recorded if at >= first)
        snapshot = reader.read(window.name)
        seen = snapshot.timer("t")
        assert seen.count == snapshot.count("c") == len(truth)
        if not truth:
            continue
        assert (seen.min, seen.max) == (truth[0], truth[-1])
        assert math.isclose(seen.sum, math.fsum(truth), rel_tol=1e-9)
        for level in LEVELS:
            holding = seen.holding(level)
            assert holding is not None
            assert (holding.holding, holding.of) == (count_holding(truth, level), len(truth))
        for q in (0.5, 0.95, 0.99, 1.0):
            quantile = seen.quantile(q)
            exact = truth[nearest_rank(q, len(truth)) - 1]
            if seen.values is not None or (seen.tail and exact > seen.tail[0]):
                assert quantile == exact
            elif quantile is not None:
                assert truth[0] <= quantile <= truth[-1]
                for level in LEVELS:  # an estimate never contradicts a verdict
                    assert count_holding([quantile], level) == count_holding([exact], level)


@given(parts=st.lists(batches, min_size=1, max_size=8), cut=st.integers(1, 7))
def test_exact_parts_do_not_depend_on_how_slots_are_added_up(
    parts: list[list[float]], cut: int
) -> None:
    slots = [slot_of(values) for values in parts]
    flat = merge(slots, ENGINE)
    nested = merge([merge(slots[:cut], ENGINE), merge(slots[cut:], ENGINE)], ENGINE)
    values = sorted(value for part in parts for value in part)
    for merged in (flat, nested):
        assert merged.count == len(values)
        assert math.isclose(merged.sum, math.fsum(values), rel_tol=1e-9)
        assert (merged.min, merged.max) == ((values[0], values[-1]) if values else (None, None))
        if merged.tail is not None:
            assert list(merged.tail) == values[-TAIL:]
        for level in LEVELS if values else ():
            holding = merged.holding(level)
            assert holding is not None
            assert (holding.holding, holding.of) == (count_holding(values, level), len(values))


@given(parts=st.lists(batches, min_size=1, max_size=4))
def test_shown_quantiles_are_monotone_and_inside_the_extremes(parts: list[list[float]]) -> None:
    seen = merge(map(slot_of, parts), ENGINE, kept=128)
    shown = [seen.quantile(n / 200) for n in range(201)]
    if not seen.count:
        assert set(shown) == {None}
        return
    known = [quantile for quantile in shown if quantile is not None]
    assert len(known) == 201
    assert all(a <= b for a, b in pairwise(known))
    assert seen.min is not None
    assert seen.max is not None
    assert seen.min <= known[0] <= known[-1] <= seen.max


@given(values=batches, more=batches, ours=st.booleans(), slot=st.integers(0, 2**40))
def test_frames_round_trip(values: list[float], more: list[float], ours: bool, slot: int) -> None:
    before = merge([slot_of(values), slot_of(more)], ENGINE, kept=256)
    frame = decode(encode(slot, 30, before), ENGINE, ours=ours)
    assert frame is not None
    after = frame.seen
    assert (frame.slot, frame.seconds) == (slot, 30)
    assert (after.count, after.sum, after.min, after.max, after.thresholds) == (
        (before.count, before.sum, before.min, before.max, before.thresholds)
    )
    assert (after.values, after.tail) == (before.values, before.tail)
    for q in (0.1, 0.5, 0.9):
        a, b = after.quantile(q), before.quantile(q)
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-5 * (before.max or 0.0))
