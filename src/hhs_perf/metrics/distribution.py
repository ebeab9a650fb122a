"""What was observed: counters that are exact, and a digest for the quantiles between them."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from fractions import Fraction
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .digest import Digest, DigestEngine

__all__ = [
    "KEPT",
    "KEPT_ON_READ",
    "TAIL",
    "Comparison",
    "Detail",
    "Distribution",
    "Holding",
    "Threshold",
    "count_holding",
    "merge",
    "nearest_rank",
]

KEPT: Final = 256
"""A slot of so many values or fewer keeps them all."""
KEPT_ON_READ: Final = 4096
"""While a window has so many values or fewer, and its slots kept them, its quantiles are exact."""
TAIL: Final = 129
"""So many of the largest values are kept: p99.9 of 128,000 values is the 129th largest."""

Comparison = Literal["<", "<="]
Threshold = tuple[Comparison, float]


class Holding(NamedTuple):
    """How many observations satisfy a comparison, and of how many that is known."""

    holding: int
    of: int


class Detail(NamedTuple):
    """What quantiles are read from; see `Distribution`."""

    values: array[float] | None = None
    tail: array[float] | None = None
    digest: Digest | None = None


@lru_cache(maxsize=256)
def _ratio(q: float) -> tuple[int, int]:
    # 0.95 means 95/100 here, not the double beside it: ceil(q n) must not depend on rounding.
    return Fraction(str(q)).as_integer_ratio()


def nearest_rank(q: float, count: int) -> int:
    """Give the 1-based rank of quantile `q` (0..1) among `count` sorted values: ceil(q n).

    Nearest rank, method 1 of Hyndman and Fan, "Sample quantiles in statistical packages", 1996.
    """
    above, below = _ratio(q)
    return max(1, -(-count * above // below))


def count_holding(values: Sequence[float], threshold: Threshold) -> int:
    """Count the sorted values that satisfy `threshold`."""
    comparison, level = threshold
    return bisect_left(values, level) if comparison == "<" else bisect_right(values, level)


class Distribution:
    """Observations of one or many series over some time: seconds in, seconds out.

    Exact: `count`, `sum`, `min`, `max` (None when nothing was observed), `rejected` (values
    refused because negative or not finite), and `thresholds`, which counts the observations
    holding at each level known when its slot opened. `values` has them all, sorted, while they
    are few; `tail` has the largest ones, None when some slots no longer know them; `digest`
    estimates the rest, None where only counters are kept.

    Verdicts read the counters alone, thousands of slots a pass: so the other three may be
    `later`, a function that puts them together when first asked for.
    """

    __slots__ = ("_detail", "_later", "count", "max", "min", "rejected", "sum", "thresholds")

    def __init__(  # noqa: PLR0913 - they are fields, given by name
        self,
        *,
        count: int = 0,
        sum: float = 0.0,  # noqa: A002 - as every table of figures calls it
        min: float | None = None,  # noqa: A002 - likewise
        max: float | None = None,  # noqa: A002 - likewise
        rejected: int = 0,
        thresholds: Mapping[Threshold, Holding] | None = None,
        values: array[float] | None = None,
        tail: array[float] | None = None,
        digest: Digest | None = None,
        later: Callable[[], Detail] | None = None,
    ) -> None:
        self.count = count
        self.sum = sum
        self.min = min
        self.max = max
        self.rejected = rejected
        self.thresholds: Mapping[Threshold, Holding] = {} if thresholds is None else thresholds
        self._detail = Detail(values, tail, digest) if later is None else None
        self._later = later

    def __repr__(self) -> str:
        return f"<Distribution of {self.count}, {self.min} to {self.max}>"

    @property
    def detail(self) -> Detail:
        """The values, tail and digest."""
        if self._detail is None:
            self._detail = self._later() if self._later is not None else Detail()
            self._later = None
        return self._detail

    @property
    def values(self) -> array[float] | None:
        """All values, sorted, or None when they are too many."""
        return self.detail.values

    @property
    def tail(self) -> array[float] | None:
        """The largest values, sorted, or None when not all slots know theirs."""
        return self.detail.tail

    @property
    def digest(self) -> Digest | None:
        """The estimate of the rest, or None where there is none."""
        return self.detail.digest

    @property
    def mean(self) -> float | None:
        """The mean, None when nothing was observed."""
        return self.sum / self.count if self.count else None

    def quantile(self, q: float) -> float | None:
        """Give quantile `q` (0..1) by nearest rank, or None where it is not known.

        Exact from `values` and `tail`; else the digest's estimate, moved to the side of every
        threshold on which the exact counters prove it to be.
        """
        if not self.count:
            return None
        rank = nearest_rank(q, self.count)
        values, tail, digest = self.detail
        if values is not None:
            return values[rank - 1]
        from_top = self.count - rank
        if tail is not None and from_top < len(tail):
            return tail[-1 - from_top]
        if digest is None:
            return None
        return self._clamped(digest.quantile(q), rank)

    def _clamped(self, estimate: float, rank: int) -> float:
        low = self.min if self.min is not None else 0.0
        high = self.tail[0] if self.tail else self.max
        for (comparison, level), known in self.thresholds.items():
            if known.of != self.count:
                continue
            if known.holding >= rank:
                top = math.nextafter(level, 0.0) if comparison == "<" else level
                high = top if high is None else min(high, top)
            else:
                bottom = level if comparison == "<" else math.nextafter(level, math.inf)
                low = max(low, bottom)
        if high is not None:
            estimate = min(estimate, high)
        return max(estimate, low)

    def counters_alone(self) -> Distribution:
        """Give what is exact for ever: counts, sum, extremes and thresholds."""
        return Distribution(
            count=self.count,
            sum=self.sum,
            min=self.min,
            max=self.max,
            rejected=self.rejected,
            thresholds=self.thresholds,
        )

    def holding(self, threshold: Threshold) -> Holding | None:
        """Count the observations that satisfy `threshold`, or None where nobody counted.

        `Holding.of` is smaller than `count` while slots are in the window that opened before
        the threshold was known.
        """
        known = self.thresholds.get(threshold)
        if (known is None or known.of < self.count) and self.values is not None:
            return Holding(count_holding(self.values, threshold), self.count)
        return known


def _merge_thresholds(parts: Sequence[Distribution]) -> dict[Threshold, Holding]:
    wanted = {threshold: (0, 0) for part in parts for threshold in part.thresholds}
    for part in parts:
        held = part.thresholds
        for threshold, (holding, of) in wanted.items():
            known = held.get(threshold)
            if known is None or known.of < part.count:
                known = part.holding(threshold) or Holding(0, 0)
            wanted[threshold] = holding + known.holding, of + known.of
    return {threshold: Holding(*known) for threshold, known in wanted.items()}


def _merge_digests(parts: Sequence[Distribution], engine: DigestEngine, centroids: int) -> Digest:
    merged = engine.new(centroids)
    loose: list[float] = []
    for part in parts:
        if part.values is not None:
            loose.extend(part.values)
        elif part.digest is not None:
            merged.merge(part.digest)
    loose.sort()
    merged.update(loose)
    return merged


def _merge_details(
    parts: Sequence[Distribution], engine: DigestEngine, kept: int, centroids: int
) -> Detail:
    count = sum(part.count for part in parts)
    if count <= kept and all(part.values is not None for part in parts):
        return Detail(values=array("d", sorted(v for part in parts for v in part.values or ())))
    tail: array[float] | None = None
    tops = [p.values[-TAIL:] if p.values is not None else p.tail for p in parts]
    if all(top is not None for top in tops):
        tail = array("d", sorted(v for top in tops for v in top or ())[-TAIL:])
    if any(part.values is None and part.digest is None for part in parts):
        return Detail(tail=tail)
    return Detail(tail=tail, digest=_merge_digests(parts, engine, centroids))


def merge(
    parts: Iterable[Distribution],
    engine: DigestEngine,
    *,
    kept: int = KEPT_ON_READ,
    centroids: int = 200,
) -> Distribution:
    """Add distributions up; counts, sums, extremes and thresholds stay exact.

    The values are kept while they are `kept` or fewer; past that a digest of `centroids` and the
    exact tail stand for them.
    """
    rejected = 0
    seen: list[Distribution] = []
    for part in parts:
        rejected += part.rejected
        if part.count:
            seen.append(part)
    if not seen:
        return Distribution(rejected=rejected, values=array("d"))
    if len(seen) == 1 and seen[0].rejected == rejected:
        return seen[0]
    return Distribution(
        count=sum(part.count for part in seen),
        sum=math.fsum(part.sum for part in seen),
        min=min(part.min for part in seen if part.min is not None),
        max=max(part.max for part in seen if part.max is not None),
        rejected=rejected,
        thresholds=_merge_thresholds(seen),
        later=partial(_merge_details, seen, engine, kept, centroids),
    )
