"""What a slot refuses and keeps, and how slots become longer ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from hhs_perf.metrics import DAY, FIVE_MINUTES, HOUR, WINDOWS, Window, load_engine
from hhs_perf.metrics.distribution import KEPT, TAIL
from hhs_perf.metrics.slots import LONGEST, OpenSlot, Rings, clean

ENGINE = load_engine()
MIDNIGHT = 1_700_006_400.0


class Hostile:
    """A number that raises what nobody expects."""

    def __float__(self) -> float:
        raise ZeroDivisionError


REFUSED: list[Any] = [
    math.nan,
    math.inf,
    -math.inf,
    -1e-9,
    LONGEST * 1.001,
    1e308,
    10**400,
    None,
    "1.0",
    b"1",
    1j,
    [1.0],
    {},
    object(),
    Hostile(),
    Decimal("NaN"),
]


@pytest.mark.parametrize("item", REFUSED)
def test_what_is_no_duration_is_refused_and_the_rest_taken(item: Any) -> None:
    assert clean([2.0, item, 1.0]) == ([1.0, 2.0], 3.0, 1)


def test_many_refusals_are_all_counted() -> None:
    values, total, rejected = clean([*REFUSED, 1.0, *REFUSED])
    assert (values, total, rejected) == ([1.0], 1.0, 2 * len(REFUSED))


def test_sums_that_overflow_refuse_what_made_them() -> None:
    assert clean([1e308, 1e308, 1.0]) == ([1.0], 1.0, 2)


@pytest.mark.parametrize(
    ("item", "value"),
    [(True, 1.0), (3, 3.0), (Decimal("0.5"), 0.5), (Fraction(1, 4), 0.25), (0.0, 0.0)],
)
def test_other_kinds_of_numbers_are_taken(item: Any, value: float) -> None:
    assert clean([item]) == ([value], value, 0)
    assert clean([item, math.nan]) == ([value], value, 1)


def test_values_are_kept_up_to_the_limit_and_the_tail_from_then_on() -> None:
    slot = OpenSlot(ENGINE, ())
    slot.take([float(n) for n in reversed(range(KEPT))])
    assert list(slot.seen().values or ()) == [float(n) for n in range(KEPT)]
    assert slot.seen().digest is None
    slot.take([0.5])
    seen = slot.seen()
    assert seen.values is None
    assert seen.digest is not None
    assert list(seen.tail or ()) == [float(n) for n in range(KEPT - TAIL, KEPT)]


def test_the_tail_has_the_largest_of_all_chunks() -> None:
    slot = OpenSlot(ENGINE, ())
    chunks = [[float(n % 997) for n in range(start, start + 500)] for start in range(0, 5000, 500)]
    for chunk in chunks:
        slot.take(list(chunk))
    largest = sorted(value for chunk in chunks for value in chunk)[-TAIL:]
    assert list(slot.seen().tail or ()) == largest


def test_an_empty_chunk_changes_nothing() -> None:
    slot = OpenSlot(ENGINE, ())
    slot.take([])
    assert (slot.count, slot.seen().min) == (0, None)


def test_refused_values_alone_leave_the_slot_without_observations() -> None:
    slot = OpenSlot(ENGINE, (("<", 1.0),))
    slot.take([math.nan])
    seen = slot.seen()
    assert (seen.count, seen.rejected, seen.sum, seen.min) == (0, 1, 0.0, None)


class Seconds:
    """Rings whose slots name the half-minutes that they hold."""

    def __init__(self) -> None:
        self.now = MIDNIGHT
        self.folds: list[tuple[int, int, int]] = []
        self.rings: Rings[tuple[int, ...]] = Rings(self.fold, self.now)

    def fold(
        self, slot: int, seconds: int, parts: Sequence[tuple[int, ...]], kept: int
    ) -> tuple[int, ...]:
        """Join the parts."""
        self.folds.append((slot, seconds, kept))
        return tuple(half for part in parts for half in part)

    def pass_slots(self, n: int) -> None:
        """Let `n` half-minutes pass in each of which something was observed."""
        for _ in range(n):
            half = self.rings.open_index
            self.now += 30
            assert self.rings.is_due(self.now)
            self.rings.roll(self.now, (half,))

    def seen(self, window: Window) -> list[int]:
        """Give the closed half-minutes that `window` shows, counted from midnight."""
        closed = self.rings.closed(window, self.now)
        return [half - int(MIDNIGHT // 30) for part in closed for half in part]


@pytest.mark.parametrize("passed", [1, 9, 10, 11, 119, 120, 121, 2879, 2880, 2881, 3000])
def test_every_window_shows_exactly_the_slots_that_it_reaches(passed: int) -> None:
    """A window of n slots is the open one and the n-1 before it, cut along its own length."""
    time = Seconds()
    time.pass_slots(passed)
    for window in WINDOWS:
        halves = window.slot_seconds // 30
        first = max(0, (passed // halves - window.slots + 1) * halves)
        assert time.seen(window) == list(range(first, passed))


def test_nothing_is_shown_twice_and_nothing_lost_at_any_boundary() -> None:
    time = Seconds()
    for passed in range(1, 400):
        time.pass_slots(1)
        for window in (FIVE_MINUTES, HOUR):
            halves = window.slot_seconds // 30
            first = max(0, (passed // halves - window.slots + 1) * halves)
            assert time.seen(window) == list(range(first, passed))


def test_slots_are_folded_once_each_into_five_minutes_and_an_hour() -> None:
    time = Seconds()
    time.pass_slots(240)
    fives = [fold for fold in time.folds if fold[1] == 300]
    hours = [fold for fold in time.folds if fold[1] == 3600]
    assert [slot for slot, _, _ in fives] == [int(MIDNIGHT // 300) + n for n in range(24)]
    assert [slot for slot, _, _ in hours] == [int(MIDNIGHT // 3600) + n for n in range(2)]
    assert {kept for _, _, kept in fives} == {KEPT}
    assert {kept for _, _, kept in hours} == {64}


def test_a_slot_in_which_nothing_was_observed_takes_no_room() -> None:
    time = Seconds()
    time.pass_slots(3)
    time.now += 30
    time.rings.roll(time.now, None)
    time.pass_slots(1)
    assert time.seen(FIVE_MINUTES) == [0, 1, 2, 4]


@pytest.mark.parametrize(
    ("gap", "shown"),
    [(600, (0, 5, 5)), (7_200, (0, 0, 5)), (90_000, (0, 0, 0)), (10 * 86_400, (0, 0, 0))],
)
def test_after_a_long_gap_only_the_windows_that_reach_back_show_anything(
    gap: float, shown: tuple[int, int, int]
) -> None:
    time = Seconds()
    time.pass_slots(4)
    half = time.rings.open_index
    time.now += gap
    time.rings.roll(time.now, (half,))
    assert tuple(len(time.seen(window)) for window in WINDOWS) == shown
    time.pass_slots(2)
    assert len(time.seen(FIVE_MINUTES)) == 2


def test_rings_do_not_grow() -> None:
    time = Seconds()
    time.pass_slots(3 * 2880)
    assert [len(ring) for ring in time.rings._rings] == [9, 11, 23]
    assert len(time.seen(DAY)) == 23 * 120


def test_the_open_slot_is_due_exactly_at_its_end() -> None:
    rings = Seconds().rings
    assert not rings.is_due(MIDNIGHT)
    assert not rings.is_due(MIDNIGHT + 29.999)
    assert rings.is_due(MIDNIGHT + 30)
