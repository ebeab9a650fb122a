"""Indexes that another one of the same table makes superfluous."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import attrs

from .migration import drop_sql
from .report import IndexWaste

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Dialect

__all__ = ["ListedIndex", "superfluous"]


@attrs.frozen(kw_only=True)
class ListedIndex:
    """An index as the catalogue lists it.

    `parts` tell all that matters of each column in turn: which, its operators, collation and
    order. `included` are columns that are carried along only. What `differs` must be equal for two
    indexes to be compared at all: method, predicate, expressions. One that `is_needed` belongs to
    a key or constraint, or to an index of a partitioned table.
    """

    table: str
    schema: str | None
    name: str
    is_unique: bool
    is_needed: bool
    parts: tuple[tuple[object, ...], ...]
    included: tuple[object, ...] = ()
    differs: tuple[object, ...] = ()
    is_ordered: bool = True
    size: int | None = None
    scans: int | None = None


def superfluous(dialect: Dialect, indexes: Iterable[ListedIndex]) -> Iterator[IndexWaste]:
    """Give the indexes whose every reader could use another one as well."""
    listed = sorted(indexes, key=lambda one: (one.schema or "", one.table, one.name))
    for _, group in groupby(listed, key=lambda one: (one.schema, one.table)):
        alike = list(group)
        for index in alike:
            other = next((one for one in alike if _replaces(one, index)), None)
            if other is None:
                continue
            is_duplicate = len(other.parts) == len(index.parts)
            yield IndexWaste(
                table=index.table,
                schema=index.schema,
                name=index.name,
                kind="duplicate" if is_duplicate else "redundant",
                other=other.name,
                shared=len(index.parts),
                scans=index.scans,
                size=index.size,
                reason=(
                    f"{other.name} is alike"
                    if is_duplicate
                    else f"{other.name} begins with the same columns"
                ),
                sql=drop_sql(dialect, index.name, index.schema),
            )


def _replaces(other: ListedIndex, index: ListedIndex) -> bool:
    if other.name == index.name or index.is_needed or other.differs != index.differs:
        return False
    if other.parts == index.parts:
        if set(index.included) - set(other.included):
            return False
        # Of two alike ones the one that a key needs stays, then the stricter, then the wider.
        return _rank(other) < _rank(index)
    if index.is_unique or index.included or not index.is_ordered:
        return False
    return other.parts[: len(index.parts)] == index.parts


def _rank(index: ListedIndex) -> tuple[object, ...]:
    return (not index.is_needed, not index.is_unique, -len(index.included), index.name)
