"""What was observed: counters that are exact, and a digest for the quantiles between them."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, NamedTuple

from .counted import (
    NOTHING_COUNTED,
    Comparison,
    Counted,
    Holding,
    Threshold,
    count_holding,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .digest import Digest, DigestEngine

__all__ = [
    "KEPT",
    "KEPT_ON_READ",
    "TAIL",
    "TAIL_ON_READ",
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


class Detail(NamedTuple):
    """What quantiles are read from; see `Distribution`."""

    values: array[float] | None = None
    tail: array[float] | None = None
    digest: Digest | None = None


TAIL_ON_READ: Final = 1024
"""So many at most are known when slots are merged: p95 of 20,000 values is the 1,001st largest."""
_AT_ONCE: Final = 2048
"""A digest takes values in runs of about so many: longer ones cost more to sort than they save."""


@lru_cache(maxsize=256)
def _ratio(q: float) -> tuple[int, int]:
    from fractions import Fraction  # noqa: PLC0415 - slow, and start-up does without

    # 0.95 means 95/100 here, not the double beside it: ceil(q n) must not depend on rounding.
    return Fraction(str(q)).as_integer_ratio()


def nearest_rank(q: float, count: int) -> int:
    """Give the 1-based rank of quantile `q` (0..1) among `count` sorted values: ceil(q n).

    Nearest rank, method 1 of Hyndman and Fan, "Sample quantiles in statistical packages", 1996.
    """
    above, below = _ratio(q)
    return max(1, -(-count * above // below))


class Distribution:
    """Observations of one or many series over some time: seconds in, seconds out.

    Exact: `count`, `sum`, `min`, `max` (None when nothing was observed), `rejected` (values
    refused because negative or not finite), and `thresholds`, which counts the observations
    holding at each level known when its slot opened. `values` has them all, sorted, while they
    are few; `tail` has the largest ones, None when some slots no longer know them; `digest`
    estimates the rest, None where only counters are kept.

    Some readers ask for the counters alone, some for quantiles alone, of thousands of slots a
    pass: so `thresholds` may be a function that gives them when first asked for, and `later` one
    that puts the other three together; `then` hears of that.
    """

    __slots__ = (
        "__weakref__",
        "_detail",
        "_later",
        "_then",
        "_thresholds",
        "count",
        "max",
        "min",
        "rejected",
        "sum",
    )

    def __init__(  # noqa: PLR0913 - they are fields, given by name
        self,
        *,
        count: int = 0,
        sum: float = 0.0,  # noqa: A002 - as every table of figures calls it
        min: float | None = None,  # noqa: A002 - likewise
        max: float | None = None,  # noqa: A002 - likewise
        rejected: int = 0,
        thresholds: Mapping[Threshold, Holding] | Callable[[], Counted] = NOTHING_COUNTED,
        values: array[float] | None = None,
        tail: array[float] | None = None,
        digest: Digest | None = None,
        later: Callable[[], Detail] | None = None,
        then: Callable[[Distribution], None] | None = None,
    ) -> None:
        self.count = count
        self.sum = sum
        self.min = min
        self.max = max
        self.rejected = rejected
        self._thresholds = thresholds
        self._detail = Detail(values, tail, digest) if later is None else None
        self._later = later
        self._then = then

    def __repr__(self) -> str:
        return f"<Distribution of {self.count}, {self.min} to {self.max}>"

    @property
    def thresholds(self) -> Mapping[Threshold, Holding]:
        """What holds at each level that was known."""
        if callable(self._thresholds):
            self._thresholds = self._thresholds()
        return self._thresholds

    @property
    def detail(self) -> Detail:
        """The values, tail and digest."""
        if self._detail is None:
            self._detail = self._later() if self._later is not None else Detail()
            self._later = None
            if self._then is not None:
                self._then(self)
                self._then = None
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
        for (comparison, level), holding, of in Counted.copy_of(self.thresholds).rows():
            if of != self.count:
                continue
            if holding >= rank:
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


def _counted(part: Distribution, thresholds: tuple[Threshold, ...]) -> Counted:
    """Give what a part knows at `thresholds`, all of them where it kept its values."""
    counted = Counted.copy_of(part.thresholds)
    if counted.is_about(thresholds, part.count) or part.values is None:
        return counted
    return Counted.in_all(part.values, thresholds)


def _merge_thresholds(parts: Sequence[Distribution]) -> Counted:
    known = Counted.union([Counted.copy_of(part.thresholds) for part in parts])
    return Counted.sum_of([_counted(part, known) for part in parts])


def _merge_digests(parts: Sequence[Distribution], engine: DigestEngine, centroids: int) -> Digest:
    merged = engine.new(centroids)
    loose: list[float] = []
    for part in parts:
        values, _, digest = part.detail
        if values is not None:
            loose.extend(values)
            if len(loose) >= _AT_ONCE:
                loose.sort()
                merged.update(loose)
                loose.clear()
        elif digest is not None:
            merged.merge(digest)
    loose.sort()
    merged.update(loose)
    return merged


def _reach(count: int) -> int:
    """Give how long a tail must be to reach p95, or p99 where that is too far; see `TAIL`."""
    for per in (20, 100):
        if count // per < TAIL_ON_READ:
            return max(TAIL, count // per + 1)
    return TAIL


def _merge_tails(parts: Sequence[Distribution], most: int) -> array[float] | None:
    """Give the largest values, as many as are known without a gap, between `TAIL` and `most`.

    A part knows all that it saw from the first value of its tail upwards, so that together they
    know all from the largest of these first values upwards; the top `TAIL` they know anyway.
    """
    found: list[float] = []
    cut = known_from = 0.0
    # The largest first: most of the many that follow have nothing above the cut.
    for part in sorted(parts, key=_max_of, reverse=True):
        values, top, _ = part.detail
        if values is not None:
            top = values
        if top is None:
            return None
        if len(top) < part.count:
            known_from = max(known_from, top[0])
        found += top[bisect_left(top, cut) :]
        if len(found) > 2 * most:
            found.sort()
            del found[:-most]
            cut = found[0]
    found.sort()
    without_gap = len(found) - bisect_left(found, known_from)
    return array("d", found[-min(most, max(TAIL, without_gap)) :])


def _max_of(part: Distribution) -> float:
    return part.max or 0.0


def _merge_details(
    parts: Sequence[Distribution], engine: DigestEngine, kept: int, centroids: int, tail: int
) -> Detail:
    if sum([part.count for part in parts]) <= kept:
        loose = array("d")
        for part in parts:
            if (values := part.values) is None:
                break
            loose += values
        else:
            return Detail(values=array("d", sorted(loose)))
    count = sum([part.count for part in parts])
    top = _merge_tails(parts, min(tail, _reach(count)))
    if any(part.values is None and part.digest is None for part in parts):
        return Detail(tail=top)
    return Detail(tail=top, digest=_merge_digests(parts, engine, centroids))


def merge(
    parts: Iterable[Distribution],
    engine: DigestEngine,
    *,
    kept: int = KEPT_ON_READ,
    centroids: int = 200,
    tail: int = TAIL_ON_READ,
    then: Callable[[Distribution], None] | None = None,
) -> Distribution:
    """Add distributions up; counts, sums, extremes and thresholds stay exact.

    The values are kept while they are `kept` or fewer; past that a digest of `centroids` and the
    exact tail, of `tail` values at most, stand for them. `then` is given the sum once its
    details were put together.
    """
    seen: list[Distribution] = []
    rejected = count = 0
    low, high = math.inf, 0.0
    for part in parts:
        rejected += part.rejected
        if part.min is not None and part.max is not None:
            seen.append(part)
            count += part.count
            low = min(low, part.min)
            high = max(high, part.max)
    if not seen:
        return Distribution(rejected=rejected, values=array("d"))
    if len(seen) == 1 and seen[0].rejected == rejected:
        return seen[0]
    details = partial(_merge_details, seen, engine, kept, centroids, tail)
    return Distribution(
        count=count,
        sum=math.fsum([part.sum for part in seen]),
        min=low,
        max=high,
        rejected=rejected,
        thresholds=partial(_merge_thresholds, seen),
        later=details,
        then=then,
    )
