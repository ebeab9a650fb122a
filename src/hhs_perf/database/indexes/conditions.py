"""The conditions of a WHERE or ON that an index on one column can serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs
from sqlalchemy.schema import Column, Table
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.annotation import Annotated
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ColumnClause,
    Grouping,
)
from sqlalchemy.sql.selectable import Alias, FromClause, SelectBase, TableSample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.sql import ClauseElement
    from sqlalchemy.sql.elements import ColumnElement

__all__ = ["Condition", "ConditionKind", "bare", "column_of", "conditions", "named_table"]

ConditionKind = Literal["equality", "range", "prefix", "join"]
"""`equality` includes IN and IS NULL; `join` compares with a column of another table."""

_EQUALITIES = frozenset({operators.eq, operators.in_op})
_RANGES = frozenset({operators.lt, operators.le, operators.gt, operators.ge, operators.between_op})
_MIRRORED = _RANGES - {operators.between_op} | {operators.eq}
_WILDCARDS = "%_"


@attrs.frozen(kw_only=True, eq=False)
class Condition:
    """What a statement asks of one column.

    `source` is the table or alias that the column belongs to in this statement, `predicate` the
    whole comparison, `other` what a `join` compares with: a table or alias, None for the rows of
    a subquery.
    """

    source: FromClause
    column: Column[Any]
    kind: ConditionKind
    predicate: ColumnElement[Any]
    other: FromClause | None = None


def named_table(source: object) -> Table | None:
    """Give the table that is read directly or under another name; None for a subquery."""
    if isinstance(source, Table):
        return source
    if isinstance(source, Alias | TableSample):
        return named_table(source.element)
    return None


def column_of(element: object) -> tuple[FromClause, Column[Any]] | None:
    """Give where a bare column comes from, and the column as its table defines it.

    None for anything else: an expression, a function of a column, a column of a subquery.
    """
    while isinstance(element, Grouping):
        element = element.element
    if not isinstance(element, ColumnClause) or element.table is None:
        return None
    source = bare(element.table)
    table = named_table(source)
    if table is None:
        return None
    for column in table.columns:
        if column.name == element.name:
            return source, column
    return None


def bare(source: FromClause) -> FromClause:
    """Give what the ORM's annotated copy of a table or alias was made from."""
    while isinstance(source, Annotated):
        source = source._deannotate()  # noqa: SLF001 - the ORM's own copies
    return source


def conditions(clause: object) -> Iterator[Condition]:
    """Give the conditions that all must hold for a row.

    Branches of an OR count where every one of them asks for values of one and the same column,
    which is an IN. An OR over several columns, a NOT, a comparison of an expression (`lower(x)`,
    a cast, a collation) and LIKE with a wildcard in front give nothing: no index of plain columns
    serves them.
    """
    while isinstance(clause, Grouping):
        clause = clause.element
    if clause is None:
        return
    if isinstance(clause, BooleanClauseList):
        if clause.operator is operators.and_:
            for part in clause.clauses:
                yield from conditions(part)
        elif clause.operator is operators.or_:
            yield from _one_column(clause)
    elif isinstance(clause, BinaryExpression):
        yield from _comparison(clause)


def _one_column(clause: BooleanClauseList) -> Iterator[Condition]:
    branches = [list(conditions(part)) for part in clause.clauses]
    if not all(len(found) == 1 and found[0].kind == "equality" for found in branches):
        return
    first = branches[0][0]
    if all(
        found[0].column is first.column and found[0].source is first.source for found in branches
    ):
        yield attrs.evolve(first, predicate=clause)


def _comparison(clause: BinaryExpression[Any]) -> Iterator[Condition]:
    sides = [(clause.left, clause.right)]
    if clause.operator in _MIRRORED:
        sides.append((clause.right, clause.left))
    for side, other in sides:
        found = column_of(side)
        if found is None:
            continue
        condition = _condition(clause, *found, other)
        if condition is not None:
            yield condition


def _condition(
    clause: BinaryExpression[Any], source: FromClause, column: Column[Any], other: ClauseElement
) -> Condition | None:
    kind = _kind(clause, other)
    if kind is None:
        return None
    made = Condition(source=source, column=column, kind=kind, predicate=clause)
    if isinstance(other, SelectBase) or (hasattr(other, "element") and _holds_select(other)):
        # Rows of a subquery: how many is for the plan to know.
        return attrs.evolve(made, kind="join") if kind == "equality" else None
    compared = [found for part in visitors.iterate(other) if (found := column_of(part))]
    if not compared:
        return made
    if kind != "equality" or any(origin is source for origin, _ in compared):
        return None
    return attrs.evolve(made, kind="join", other=compared[0][0])


def _holds_select(element: ClauseElement) -> bool:
    return any(isinstance(part, SelectBase) for part in visitors.iterate(element))


def _kind(clause: BinaryExpression[Any], other: object) -> ConditionKind | None:
    operator = clause.operator
    if operator in _EQUALITIES or (operator is operators.is_ and _is_null(other)):
        return "equality"
    if operator in _RANGES:
        return "range"
    if operator is operators.startswith_op:
        return "prefix"
    if operator is operators.like_op and isinstance(other, BindParameter):
        value = other.value
        return "prefix" if isinstance(value, str) and value[:1] not in ("", *_WILDCARDS) else None
    return None


def _is_null(element: object) -> bool:
    return getattr(element, "__visit_name__", None) == "null"
