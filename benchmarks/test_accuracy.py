"""How often a verdict is wrong, and how far a quantile shown is off: ours, buckets, a digest."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from benchmarks._accuracy import SPREADS, relative_errors, wrong_verdicts
from benchmarks._peer_verdicts import wrong_by_buckets, wrong_by_digest
from benchmarks.scenarios import DATASETS, TRIALS, trial_groups

if TYPE_CHECKING:
    from benchmarks.conftest import Bench

SIZES: Final = (2_000, 10_000, 30_000, 100_000, 128_000)
SEEDS: Final = (0, 1, 2)


def test_verdicts(bench: Bench) -> None:
    """None of 7,200 verdicts on targets within 5 % of the true quantile is wrong."""
    wrong = {"ours": 0, "buckets": 0, "digest": 0}

    def campaign() -> None:
        for group in trial_groups():
            wrong["ours"] += wrong_verdicts(group)
            wrong["buckets"] += wrong_by_buckets(group)
            wrong["digest"] += wrong_by_digest(group)

    bench.benchmark.pedantic(campaign, rounds=1)
    what = f"wrong verdicts of {TRIALS:,} near the target"
    unit = "verdicts"
    bench.show(f"{what}: prometheus' default buckets", wrong["buckets"], unit=unit)
    bench.show(f"{what}: a t-digest of 200 centroids alone", wrong["digest"], unit=unit)
    bench.show(f"{what}: hhs_perf", wrong["ours"], unit=unit, bound=0)


def test_quantiles(bench: Bench) -> None:
    """The p95 shown is within 2 %, and the p99.9 is exact up to 128,000 values."""
    quantiles = (0.5, 0.95, 0.99, 0.999)
    worst = dict.fromkeys(quantiles, 0.0)

    def campaign() -> None:
        for n, name, seed, window in product(SIZES, DATASETS, SEEDS, SPREADS):
            errors = relative_errors(name, n, seed, window, quantiles)
            for q, error in zip(quantiles, errors, strict=True):
                worst[q] = max(worst[q], error)

    bench.benchmark.pedantic(campaign, rounds=1)
    bounds = {0.95: 2.0, 0.999: 0.0}
    for q in quantiles:
        bench.show(
            f"worst error of p{q * 100:g}, seven data sets, 2,000 to 128,000 values",
            worst[q] * 100,
            unit="%",
            bound=bounds.get(q),
        )
