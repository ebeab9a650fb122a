"""Which columns are worth an index, as far as plan and statistics tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression
from sqlalchemy.types import JSON, LargeBinary

if TYPE_CHECKING:
    from sqlalchemy.schema import Column, Table

    from ..plans import Plan, Scan
    from .candidates import Access
    from .conditions import Condition
    from .statistics import Statistics

__all__ = ["FEWEST_ROWS", "Choice", "choose", "is_scanned"]

FEWEST_ROWS: Final = 1000
"""Rows that a table must have for an index to be advised."""
_FEWEST_VALUES: Final = 20
_LARGEST_SHARE: Final = 0.1
_RARE_SHARE: Final = 0.01
_FEW_ROWS: Final = 20
_MOST_COLUMNS: Final = 3
_LEAST_SHOWN: Final = 0.0001


@attrs.frozen(kw_only=True, eq=False)
class Choice:
    """An index that promises to help: its columns in order, and why.

    `prefixes` are the columns that LIKE reads from their beginning: PostgreSQL's index needs
    another order of text for it than the database's language may have.
    """

    table: Table
    columns: tuple[str, ...]
    rows: float
    prefixes: frozenset[str] = frozenset()
    reason: str


@attrs.frozen(kw_only=True, eq=False)
class _Weighed:
    condition: Condition
    share: float
    is_selective: bool


def is_scanned(access: Access, plan: Plan) -> bool:
    """Tell whether the plan reads the whole table for this access, or builds an index for it."""
    return any(_is_of(scan, access) for scan in plan.scans if scan.kind in {"seq", "automatic"})


def _is_of(scan: Scan, access: Access) -> bool:
    table, name = access.table, access.name
    if scan.schema is not None and table.schema is not None and scan.schema != table.schema:
        return False
    known = {scan.table, scan.alias}
    if name is not None:
        return name in known
    # Aliases that SQLAlchemy makes up are numbered, as PostgreSQL's of partitions are.
    numbered = re.compile(re.escape(table.name) + r"_\d+")
    return table.name in known or any(numbered.fullmatch(said) for said in known if said)


def choose(access: Access, statistics: Statistics) -> Choice | None:
    """Choose the columns of an index for `access`; None where none is worth it.

    Equalities come first, the most selective of them foremost, and no more than it takes to come
    down to a few rows; then one range, or the order that a LIMIT cuts. A condition counts where it
    picks a tenth of the rows at most and its column has twenty values, or where it picks a
    hundredth; one without a known value, as a join's, by its number of values, and only where few
    rows of the other side ask. A table needs a thousand rows.
    """
    rows = statistics.rows(access.table)
    if rows is None or rows < FEWEST_ROWS:
        return None
    weighed = [found for one in access.conditions if (found := _weigh(one, access, statistics))]
    equalities = _best_by_column(weighed, {"equality", "join"})
    ranges = _best_by_column(weighed, {"range", "prefix"})
    selective = [found for found in equalities if found.is_selective]
    chosen: list[_Weighed] = []
    left = rows
    for found in selective[:_MOST_COLUMNS]:
        if chosen and left <= _FEW_ROWS:
            break
        chosen.append(found)
        left *= found.share
    columns = [found.condition.column for found in chosen]
    sort: tuple[Column[Any], ...] = ()
    if chosen:
        if left > max(_FEW_ROWS, access.limit or 0):
            used = next((found for found in ranges if found.condition.kind == "range"), None)
            sort = access.sort or ((used.condition.column,) if used else ())
    elif ranges and ranges[0].is_selective:
        chosen = ranges[:1]
        columns = [chosen[0].condition.column]
    elif access.sort:
        # Not selective, but with them in front the order needs no filter.
        columns = [one.condition.column for one in equalities if _is_single(one.condition)][:2]
        sort = access.sort
    columns = list(dict.fromkeys((*columns, *sort)))
    if not columns or any(isinstance(one.type, JSON | LargeBinary) for one in columns):
        return None
    return Choice(
        table=access.table,
        columns=tuple(column.name for column in columns),
        rows=rows,
        prefixes=frozenset(
            found.condition.column.name for found in chosen if found.condition.kind == "prefix"
        ),
        reason=_reason(rows, chosen, bool(sort)),
    )


def _best_by_column(weighed: list[_Weighed], kinds: set[str]) -> list[_Weighed]:
    best: dict[str, _Weighed] = {}
    for found in weighed:
        name = found.condition.column.name
        if found.condition.kind in kinds and (name not in best or found.share < best[name].share):
            best[name] = found
    return sorted(best.values(), key=lambda found: (found.share, found.condition.column.name))


def _weigh(condition: Condition, access: Access, statistics: Statistics) -> _Weighed | None:
    if condition.kind == "prefix" and not statistics.serves_prefixes:
        return None
    values = statistics.distinct(access.table, condition.column)
    if condition.kind == "join":
        if not access.is_restricted or not values:
            return None
        return _Weighed(
            condition=condition, share=1 / values, is_selective=values >= _FEWEST_VALUES
        )
    share = statistics.share(condition)
    if share is None:
        if condition.kind != "equality" or not values:
            return None
        share = 1 / values
    elif condition.kind == "equality" and values and share <= statistics.finest:
        share = 1 / values
    has_values = values is not None and values >= _FEWEST_VALUES
    return _Weighed(
        condition=condition,
        share=share,
        is_selective=share <= _RARE_SHARE or (share <= _LARGEST_SHARE and has_values),
    )


def _is_single(condition: Condition) -> bool:
    predicate = condition.predicate
    return isinstance(predicate, BinaryExpression) and predicate.operator is operators.eq


def _reason(rows: float, chosen: list[_Weighed], is_sorted: bool) -> str:  # noqa: FBT001 - private
    parts = [f"{found.condition.column.name} picks {_percent(found.share)}" for found in chosen]
    if is_sorted:
        parts.append("the order then comes from the index")
    said = "; ".join(parts)
    return f"the plan reads all of the about {rows:,.0f} rows" + (f"; {said}" if said else "")


def _percent(share: float) -> str:
    return "under 0.01 %" if share < _LEAST_SHOWN else f"about {100 * share:.2f} %"
