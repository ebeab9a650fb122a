"""Snapshots in a database: batched, idempotent, in SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from ...database.addresses import address_of
from ...exceptions import StorageError
from .daily import DailyRows
from .engines import engine_of, is_busy, told
from .keys import AccountRows, insert_of, spellings
from .rows import rows_of
from .tables import Tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import date

    from sqlalchemy import URL, Connection, Inspector, Table

    from ..values import Outcome
    from .sink import AccountKey

__all__ = ["SqlSink"]

Result = TypeVar("Result")

_AT_ONCE: Final = 500
_PAGE: Final = 1000
_NEEDED: Final = ("account_key", "snapshot_date")
"""What a host's table of snapshots must have; figures without a column are left out."""
_SHORTEST_WAIT: Final = 0.05
_LOCK_WAIT: Final = text("SET LOCAL lock_timeout = '2s'")


class SqlSink:
    """Keeps accounts and daily snapshots in two tables, and the status of figures in a third.

    `engine` is an engine, which stays the caller's, or a URL. With `create`, tables that are
    missing are made; those of a host that lack columns of figures do without these figures. To
    open it and to ask it is tried `attempts` times where the database is locked by others. A batch
    is one transaction and tried once: whoever writes knows for how long to try.

    Raises StorageError where the database cannot be used, ConfigurationError for a bad URL.
    """

    def __init__(
        self,
        engine: Engine | URL | str,
        *,
        tables: Tables | None = None,
        create: bool = True,
        attempts: int = 4,
    ) -> None:
        self._is_ours = not isinstance(engine, Engine)
        self._engine = engine if isinstance(engine, Engine) else engine_of(engine)
        self._attempts = attempts
        self.tables = Tables() if tables is None else tables
        insert_of(self._engine.dialect)
        if create:
            self._tried(lambda: self._make(self.tables.account, self.tables.snapshot))
        self._tried(self._check)
        if create:
            self._tried(lambda: self._make(self.tables.figure))
        widths, columns = self._tried(self._look)
        dialect = self._engine.dialect
        self._accounts = AccountRows(self.tables, dialect, widths)
        self._daily = DailyRows(self.tables, dialect, columns)

    @property
    def engine(self) -> Engine:
        """The engine that it writes with."""
        return self._engine

    def account_ids(self) -> Mapping[AccountKey, str]:
        """Give what earlier runs found out, as the host spells it and as plugins do."""
        account = self.tables.account.c
        query = select(account.platform, account.handle, account.account_id).where(
            account.account_id.is_not(None)
        )

        def read() -> dict[AccountKey, str]:
            with self._engine.connect() as connection:
                found = connection.execution_options(yield_per=_PAGE).execute(query)
                return {
                    key: account_id
                    for platform, handle, account_id in found
                    for key in spellings(platform, handle)
                }

        return self._tried(read)

    def done_on(self, day: date) -> AbstractSet[AccountKey]:
        """Give the accounts of which there is a snapshot of this UTC day."""
        account, snapshot = self.tables.account, self.tables.snapshot
        query = (
            select(account.c.platform, account.c.handle)
            .join_from(snapshot, account, snapshot.c.account_key == account.c.account_key)
            .where(snapshot.c.snapshot_date == day)
        )

        def read() -> set[AccountKey]:
            with self._engine.connect() as connection:
                found = connection.execution_options(yield_per=_PAGE).execute(query)
                return {key for row in found for key in spellings(row[0], row[1])}

        return self._tried(read)

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the snapshots among them in one transaction.

        Locks are waited for as long as SQLite's driver was told to, and 2 seconds in PostgreSQL.
        Raises StorageError, after which it may be tried again.
        """
        rows = rows_of(outcomes)
        if not rows:
            return

        def write() -> None:
            with self._engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(_LOCK_WAIT)  # without it, for ever
                for start in range(0, len(rows), _AT_ONCE):
                    part = rows[start : start + _AT_ONCE]
                    self._daily.write(connection, part, self._accounts.keys(connection, part))

        self._tried(write, attempts=1)

    def close(self) -> None:
        """Close the connections of an engine that was made here."""
        if self._is_ours:
            self._engine.dispose()

    def _tried(self, deed: Callable[[], Result], *, attempts: int | None = None) -> Result:
        most = self._attempts if attempts is None else attempts
        for attempt in range(1, most + 1):
            try:
                return deed()
            except SQLAlchemyError as exc:
                if attempt == most or not is_busy(exc):
                    raise StorageError(f"{address_of(self._engine)}: {told(exc)}") from exc
            # The driver has waited already, as long as it was told to; this is for one that
            # was told not to.
            threading.Event().wait(_SHORTEST_WAIT * 2**attempt)
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _make(self, *tables: Table) -> None:
        for table in tables:
            try:
                table.create(self._engine, checkfirst=True)
            except SQLAlchemyError:
                # Another worker made it just now, or it cannot be made.
                if not inspect(self._engine).has_table(table.name, schema=table.schema):
                    raise

    def _check(self) -> None:
        """Refuse a table in which a second run of a day could not find the rows of the first."""
        snapshots = self.tables.snapshot
        with self._engine.connect() as connection:
            found = inspect(connection)
            _columns(found, connection, snapshots)
            if not _is_unique(found, snapshots, set(_NEEDED)):
                raise StorageError(f"{snapshots} needs UNIQUE (account_key, snapshot_date)")

    def _look(self) -> tuple[dict[str, int | None], frozenset[str]]:
        """Find out which columns there are, and how much text those of accounts hold."""
        with self._engine.connect() as connection:
            found = inspect(connection)
            tables = self.tables
            held = {
                table: {each["name"]: each["type"] for each in _columns(found, connection, table)}
                for table in (tables.account, tables.snapshot, tables.figure)
            }
        for table, columns in held.items():
            needed = _NEEDED if table is tables.snapshot else table.c.keys()
            missing = sorted(set(needed) - set(columns))
            if missing:
                raise StorageError(f"{table} has no column {', '.join(missing)}")
        widths = {
            name: getattr(each, "length", None) for name, each in held[tables.account].items()
        }
        return widths, frozenset(held[tables.snapshot])


def _columns(found: Inspector, connection: Connection, table: Table) -> list[Any]:
    if not found.has_table(table.name, schema=table.schema):
        raise StorageError(f"{address_of(connection.engine)} has no table {table}")
    return list(found.get_columns(table.name, schema=table.schema))


def _is_unique(found: Inspector, table: Table, columns: set[str]) -> bool:
    name, schema = table.name, table.schema
    sets: list[Sequence[str | None]] = [
        found.get_pk_constraint(name, schema=schema)["constrained_columns"],
        *(each["column_names"] for each in found.get_unique_constraints(name, schema=schema)),
    ]
    indexes = found.get_indexes(name, schema=schema)
    sets += [each["column_names"] for each in indexes if each["unique"]]
    return any(set(each) == columns for each in sets)
