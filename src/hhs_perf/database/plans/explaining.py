"""EXPLAIN of a statement, without a trace in the host's pool, transactions and figures."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from ..addresses import sync_engine_of
from ..marks import OURS
from ..telling import tell
from . import postgresql
from . import sqlite as sqlite_plans
from .own import has_shared_connection, on_own_connection, run
from .plan import NoPlan, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ..._faults import Faults

__all__ = [
    "explain",
    "explain_as_far",
    "explain_on",
    "explained_on",
    "is_explainable",
    "shared_connection",
]

_MOST: Final = 100_000
_GENERIC_SINCE: Final = (16,)
_COMMENTS: Final = re.compile(r"^(?:\s+|\(|--[^\n]*\n|/\*.*?\*/)*", re.DOTALL)
_EXPLAINED: Final = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "UPDATE", "DELETE"})
_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)s|(%s)")


def explain(
    engine: Engine | AsyncEngine,
    sql: str,
    parameters: object = None,
    *,
    timeout: float = 2.0,
    faults: Faults | None = None,
) -> Plan | NoPlan:
    """Ask `engine`'s database how it would run `sql`, the driver's text with its parameters.

    The statement is not executed: it is never EXPLAIN ANALYZE. The question goes over a connection
    of our own, in a read-only transaction that is rolled back, for at most `timeout` seconds on
    PostgreSQL. A database in SQLite's memory is reached through the host's own connection, and
    EXPLAIN QUERY PLAN changes nothing there. The parameters of an executemany are those of its
    first set. A PostgreSQL statement without its parameters gets a generic plan, from 16 on.

    It waits; on an event loop call it in a thread. Nothing is raised: `NoPlan` gives the reason,
    and what is no refusal of the database is counted among `faults`.
    """
    sync = sync_engine_of(engine)
    reason = is_explainable(sync.dialect.name, sql)
    if reason is not None:
        return NoPlan(reason=reason)
    try:
        if has_shared_connection(sync):
            return run(sync, lambda: _explain_shared(sync, sql, parameters))
        return run(
            sync,
            lambda: on_own_connection(
                sync, lambda connection: _explain_own(connection, sql, parameters, timeout)
            ),
        )
    except Exception as error:  # noqa: BLE001 - a named border: the driver may raise anything
        if faults is not None and not isinstance(error, SQLAlchemyError | OSError):
            faults.note("a plan", error)
        return NoPlan(reason=f"the database gave no plan: {tell(error)}")


def is_explainable(dialect: str, sql: str) -> str | None:
    """Say why a statement is not explained; None where it is."""
    if dialect not in {"sqlite", "postgresql"}:
        return f"plans of {dialect} are not read"
    if len(sql) > _MOST:
        return f"statements over {_MOST:,} characters are not explained"
    body = _COMMENTS.sub("", sql)
    if re.split(r"\W", body, maxsplit=1)[0].upper() not in _EXPLAINED:
        return "only SELECT, UPDATE and DELETE are explained"
    # After a semicolon there may be a second statement, which EXPLAIN would leave to be executed.
    if ";" in body.rstrip("; \t\r\n"):
        return "the text may hold more than one statement"
    return None


def explain_on(
    connection: Connection, sql: str, parameters: object, *, generic: bool = False
) -> Plan:
    """Explain on a connection that is ours; what the driver raises travels."""
    sql = sql.rstrip("; \t\r\n")
    if connection.dialect.name == "sqlite":
        given: Any = _first(parameters)
        rows = connection.exec_driver_sql(OURS + sqlite_plans.PREFIX + sql, given).all()
        return sqlite_plans.read(rows)
    if generic:
        answer = connection.exec_driver_sql(
            OURS + postgresql.GENERIC_PREFIX + sql, execution_options={"no_parameters": True}
        )
        return postgresql.read(answer.scalar_one())
    return postgresql.read(explained_on(connection, sql, parameters, postgresql.PREFIX))


def explained_on(
    connection: Connection, sql: str, parameters: object, prefix: str
) -> Sequence[Mapping[str, Any]]:
    """Give the document of an EXPLAIN (FORMAT JSON), begun by `prefix`, on PostgreSQL."""
    sent = OURS + prefix + sql.rstrip("; \t\r\n")
    given: Any = _first(parameters)
    return postgresql.decoded(connection.exec_driver_sql(sent, given).scalar_one())


def _explain_own(
    connection: Connection, sql: str, parameters: object, timeout: float
) -> Plan | NoPlan:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(OURS + "PRAGMA query_only = ON")
        connection.exec_driver_sql(OURS + "PRAGMA busy_timeout = 200")
        return explain_as_far(connection, sql, parameters)
    postgresql.prepare(connection, timeout=timeout)
    return explain_as_far(connection, sql, parameters)


def explain_as_far(connection: Connection, sql: str, parameters: object) -> Plan | NoPlan:
    """Explain on a connection that is ours, for any values where the parameters are not known."""
    if connection.dialect.name == "sqlite":
        return explain_on(connection, sql, parameters)
    if parameters is not None or not _has_placeholders(sql):
        return explain_on(connection, sql, parameters)
    if (connection.dialect.server_version_info or (0,)) < _GENERIC_SINCE:
        return NoPlan(reason="without parameters PostgreSQL gives plans from version 16 on")
    return _explain_generic(connection, sql)


def _has_placeholders(sql: str) -> bool:
    return bool(_PLACEHOLDER.search(sql) or re.search(r"\$\d", sql))


def _explain_generic(connection: Connection, sql: str) -> Plan | NoPlan:
    """Explain with `$1` and so on in place of values, in one simple message to the server."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1] or f"%s{len(numbers)}"
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    if connection.dialect.driver == "asyncpg":
        return NoPlan(reason="the parameters were not kept, and asyncpg asks for them")
    plain = _PLACEHOLDER.sub(number, sql).replace("%%", "%")
    return explain_on(connection, plain, None, generic=True)


def _explain_shared(engine: Engine, sql: str, parameters: object) -> Plan | NoPlan:
    driver = shared_connection(engine)
    if driver is None:
        return NoPlan(reason="the database lives in the memory of another thread's connection")
    cursor = driver.cursor()
    try:
        statement = OURS + sqlite_plans.PREFIX + sql.rstrip("; \t\r\n")
        cursor.execute(statement, _first(parameters) or ())
        return sqlite_plans.read(cursor.fetchall())
    finally:
        cursor.close()


def shared_connection(engine: Engine) -> Any:
    """Give the DBAPI connection of a database in memory, None where this thread has none.

    It is not checked out: its return would roll back what the host has begun on it.
    """
    pool = engine.pool
    if isinstance(pool, StaticPool):
        kept = pool.connection.dbapi_connection
        return kept if _is_of_this_thread(kept) else None
    if isinstance(pool, SingletonThreadPool):
        current = getattr(pool._conn, "current", None)  # noqa: SLF001 - there is no public way
        record = None if current is None else current()
        return None if record is None else record.dbapi_connection
    return None


def _is_of_this_thread(driver: object) -> bool:
    """Tell whether SQLite lets this thread use a connection: by default only its maker's."""
    if isinstance(driver, sqlite3.Connection):
        try:
            driver.cursor().close()
        except sqlite3.ProgrammingError:
            return False
    return True


def _first(parameters: object) -> object:
    """Give the first set of an executemany, and other parameters as they are."""
    if isinstance(parameters, list):
        return parameters[0] if parameters else None
    return parameters or None
