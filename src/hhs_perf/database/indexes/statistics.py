"""How many rows there are, how many values, and how many rows a condition picks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Select, case, func, literal_column, select, text
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BindParameter

from ..asking import Ours, rows_of
from ..names import for_text, quoted
from ..plans import postgresql
from .asking import attempt
from .gate import FEWEST_ROWS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.schema import Column, Table
    from sqlalchemy.sql import ClauseElement

    from .asking import Notes
    from .conditions import Condition

__all__ = ["PostgreSQLStatistics", "SQLiteStatistics", "Statistics", "statistics_of"]

_BLOCKS = 20
_BLOCK_ROWS = 200
_COUNTED = 10_000
_GOLDEN = (5**0.5 - 1) / 2


class Statistics(Protocol):
    """Answers from the database's own statistics or a small sample; None is unknown."""

    serves_prefixes: bool
    """Whether an index serves LIKE with the beginning of a text."""
    finest: float
    """The least share that `share` can tell from a smaller one."""

    def rows(self, table: Table) -> float | None:
        """Give about how many rows the table has."""
        ...

    def distinct(self, table: Table, column: Column[Any]) -> float | None:
        """Give about how many values the column has."""
        ...

    def share(self, condition: Condition) -> float | None:
        """Give about which part of the rows fulfils the condition, 0 to 1."""
        ...


def statistics_of(connection: Connection, notes: Notes) -> Statistics:
    """Give the statistics of the database that `connection` leads to."""
    kind = PostgreSQLStatistics if connection.dialect.name == "postgresql" else SQLiteStatistics
    return kind(connection, notes)


def _are_known(values_of: ClauseElement) -> bool:
    """Tell whether a value is known for each parameter."""
    return not any(
        isinstance(part, BindParameter) and part.required for part in visitors.iterate(values_of)
    )


class PostgreSQLStatistics:
    """The planner's own: reltuples, pg_stats, and its estimate for a single condition."""

    serves_prefixes = True
    finest = 0.0

    def __init__(self, connection: Connection, notes: Notes) -> None:
        self._connection = connection
        self._notes = notes
        self._rows: dict[str, float | None] = {}
        self._distinct: dict[str, dict[str, float]] = {}

    def _path(self, table: Table) -> str:
        return quoted(self._connection.dialect, table.schema, table.name)

    def rows(self, table: Table) -> float | None:
        """Give reltuples, or the planner's guess from the table's size until it is analyzed."""
        path = self._path(table)
        if path not in self._rows:
            ask = f"the number of rows of {path} is"
            self._rows[path] = attempt(
                self._connection, self._notes, ask, lambda: self._count(path)
            )
        return self._rows[path]

    def _count(self, path: str) -> float | None:
        found = rows_of(
            self._connection,
            "SELECT c.reltuples, row_security_active(c.oid) FROM pg_class c"
            " WHERE c.oid = to_regclass(:path)",
            path=path,
        )
        if not found:
            return None
        tuples, is_secured = found[0]
        if is_secured:
            self._notes.add(
                f"{path} has row security for this role: PostgreSQL hides its statistics"
            )
        if tuples >= 0:
            return float(tuples)
        self._notes.add(f"{path} was never analyzed: its figures are guesses of the planner")
        # Of an empty table the planner takes it that it is about to be filled.
        ask = f"whether {path} is small is"
        few = attempt(self._connection, self._notes, ask, lambda: self._few(path))
        if few is not None and few < FEWEST_ROWS:
            return float(few)
        return self._planned(text(for_text(f"SELECT 1 FROM {path}")))  # noqa: S608 - quoted

    def _few(self, path: str) -> int:
        counted = f"SELECT count(*) FROM (SELECT 1 FROM {path} LIMIT {FEWEST_ROWS}) AS first_rows"  # noqa: S608 - quoted
        [(rows,)] = rows_of(self._connection, for_text(counted))
        return int(rows)

    def _planned(self, statement: ClauseElement) -> float | None:
        answer = self._connection.execute(Ours(statement, postgresql.PREFIX))
        return postgresql.read(answer.scalar_one()).rows

    def distinct(self, table: Table, column: Column[Any]) -> float | None:
        """Give pg_stats' n_distinct, as a number of values."""
        path = self._path(table)
        if path not in self._distinct:
            ask = f"the number of values in the columns of {path} is"
            known = attempt(self._connection, self._notes, ask, lambda: self._values(path))
            if known is not None and not known and (self.rows(table) or 0) > 0:
                self._notes.add(
                    f"pg_stats shows nothing of {path}: never analyzed, or not for this role"
                )
            self._distinct[path] = known or {}
        found = self._distinct[path].get(column.name)
        if found is None or found >= 0:
            return found
        rows = self.rows(table)
        return None if rows is None else -found * rows

    def _values(self, path: str) -> dict[str, float]:
        found = rows_of(
            self._connection,
            "SELECT s.attname, s.n_distinct FROM pg_stats s, pg_class c, pg_namespace n"
            " WHERE c.oid = to_regclass(:path) AND n.oid = c.relnamespace"
            " AND s.schemaname = n.nspname AND s.tablename = c.relname ORDER BY s.inherited",
            path=path,
        )
        return {str(name): float(values) for name, values in found}

    def share(self, condition: Condition) -> float | None:
        """Give the planner's estimate, for the values with which the statement was first made."""
        rows = self.rows(condition.column.table)
        statement: Select[Any] = (
            select(literal_column("1")).select_from(condition.source).where(condition.predicate)
        )
        if not rows or not _are_known(condition.predicate):
            return None
        ask = f"which part of {condition.column.table.name} a condition picks is"
        planned = attempt(self._connection, self._notes, ask, lambda: self._planned(statement))
        return None if planned is None else min(1.0, planned / rows)


class SQLiteStatistics:
    """A sample of at most 4,000 rows, in 20 places of the table: SQLite keeps no statistics."""

    serves_prefixes = False  # its LIKE folds case
    finest = 4 / (_BLOCKS * _BLOCK_ROWS)

    def __init__(self, connection: Connection, notes: Notes) -> None:
        self._connection = connection
        self._notes = notes
        self._samples: dict[str, tuple[float, str] | None] = {}
        self._distinct: dict[tuple[str, str], float | None] = {}

    def _path(self, table: Table) -> str:
        return quoted(self._connection.dialect, table.schema, table.name)

    def rows(self, table: Table) -> float | None:
        """Give the number of rows, exact below 10,000, else as the row ids tell."""
        sample = self._sample(table)
        return None if sample is None else sample[0]

    def _sample(self, table: Table) -> tuple[float, str] | None:
        """Give the number of rows, and a condition that picks the sample."""
        path = self._path(table)
        if path not in self._samples:
            ask = f"the number of rows of {path} is"
            self._samples[path] = attempt(
                self._connection, self._notes, ask, lambda: self._look(path)
            )
        return self._samples[path]

    def _look(self, path: str) -> tuple[float, str]:
        counted = f"SELECT count(*) FROM (SELECT 1 FROM {path} LIMIT {_COUNTED})"  # noqa: S608
        [(rows,)] = rows_of(self._connection, for_text(counted))
        ends = f"SELECT (SELECT min(rowid) FROM {path}), (SELECT max(rowid) FROM {path})"  # noqa: S608
        [(first, last)] = rows_of(self._connection, for_text(ends))
        if rows <= _BLOCKS * _BLOCK_ROWS:
            return float(rows), "1"
        span = last - first + 1
        # At even distances, columns that repeat evenly would show the same values again and again.
        places = (first + int(span * (i * _GOLDEN % 1)) for i in range(_BLOCKS))
        blocks = (
            f"SELECT * FROM (SELECT rowid FROM {path} WHERE rowid >= {place}"  # noqa: S608
            f" ORDER BY rowid LIMIT {_BLOCK_ROWS})"
            for place in places
        )
        return float(rows if rows < _COUNTED else span), f"rowid IN ({' UNION ALL '.join(blocks)})"

    def distinct(self, table: Table, column: Column[Any]) -> float | None:
        """Give the number of values, judged by how many the sample has."""
        key = (self._path(table), column.name)
        if key not in self._distinct:
            ask = f"the number of values in {table.name}.{column.name} is"
            self._distinct[key] = attempt(
                self._connection, self._notes, ask, lambda: self._values(table, column)
            )
        return self._distinct[key]

    def _values(self, table: Table, column: Column[Any]) -> float | None:
        sample = self._sample(table)
        if sample is None:
            return None
        rows, where = sample
        name = quoted(self._connection.dialect, column.name)
        sql = f"SELECT count(*), count(DISTINCT {name}) FROM {self._path(table)} WHERE {where}"  # noqa: S608 - quoted
        [(seen, values)] = rows_of(self._connection, for_text(sql))
        # Values that hardly repeat in the sample go on being new beyond it.
        return values / seen * rows if seen and values > seen / 2 else float(values)

    def share(self, condition: Condition) -> float | None:
        """Give the part of the sample, for the values with which the statement was first made."""
        sample = self._sample(condition.column.table)
        if sample is None or not _are_known(condition.predicate):
            return None
        hits = func.sum(case((condition.predicate, 1), else_=0))
        statement = (
            select(func.count(), hits)
            .select_from(condition.source)
            .where(text(for_text(sample[1])))
        )
        ask = f"which part of {condition.column.table.name} a condition picks is"
        found = attempt(
            self._connection,
            self._notes,
            ask,
            lambda: self._connection.execute(Ours(statement)).one(),
        )
        if found is None or not found[0]:
            return None
        return float((found[1] or 0) / found[0])
