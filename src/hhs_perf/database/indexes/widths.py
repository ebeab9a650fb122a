"""How long the values of columns are: PostgreSQL's B-tree takes none over a third of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..asking import rows_of
from ..names import for_text, quoted
from .asking import attempt

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.schema import Table

    from .asking import Notes
    from .gate import Choice

__all__ = ["LONGEST", "WIDEST", "Widths"]

WIDEST: Final = 500.0
"""Bytes of a column's values on average above which no index is advised that was not tried."""
LONGEST: Final = 2700
"""Bytes of an entry that PostgreSQL's B-tree takes, roughly."""
_SAMPLE: Final = 1000


@attrs.frozen(kw_only=True)
class _Width:
    average: float
    longest: int


class Widths:
    """Asks pg_stats, and 1,000 rows: of long values kept apart, pg_stats counts the pointers."""

    def __init__(self, connection: Connection, notes: Notes) -> None:
        self._connection = connection
        self._notes = notes
        self._known: dict[tuple[str, str], _Width | None] = {}

    def too_wide(self, choice: Choice) -> str | None:
        """Say why an index is not for such values; None where it is, as far as is known."""
        total = 0.0
        for column in choice.columns:
            width = self._width(choice.table, column)
            if width is None:
                continue
            if width.longest > LONGEST:
                return (
                    f"a value of {column} has {width.longest:,} bytes:"
                    f" PostgreSQL's limit is about {LONGEST:,}"
                )
            total += width.average
        if total <= WIDEST:
            return None
        return (
            f"its values have {total:,.0f} bytes on average:"
            f" PostgreSQL's limit is about {LONGEST:,} for each"
        )

    def _width(self, table: Table, column: str) -> _Width | None:
        path = quoted(self._connection.dialect, table.schema, table.name)
        key = (path, column)
        if key not in self._known:
            ask = f"how long the values of {path}.{column} are is"
            self._known[key] = attempt(
                self._connection, self._notes, ask, lambda: self._ask(path, column)
            )
        return self._known[key]

    def _ask(self, path: str, column: str) -> _Width:
        stated = rows_of(
            self._connection,
            "SELECT max(s.avg_width) FROM pg_stats s, pg_class c, pg_namespace n"
            " WHERE c.oid = to_regclass(:path) AND n.oid = c.relnamespace"
            " AND s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = :name",
            path=path,
            name=column,
        )
        name = quoted(self._connection.dialect, column)
        rows = f"(SELECT {name} AS value FROM {path} LIMIT {_SAMPLE}) AS first_rows"  # noqa: S608 - quoted
        sizes = f"SELECT avg(pg_column_size(value)), max(pg_column_size(value)) FROM {rows}"  # noqa: S608 - as before
        [(average, longest)] = rows_of(self._connection, for_text(sizes))
        return _Width(
            average=max(float(stated[0][0] or 0), float(average or 0)), longest=longest or 0
        )
