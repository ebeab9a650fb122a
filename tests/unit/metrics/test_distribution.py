"""Ranks, exact and estimated quantiles, exact counts, and how distributions add up."""

from __future__ import annotations

import math
import random
from array import array
from fractions import Fraction

import pytest

from hhs_perf.metrics import Distribution, Holding, Threshold, load_engine, nearest_rank
from hhs_perf.metrics.distribution import TAIL, count_holding
from hhs_perf.metrics.merging import merge
from hhs_perf.metrics.slots import OpenSlot

ENGINE = load_engine()


def seen(values: list[float], *thresholds: Threshold) -> Distribution:
    """Give what a slot sees of `values`."""
    slot = OpenSlot(ENGINE, thresholds)
    slot.take(values)
    return slot.seen()


def lognormal(n: int, seed: int = 1) -> list[float]:
    """Make `n` durations around 50 ms."""
    rng = random.Random(seed)
    return [rng.lognormvariate(math.log(0.05), 0.8) for _ in range(n)]


def truth(values: list[float], q: float) -> float:
    """Give the true quantile."""
    return sorted(values)[nearest_rank(q, len(values)) - 1]


@pytest.mark.parametrize(
    ("q", "count", "rank"),
    [
        (0.0, 10, 1),
        (1.0, 10, 10),
        (0.5, 1, 1),
        (0.5, 2, 1),
        (0.5, 3, 2),
        (0.95, 100, 95),
        (0.95, 101, 96),
        (0.99, 200, 198),
        (0.999, 128_000, 127_872),
        (0.07, 100, 7),  # 0.07 * 100 is 7.000000000000001 in doubles
        (0.29, 100, 29),  # and 0.29 * 100 is 28.999999999999996
        (0.55, 100, 55),  # 55.00000000000001
        (0.95, 2**53, 8_556_839_292_003_943),  # beyond what a double tells apart
    ],
)
def test_nearest_rank_is_exact(q: float, count: int, rank: int) -> None:
    assert nearest_rank(q, count) == rank


def test_nearest_rank_agrees_with_fractions_for_every_percent() -> None:
    for percent in range(1, 100):
        for count in range(1, 400):
            exact = math.ceil(Fraction(percent, 100) * count)
            assert nearest_rank(percent / 100, count) == exact


def test_count_holding_tells_less_from_at_most() -> None:
    values = [0.1, 0.2, 0.2, 0.3]
    assert count_holding(values, ("<", 0.2)) == 1
    assert count_holding(values, ("<=", 0.2)) == 3


def test_nothing_observed_is_unknown_not_zero() -> None:
    nothing = seen([])
    assert (nothing.count, nothing.min, nothing.max, nothing.mean) == (0, None, None, None)
    assert nothing.quantile(0.95) is None


@pytest.mark.parametrize("n", [1, 2, 39, 256])
@pytest.mark.parametrize("q", [0.0, 0.5, 0.95, 0.99, 1.0])
def test_quantiles_are_exact_while_all_values_are_kept(n: int, q: float) -> None:
    values = lognormal(n)
    assert seen(list(values)).quantile(q) == truth(values, q)


@pytest.mark.parametrize(("n", "q"), [(2_500, 0.95), (12_800, 0.99), (20_000, 0.999)])
def test_quantiles_are_exact_in_the_tail(n: int, q: float) -> None:
    values = lognormal(n)
    assert seen(list(values)).quantile(q) == truth(values, q)


def test_the_tail_reaches_as_far_as_it_says() -> None:
    """The 129th largest of 128,000 is their p99.9; one rank lower is an estimate."""
    values = [float(n) for n in range(1000)]
    distribution = seen(list(values))
    assert distribution.quantile((1000 - TAIL + 1) / 1000) == 1000 - TAIL
    below = distribution.quantile((1000 - TAIL) / 1000)
    assert below is not None
    assert below <= distribution.tail[0]  # type: ignore[index]


def test_an_estimate_is_moved_to_the_side_that_the_counters_prove() -> None:
    """However wrong the digest is, p50 < 0.1 is shown as such when it is so."""
    values = lognormal(4000)
    middle = truth(values, 0.5)
    above, below = math.nextafter(middle, 1), middle
    shown = seen(list(values), ("<", above)).quantile(0.5)
    assert shown is not None
    assert shown < above
    shown = seen(list(values), ("<", below)).quantile(0.5)
    assert shown is not None
    assert shown >= below
    shown = seen(list(values), ("<=", below), ("<", below)).quantile(0.5)
    assert shown == middle  # held between the two


@pytest.mark.parametrize(
    ("threshold", "holding", "shown"),
    [
        (("<", 7.0), 400, 7.0),
        (("<=", 7.0), 400, math.nextafter(7.0, 8.0)),
        (("<", 3.0), 600, math.nextafter(3.0, 2.0)),
        (("<=", 3.0), 600, 3.0),
        (("<=", 3.0), 499, 5.0),  # proves that it is above 3, as the estimate is
    ],
)
def test_proven_bounds_are_strict_where_the_comparison_is(
    threshold: Threshold, holding: int, shown: float
) -> None:
    digest = ENGINE.new()
    digest.update([5.0] * 1000)
    distribution = Distribution(
        count=1000,
        sum=5000.0,
        min=0.0,
        max=10.0,
        thresholds={threshold: Holding(holding, 1000)},
        digest=digest,
    )
    assert distribution.quantile(0.5) == shown


def test_an_estimate_stays_inside_what_was_observed() -> None:
    distribution = seen([1.0] * 300 + [5.0] * 300)
    for percent in range(101):
        quantile = distribution.quantile(percent / 100)
        assert quantile is not None
        assert 1.0 <= quantile <= 5.0


def test_a_threshold_known_for_a_part_proves_nothing_about_the_whole() -> None:
    early = seen(lognormal(3000))
    late = seen([0.001] * 3000, ("<", 0.01))
    both = merge([early, late], ENGINE)
    assert both.holding(("<", 0.01)) == Holding(3000, 3000)
    assert both.count == 6000
    p40 = both.quantile(0.4)
    assert p40 is not None
    assert p40 == pytest.approx(0.001)


def test_holding_counts_any_level_while_values_are_kept() -> None:
    assert seen([0.1, 0.2, 0.3]).holding(("<=", 0.2)) == Holding(2, 3)


def test_holding_is_unknown_where_nobody_counted() -> None:
    assert seen(lognormal(1000), ("<", 0.5)).holding(("<", 0.6)) is None


def test_holding_is_exact_past_the_kept_values() -> None:
    values = lognormal(5000)
    distribution = seen(list(values), ("<", 0.05), ("<=", 0.2))
    assert distribution.holding(("<", 0.05)) == Holding(sum(v < 0.05 for v in values), 5000)
    assert distribution.holding(("<=", 0.2)) == Holding(sum(v <= 0.2 for v in values), 5000)


def test_mean_is_sum_by_count() -> None:
    assert seen([1.0, 2.0, 6.0]).mean == 3.0


def test_counters_alone_keep_the_counts_and_forget_the_shape() -> None:
    values = lognormal(1000)
    alone = seen(list(values), ("<", 0.05)).counters_alone()
    assert (alone.count, alone.min, alone.max) == (1000, min(values), max(values))
    assert alone.holding(("<", 0.05)) == Holding(sum(v < 0.05 for v in values), 1000)
    assert alone.quantile(0.5) is None
    assert (alone.values, alone.tail, alone.digest) == (None, None, None)


def exact_part(distribution: Distribution) -> tuple[object, ...]:
    """Give what must not depend on how parts were added up."""
    return (
        distribution.count,
        distribution.min,
        distribution.max,
        distribution.rejected,
        distribution.thresholds,
        None if distribution.values is None else list(distribution.values),
        # What is known beyond that depends on what was put together first.
        None if distribution.tail is None else list(distribution.tail)[-TAIL:],
    )


@pytest.mark.parametrize("sizes", [(3, 0, 100), (200, 300, 4000), (1500, 1500, 1500)])
def test_merging_in_any_order_gives_the_same_exact_part(sizes: tuple[int, int, int]) -> None:
    levels: tuple[Threshold, ...] = (("<", 0.05), ("<=", 0.2))
    a, b, c = (seen(lognormal(n, seed), *levels) for seed, n in enumerate(sizes))
    left = merge([merge([a, b], ENGINE), c], ENGINE)
    right = merge([a, merge([b, c], ENGINE)], ENGINE)
    flat = merge([c, b, a], ENGINE)
    assert exact_part(left) == exact_part(right) == exact_part(flat)
    assert left.sum == pytest.approx(right.sum, rel=1e-12)
    everything = [v for seed, n in enumerate(sizes) for v in lognormal(n, seed)]
    assert left.sum == pytest.approx(math.fsum(everything), rel=1e-12)
    for level in levels:
        assert left.holding(level) == Holding(count_holding(sorted(everything), level), sum(sizes))


def test_merged_values_are_kept_up_to_the_limit() -> None:
    parts = [seen(lognormal(200, seed)) for seed in range(6)]
    values = sorted(v for seed in range(6) for v in lognormal(200, seed))
    assert list(merge(parts, ENGINE).values or ()) == values
    past = merge(parts, ENGINE, kept=1199)
    assert past.values is None
    assert list(past.tail or ()) == values[-TAIL:]
    assert list(merge(parts, ENGINE, kept=1200).values or ()) == values


def test_merged_tails_reach_down_to_where_one_part_forgets() -> None:
    """Each part knows all from the first value of its tail up; below the highest there are gaps."""
    lower, upper = [float(n) for n in range(5000)], [n + 50.5 for n in range(5000)]
    known = merge([seen(lower), seen(upper)], ENGINE).tail
    first = upper[-TAIL]
    assert list(known or ()) == sorted(v for v in lower + upper if v >= first)
    assert len(known or ()) > TAIL
    interleaved = merge([seen(lower[::2]), seen(lower[1::2])], ENGINE)
    assert list(interleaved.tail or ()) == lower[-251:], "so many that p95 is the first"
    assert interleaved.quantile(0.95) == truth(lower, 0.95)
    assert list(merge([interleaved], ENGINE, tail=TAIL).tail or ())[-TAIL:] == lower[-TAIL:]


def test_a_part_without_tail_leaves_the_whole_without() -> None:
    """The largest values of the whole might be in the part that forgot its own."""
    known = seen(lognormal(1000))
    whole = merge([known, seen(lognormal(1000, 2)).counters_alone()], ENGINE)
    assert (whole.tail, whole.digest) == (None, None)
    assert whole.quantile(0.999) is None
    assert whole.count == 2000


def test_merging_nothing_is_nothing_observed() -> None:
    nothing = merge([], ENGINE)
    assert (nothing.count, nothing.quantile(0.5)) == (0, None)
    assert merge([seen([]), seen([])], ENGINE).count == 0


def test_what_was_rejected_adds_up_too() -> None:
    parts = [seen([math.nan, 1.0]), seen([-1.0]), seen([2.0])]
    merged = merge(parts, ENGINE)
    assert (merged.rejected, merged.count) == (2, 2)
    assert merge([seen([-1.0]), seen([2.0])], ENGINE).rejected == 1


def test_seen_is_independent_of_what_comes_later() -> None:
    slot = OpenSlot(ENGINE, (("<", 1.0),))
    slot.take([0.5] * 300)
    before = slot.seen()
    slot.take([2.0] * 300)
    assert (before.count, before.max, before.sum) == (300, 0.5, 150.0)
    assert before.quantile(0.5) == 0.5
    assert before.tail == array("d", [0.5] * TAIL)
    assert before.digest is not None
    assert sum(before.digest.centroids()[1]) == 300
    assert before.thresholds == {("<", 1.0): Holding(300, 300)}
