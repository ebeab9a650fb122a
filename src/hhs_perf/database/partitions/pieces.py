"""The single partitions that a level asks for, and how each meets those that exist."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final, Literal

import attrs

from ...exceptions import DatabaseError
from ..names import quoted_on_postgresql
from .months import literal_of
from .names import literal, slug
from .spec import ByList, ByMonth
from .state import list_of, range_of

if TYPE_CHECKING:
    from .months import Month
    from .spec import Level
    from .state import Partition, PartitionedTable, Relation

__all__ = ["Match", "Piece", "check_level", "default_piece", "pieces_of"]

_DATES: Final = ("date", "timestamp without time zone", "timestamp with time zone")

Match = Literal["same", "covered", "overlap", "apart"]


@attrs.frozen(kw_only=True)
class Piece:
    """One partition to be: its bound, the rows that belong to it, the end of its name.

    PostgreSQL pads the values of a `padded` one with spaces.
    """

    bound: str
    condition: str
    suffix: str
    value: str
    what: str
    span: tuple[dt.datetime, dt.datetime] | None = None
    padded: bool = False

    def meets(self, partition: Partition) -> Match:
        """Compare it with a partition that exists."""
        if self.span is None:
            values = list_of(partition.bound) or frozenset()
            if self.padded:
                values = frozenset(value.rstrip(" ") for value in values)
            return "same" if self.value in values else "apart"
        taken = range_of(partition.bound)
        if taken is None or taken[1] <= self.span[0] or self.span[1] <= taken[0]:
            return "apart"
        if taken == self.span:
            return "same"
        return "covered" if taken[0] <= self.span[0] and self.span[1] <= taken[1] else "overlap"


def default_piece() -> Piece:
    """Give the partition of all other rows."""
    return Piece(
        bound="DEFAULT", condition="", suffix="default", value="", what="rows of no other partition"
    )


def check_level(relation: Relation, level: Level, types: dict[str, str]) -> None:
    """Raise `DatabaseError` unless `relation` is partitioned as `level` says."""
    wanted = "range" if isinstance(level, ByMonth) else "list"
    if relation.strategy != wanted or relation.key != (level.column,):
        key = ", ".join("an expression" if each is None else each for each in relation.key)
        raise DatabaseError(
            f"{relation.name} is partitioned by {relation.strategy} ({key}), "
            f"not by {wanted} ({level.column})"
        )
    if isinstance(level, ByMonth) and types[level.column] not in _DATES:
        raise DatabaseError(
            f"months need a column of dates or timestamps, and {level.column} is "
            f"{types[level.column]}"
        )


def pieces_of(
    level: Level, table: PartitionedTable, months: tuple[Month, Month]
) -> tuple[Piece, ...]:
    """Give the partitions that a level asks for, months from the first to the last given."""
    kind = table.facts.types[level.column]
    column = quoted_on_postgresql(level.column)
    if isinstance(level, ByList):
        padded = kind == "character"
        return tuple(_of_value(each, column, padded=padded) for each in level.values)
    first, last = months
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    zone = level.zone if kind == "timestamp with time zone" else dt.UTC
    return tuple(_of_month(first.plus(n), column, kind, zone) for n in range(count))


def _of_value(value: str, column: str, *, padded: bool) -> Piece:
    return Piece(
        bound=f"FOR VALUES IN ({literal(value)})",
        condition=f"{column} = {literal(value)}",
        suffix=slug(value),
        value=value,
        padded=padded,
        what=f"rows of {value}",
    )


def _of_month(month: Month, column: str, kind: str, zone: dt.tzinfo) -> Piece:
    span = (month.starts(zone), month.plus(1).starts(zone))
    low, high = (literal_of(each, kind) for each in span)
    return Piece(
        bound=f"FOR VALUES FROM ({low}) TO ({high})",
        condition=f"{column} >= {low} AND {column} < {high}",
        suffix=f"{month.year:04}_{month.month:02}",
        value=str(month),
        what=f"rows of {month}",
        span=span,
    )
