"""Exact counts in columns."""

from __future__ import annotations

import pytest

from hhs_perf.metrics.counted import NOTHING_COUNTED, Counted, Holding

LOW, HIGH, MIDDLE = ("<", 0.1), ("<=", 0.5), ("<", 0.3)


def test_it_reads_like_the_mapping_it_stands_for() -> None:
    counted = Counted((LOW, HIGH), [3, 9], [10, 10])
    assert dict(counted) == {LOW: Holding(3, 10), HIGH: Holding(9, 10)}
    assert counted == {LOW: Holding(3, 10), HIGH: Holding(9, 10)}
    assert counted.get(MIDDLE) is None
    with pytest.raises(KeyError):
        counted[MIDDLE]
    assert len(NOTHING_COUNTED) == 0


def test_a_copy_of_a_mapping_has_its_figures() -> None:
    counted = Counted.copy_of({LOW: Holding(3, 10)})
    assert list(counted.rows()) == [(LOW, 3, 10)]
    assert Counted.copy_of(counted) is counted


def test_equal_thresholds_are_added_column_by_column() -> None:
    parts = [Counted((LOW, HIGH), [1, 2], [4, 4]), Counted((LOW, HIGH), [10, 20], [40, 30])]
    assert Counted.sum_of(parts) == {LOW: Holding(11, 44), HIGH: Holding(22, 34)}


def test_what_a_part_does_not_know_is_missing_in_of() -> None:
    parts = [Counted((LOW,), [1], [4]), Counted((HIGH, LOW), [20, 10], [40, 40])]
    assert Counted.sum_of(parts) == {LOW: Holding(11, 44), HIGH: Holding(20, 40)}


def test_the_union_keeps_the_order_in_which_thresholds_came() -> None:
    parts = [Counted((LOW,), [0], [0]), NOTHING_COUNTED, Counted((HIGH, LOW), [0, 0], [0, 0])]
    assert Counted.union(parts) == (LOW, HIGH)
    assert Counted.union([]) == ()


def test_values_are_counted_on_the_side_that_the_comparison_names() -> None:
    counted = Counted.in_all([0.05, 0.1, 0.5, 0.6], (LOW, HIGH))
    assert counted == {LOW: Holding(1, 4), HIGH: Holding(3, 4)}
    assert counted.is_about((LOW, HIGH), 4)
    assert not counted.is_about((LOW, HIGH), 5)
    assert not counted.is_about((LOW,), 4)
