"""Adding distributions up: slots to windows, series to totals."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from functools import partial
from typing import TYPE_CHECKING, Final

from .counted import Counted, Threshold
from .distribution import TAIL, Detail, Distribution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .digest import Digest, DigestEngine

__all__ = ["KEPT_ON_READ", "TAIL_ON_READ", "merge"]

KEPT_ON_READ: Final = 4096
"""While a window has so many values or fewer, and its slots kept them, its quantiles are exact."""
TAIL_ON_READ: Final = 1024
"""So many at most are known when slots are merged: p95 of 20,000 values is the 1,001st largest."""
_AT_ONCE: Final = 2048
"""A digest takes values in runs of about so many: longer ones cost more to sort than they save."""


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
