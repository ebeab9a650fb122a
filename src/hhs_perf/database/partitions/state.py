"""The partitions that a table has, as values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from .months import instant_of

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["Partition", "PartitionedTable", "Relation", "TableFacts", "list_of", "range_of"]

_RANGE: Final = re.compile(r"FOR VALUES FROM \((.+)\) TO \((.+)\)", re.DOTALL)
_LIST: Final = re.compile(r"FOR VALUES IN \((.*)\)", re.DOTALL)
_LITERAL: Final = re.compile(r"'((?:[^']|'')*)'|([^\s,']+)", re.DOTALL)


def range_of(bound: str | None) -> tuple[dt.datetime, dt.datetime] | None:
    """Read `FOR VALUES FROM (…) TO (…)` of one date; None for any other bound."""
    found = _RANGE.fullmatch(bound or "")
    if found is None:
        return None
    low, high = map(instant_of, found.groups())
    return None if low is None or high is None else (low, high)


def list_of(bound: str | None) -> frozenset[str] | None:
    """Read `FOR VALUES IN (…)` as texts; None for any other bound. NULL is no value."""
    found = _LIST.fullmatch(bound or "")
    if found is None:
        return None
    values = set()
    for text, bare in _LITERAL.findall(found[1]):
        if bare != "NULL":
            values.add(bare or text.replace("''", "'"))
    return frozenset(values)


@attrs.frozen(kw_only=True)
class Relation:
    """What a table and each of its partitions have in common.

    `strategy` and `key` say how it is partitioned itself: `range`, `list` or `hash`, and the
    columns, where None stands for an expression. `strategy` is None for one that holds rows.
    """

    name: str
    schema: str
    strategy: str | None = None
    key: tuple[str | None, ...] = ()
    partitions: tuple[Partition, ...] = ()

    @property
    def default(self) -> Partition | None:
        """The partition that takes what no other one takes."""
        return next((each for each in self.partitions if each.bound == "DEFAULT"), None)


@attrs.frozen(kw_only=True)
class Partition(Relation):
    """One partition, with its bound as PostgreSQL writes it.

    `pending` is one whose detaching was interrupted. `delete_triggers` are those that moving rows
    out of it would fire.
    """

    bound: str
    pending: bool = False
    delete_triggers: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class TableFacts:
    """What else there is to know of a table.

    Args:
        types: The type of each column, as PostgreSQL names it.
        stored: The columns that a row is copied by: all but the generated ones.
        referenced_by: Foreign keys of other tables that point to it.
        taken: Every name in use in its schema.
        version: That of the server, such as `(18, 6)`.
    """

    types: dict[str, str]
    stored: tuple[str, ...]
    referenced_by: tuple[str, ...] = ()
    taken: frozenset[str] = frozenset()
    version: tuple[int, ...] = (18,)


@attrs.frozen(kw_only=True)
class PartitionedTable(Relation):
    """A table with all of its partitions, whatever their depth."""

    facts: TableFacts

    @property
    def leaves(self) -> tuple[Partition, ...]:
        """The partitions that hold rows."""
        return _leaves(self)


def _leaves(relation: Relation) -> tuple[Partition, ...]:
    found: list[Partition] = []
    for each in relation.partitions:
        found += [each] if each.strategy is None else _leaves(each)
    return tuple(found)
