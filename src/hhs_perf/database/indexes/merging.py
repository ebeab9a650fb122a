"""Wishes for indexes, made into as few indexes as serve them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs

from .migration import alembic_line, create_sql, index_name
from .report import IndexAdvice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Dialect

    from ..lines import Line
    from ..seen.slow import SlowStatement
    from .existing import ForeignKey
    from .gate import Choice

__all__ = ["Wish", "merge"]


@attrs.frozen(kw_only=True)
class Wish:
    """An index that one statement, or one foreign key, asks for."""

    table: str
    schema: str | None
    columns: tuple[str, ...]
    reason: str
    statement: str | None = None
    line: Line | None = None
    gain: float | None = None
    proof: str | None = None
    rows: float | None = None
    prefixes: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        choice: Choice,
        slow: SlowStatement,
        *,
        gain: float | None = None,
        proof: str | None = None,
    ) -> Self:
        """Make the wish of a statement."""
        schema = choice.table.schema
        # SQLAlchemy's names may be of a class of its own, which does not go into JSON.
        return cls(
            table=str(choice.table.name),
            schema=None if schema is None else str(schema),
            columns=tuple(map(str, choice.columns)),
            reason=choice.reason,
            statement=slow.key,
            line=slow.line,
            gain=gain,
            proof=proof,
            rows=choice.rows,
            prefixes=choice.prefixes,
        )

    @classmethod
    def of_key(cls, key: ForeignKey, rows: float | None) -> Self:
        """Make the wish of a foreign key."""
        reason = (
            f"a foreign key to {key.target} without an index: each delete there, and each join"
            " from there, reads the whole table"
        )
        return cls(
            table=key.table, schema=key.schema, columns=key.columns, reason=reason, rows=rows
        )


def merge(dialect: Dialect, wishes: Iterable[Wish]) -> tuple[IndexAdvice, ...]:
    """Merge wishes: one index stands for those whose columns begin it, and for the same ones.

    The advice with the largest proven gain comes first, then that of the largest table; foreign
    keys that no statement asks for come last.
    """
    by_table: dict[tuple[str, str], list[Wish]] = {}
    for wish in wishes:
        by_table.setdefault((wish.schema or "", wish.table), []).append(wish)
    advice = [
        _advice(dialect, group) for key in sorted(by_table) for group in _groups(by_table[key])
    ]
    return tuple(
        sorted(
            advice, key=lambda one: (one.kind == "foreign_key", -(one.gain or 0), -(one.rows or 0))
        )
    )


def _groups(wishes: list[Wish]) -> list[list[Wish]]:
    groups: list[list[Wish]] = []
    for wish in sorted(
        wishes, key=lambda one: (-len(one.columns), one.columns, one.statement or "~")
    ):
        for group in groups:
            if group[0].columns[: len(wish.columns)] == wish.columns and not (
                wish.prefixes - group[0].prefixes
            ):
                group.append(wish)
                break
        else:
            groups.append([wish])
    return groups


def _advice(dialect: Dialect, group: list[Wish]) -> IndexAdvice:
    first = group[0]
    asking = [wish for wish in group if wish.statement is not None]
    said = asking[0] if asking else first
    table, schema, columns, prefixes = first.table, first.schema, first.columns, first.prefixes
    name = index_name(table, columns)
    shown = prefixes if dialect.name == "postgresql" else frozenset[str]()
    gains = [wish.gain for wish in asking if wish.gain is not None]
    return IndexAdvice(
        table=table,
        schema=schema,
        columns=columns,
        kind="query" if asking else "foreign_key",
        name=name,
        reason="; ".join(
            dict.fromkeys((said.reason, *(one.reason for one in group if one.statement is None)))
        ),
        statements=tuple(dict.fromkeys(wish.statement for wish in asking if wish.statement)),
        line=next((wish.line for wish in asking if wish.line is not None), None),
        gain=max(gains) if gains else None,
        proof=None if gains else next((wish.proof for wish in asking if wish.proof), None),
        rows=None if first.rows is None else round(first.rows),
        migration=alembic_line(name, table, schema, columns, shown),
        sql=create_sql(dialect, name, table, schema, columns, prefixes=shown),
    )
