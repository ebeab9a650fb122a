"""What was observed: counters that are exact, and a digest for the quantiles between them."""

from __future__ import annotations

import math
from functools import lru_cache
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
    from array import array
    from collections.abc import Callable, Mapping

    from .digest import Digest

__all__ = [
    "KEPT",
    "TAIL",
    "Comparison",
    "Detail",
    "Distribution",
    "Holding",
    "Threshold",
    "count_holding",
    "nearest_rank",
]

KEPT: Final = 256
"""A slot of so many values or fewer keeps them all."""
TAIL: Final = 129
"""So many of the largest values are kept: p99.9 of 128,000 values is the 129th largest."""


class Detail(NamedTuple):
    """What quantiles are read from; see `Distribution`."""

    values: array[float] | None = None
    tail: array[float] | None = None
    digest: Digest | None = None


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
