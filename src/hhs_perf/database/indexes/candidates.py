"""What an index could serve in a statement: read from SQLAlchemy's own tree of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.dml import Delete, Update
from sqlalchemy.sql.elements import BindParameter, TextClause, UnaryExpression
from sqlalchemy.sql.selectable import (
    Alias,
    CompoundSelect,
    FromClause,
    Join,
    Select,
    SelectBase,
)

from .conditions import Condition, bare, column_of, conditions, named_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.schema import Column, Table
    from sqlalchemy.sql import ClauseElement
    from sqlalchemy.sql.elements import ColumnElement

__all__ = ["Access", "accesses", "core_of"]

_MOST = 50
_ORDERS = frozenset({operators.asc_op, operators.desc_op})


@attrs.frozen(kw_only=True, eq=False)
class Access:
    """How one part of a statement reads one table.

    `source` is the table or alias as it stands there, `name` the alias, None where there is none
    or SQLAlchemy makes one up. `sort` holds the columns of an ORDER BY with a LIMIT where this
    table alone is read. `is_restricted` tells whether the rows that a join brings are few, as far
    as the text says: other tables of the same part carry conditions, or the part runs once for
    each row of an outer one.
    """

    source: FromClause
    table: Table
    name: str | None
    conditions: tuple[Condition, ...]
    sort: tuple[Column[Any], ...] = ()
    limit: int | None = None
    is_restricted: bool = False


def core_of(clause: ClauseElement, dialect: Dialect) -> ClauseElement:
    """Give the statement that the ORM makes of its own; a Core statement as it is."""
    attributes = getattr(clause, "_propagate_attrs", {})
    if not isinstance(clause, Select | CompoundSelect | Update | Delete):
        return clause
    if attributes.get("compile_state_plugin") != "orm":
        return clause
    state = clause.compile(dialect=dialect).compile_state
    made = getattr(state, "statement", None)
    return made if made is not None else clause


def accesses(clause: ClauseElement) -> tuple[Access, ...] | None:
    """Give every reading of a table that has conditions or an order; None for a textual statement.

    Joins, aliases, common table expressions, unions and subqueries wherever they stand are walked.
    """
    if isinstance(clause, TextClause):
        return None
    found: list[Access] = []
    _walk(clause, (), found, set())
    return tuple(found[:_MOST])


def _walk(
    clause: ClauseElement, outer: Sequence[FromClause], found: list[Access], seen: set[int]
) -> None:
    """Add the readings of `clause` and of what stands in it; `outer` is what it may refer to."""
    if id(clause) in seen:
        return
    seen.add(id(clause))
    part: _Part | None = None
    if isinstance(clause, Select):
        froms = clause.get_final_froms()
        part = _Part(froms, clause.whereclause, outer)
        found.extend(part.accesses(_sort(clause), _limit(clause)))
        _walk_in(froms, (), found, seen)
    elif isinstance(clause, Update | Delete):
        part = _Part([clause.table], clause.whereclause, outer)
        found.extend(part.accesses((), None))
    sources = outer if part is None else (*outer, *part.sources)
    _walk_in(clause.get_children(), sources, found, seen)


def _walk_in(
    elements: Iterable[Any], outer: Sequence[FromClause], found: list[Access], seen: set[int]
) -> None:
    for element in elements:
        for inner in visitors.iterate(element):
            if isinstance(inner, SelectBase):
                _walk(inner, outer, found, seen)


class _Part:
    """A SELECT's FROM and WHERE, or those of an UPDATE or DELETE."""

    def __init__(
        self,
        froms: Iterable[FromClause],
        where: ColumnElement[Any] | None,
        outer: Sequence[FromClause],
    ) -> None:
        sources: list[FromClause] = []
        clauses: list[Any] = [where]
        for source in froms:
            _take(source, sources, clauses)
        # SQLAlchemy leaves out of a subquery's FROM what the statement around it reads.
        own = [source for source in sources if not any(source is other for other in outer)]
        self.sources = own or sources
        self.conditions = [found for clause in clauses for found in conditions(clause)]

    def accesses(self, sort: tuple[ColumnElement[Any], ...], limit: int | None) -> Iterator[Access]:
        """Give the readings of this part alone."""
        for source in self.sources:
            table = named_table(source)
            if table is None:
                continue
            mine = tuple(found for found in self.conditions if found.source is source)
            ordered = _columns_of(source, sort) if len(self.sources) == 1 else ()
            if mine or ordered:
                yield Access(
                    source=source,
                    table=table,
                    name=_name(source),
                    conditions=mine,
                    sort=ordered,
                    limit=limit,
                    is_restricted=self._is_restricted(source),
                )

    def _is_restricted(self, source: FromClause) -> bool:
        return any(
            self._is_foreign(found.other) if found.source is source else True
            for found in self.conditions
            if (found.kind == "join") is (found.source is source)
        )

    def _is_foreign(self, other: FromClause | None) -> bool:
        """Tell whether a row of a statement around this one is compared with, or a subquery's."""
        return other is None or not any(other is source for source in self.sources)


def _take(source: Any, sources: list[FromClause], clauses: list[Any]) -> None:
    """Take a FROM apart: tables and aliases to `sources`, the ON of its joins to `clauses`."""
    if isinstance(source, Join):
        _take(source.left, sources, clauses)
        _take(source.right, sources, clauses)
        clauses.append(source.onclause)
    else:
        sources.append(bare(source))


def _name(source: FromClause) -> str | None:
    if not isinstance(source, Alias):
        return None
    name = str(source.name)
    # An anonymous alias is "%(1234 table)s" until it is compiled.
    return None if name.startswith("%(") else name


def _limit(clause: Select[Any]) -> int | None:
    limit = clause._limit_clause  # noqa: SLF001 - there is no public way
    if limit is None:
        return None
    return limit.value if isinstance(limit, BindParameter) and isinstance(limit.value, int) else 1


def _sort(clause: Select[Any]) -> tuple[Any, ...]:
    """Give the columns of ORDER BY where the order decides which rows come, all one way."""
    if clause._limit_clause is None or clause._group_by_clauses or clause._distinct:  # noqa: SLF001
        return ()
    columns: list[Any] = []
    ways: set[bool] = set()
    for element in clause._order_by_clauses:  # noqa: SLF001 - likewise
        is_descending = False
        plain: Any = element
        if isinstance(plain, UnaryExpression):
            if plain.modifier not in _ORDERS:
                return ()
            is_descending = plain.modifier is operators.desc_op
            plain = plain.element
        ways.add(is_descending)
        columns.append(plain)
    return tuple(columns) if len(ways) == 1 else ()


def _columns_of(source: FromClause, elements: Iterable[Any]) -> tuple[Column[Any], ...]:
    columns = []
    for element in elements:
        found = column_of(element)
        if found is None or found[0] is not source:
            return ()
        columns.append(found[1])
    return tuple(columns)
