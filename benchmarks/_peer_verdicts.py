"""How others would judge an objective: from histogram buckets, or from a digest alone."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from fastdigest import TDigest
from prometheus_client import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.scenarios import Trial, TrialGroup

BOUNDS = Histogram.DEFAULT_BUCKETS


def bucket_counts(values: Sequence[float]) -> list[int]:
    """Count the values in prometheus' default buckets, each alone."""
    counts = [0] * len(BOUNDS)
    for value in values:
        counts[bisect_left(BOUNDS, value)] += 1
    return counts


def histogram_quantile(counts: Sequence[int], q: float) -> float:
    """Estimate a quantile as PromQL's `histogram_quantile` does: a line through the bucket.

    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
    """
    rank = q * sum(counts)
    before = 0
    for index, count in enumerate(counts[:-1]):
        if before + count >= rank:
            start = BOUNDS[index - 1] if index else 0.0
            return start + (BOUNDS[index] - start) * (rank - before) / count
        before += count
    return BOUNDS[-2]


def wrong_by_buckets(group: TrialGroup) -> int:
    """Count the trials of a group that the default buckets judge wrongly."""
    counts = bucket_counts(group.values)
    return _wrong(group, lambda q: histogram_quantile(counts, q))


def wrong_by_digest(group: TrialGroup) -> int:
    """Count the trials of a group that a t-digest of 200 centroids judges wrongly."""
    digest = TDigest(max_centroids=200)
    digest.batch_update(group.values)
    return _wrong(group, digest.quantile)


def _wrong(group: TrialGroup, quantile: Callable[[float], float]) -> int:
    estimates = {trial.quantile: quantile(trial.quantile) for trial in group.trials}
    return sum(_holds(trial, estimates[trial.quantile]) != trial.holds for trial in group.trials)


def _holds(trial: Trial, estimate: float) -> bool:
    return estimate < trial.target if trial.op == "<" else estimate <= trial.target
