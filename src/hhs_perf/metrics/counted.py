"""Exact counts at the levels that somebody judges by."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["NOTHING_COUNTED", "Comparison", "Counted", "Holding", "Threshold", "count_holding"]

Comparison = Literal["<", "<="]
Threshold = tuple[Comparison, float]


class Holding(NamedTuple):
    """How many observations satisfy a comparison, and of how many that is known."""

    holding: int
    of: int


def count_holding(values: Sequence[float], threshold: Threshold) -> int:
    """Count the sorted values that satisfy `threshold`."""
    comparison, level = threshold
    return bisect_left(values, level) if comparison == "<" else bisect_right(values, level)


class Counted(Mapping[Threshold, Holding]):
    """Thresholds with what holds at each.

    Columns, not a dictionary: a read makes thousands, and adds them up column by column.
    """

    __slots__ = ("holding", "of", "thresholds")

    def __init__(
        self, thresholds: tuple[Threshold, ...], holding: Iterable[int], of: Iterable[int]
    ) -> None:
        self.thresholds = thresholds
        self.holding = tuple(holding)
        self.of = tuple(of)

    @classmethod
    def copy_of(cls, counted: Mapping[Threshold, Holding]) -> Counted:
        """Give `counted` itself where it is of this class, else the same in columns."""
        if type(counted) is cls:
            return counted
        known = counted.values()
        return cls(tuple(counted), [each.holding for each in known], [each.of for each in known])

    @classmethod
    def in_all(cls, values: Sequence[float], thresholds: tuple[Threshold, ...]) -> Counted:
        """Count anew among sorted values."""
        holding = [count_holding(values, threshold) for threshold in thresholds]
        return cls(thresholds, holding, [len(values)] * len(thresholds))

    @classmethod
    def sum_of(cls, parts: Sequence[Counted]) -> Counted:
        """Add up; what some do not know is missing in `of`."""
        first = parts[0].thresholds
        if all(part.thresholds == first for part in parts):
            columns = zip(*[part.holding for part in parts], strict=True)
            among = zip(*[part.of for part in parts], strict=True)
            return cls(first, tuple(map(sum, columns)), tuple(map(sum, among)))
        sums = {threshold: [0, 0] for threshold in cls.union(parts)}
        for part in parts:
            for threshold, held, n in part.rows():
                sums[threshold][0] += held
                sums[threshold][1] += n
        return cls(tuple(sums), [held for held, _ in sums.values()], [n for _, n in sums.values()])

    @staticmethod
    def union(parts: Iterable[Counted]) -> tuple[Threshold, ...]:
        """Give all thresholds that the parts know."""
        found: dict[Threshold, None] = {}
        last: tuple[Threshold, ...] = ()
        for part in parts:
            if part.thresholds != last:  # comparing is cheap, hashing is not
                last = part.thresholds
                found.update(dict.fromkeys(last))
        return tuple(found)

    def rows(self) -> Iterator[tuple[Threshold, int, int]]:
        """Give each threshold with how many hold, of how many."""
        return zip(self.thresholds, self.holding, self.of, strict=True)

    def is_about(self, thresholds: tuple[Threshold, ...], count: int) -> bool:
        """Tell whether these very thresholds were counted among all of `count` observations."""
        return self.thresholds == thresholds and self.of == (count,) * len(thresholds)

    def __getitem__(self, threshold: Threshold) -> Holding:
        """Give what holds; raises KeyError where nobody counted."""
        try:
            at = self.thresholds.index(threshold)
        except ValueError:
            raise KeyError(threshold) from None
        return Holding(self.holding[at], self.of[at])

    def __iter__(self) -> Iterator[Threshold]:
        return iter(self.thresholds)

    def __len__(self) -> int:
        return len(self.thresholds)

    def __repr__(self) -> str:
        return repr(dict(self))


NOTHING_COUNTED = Counted((), (), ())
