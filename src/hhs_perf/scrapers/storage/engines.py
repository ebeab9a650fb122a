"""Engines for a URL, and what databases say when the same may be tried again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import StaticPool

from ...database.engines import create_engine_from_env
from ...database.marks import OWN_POOL
from ...exceptions import ConfigurationError

if TYPE_CHECKING:
    from sqlite3 import Connection

    from sqlalchemy import Engine

__all__ = ["engine_of", "is_busy", "told"]

_ASYNC: Final = re.compile(r"\+(?:asyncpg|psycopg_async|aiosqlite)\Z")
# Serialization failure, deadlock, lock not available.
_AGAIN: Final = frozenset({"40001", "40P01", "55P03"})
_SHOWN: Final = 300
# Short, since a run tries again itself; a URL that says `timeout` or `connect_timeout` wins.
_BUSY_WAIT: Final = 2.0
_CONNECT_WAIT: Final = 5
_LIBPQ: Final = frozenset({"postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"})


def engine_of(url: str | URL) -> Engine:
    """Make an engine for a URL; a driver for asyncio gives way to one that is not.

    Its pool holds one connection and is left out of what is shown of the host's. A SQLite file
    that does not exist yet is set to write-ahead logging, so that others read while it is
    written. One that is locked is waited for 2 seconds, a server that does not answer 5, unless
    the URL says otherwise. Raises ConfigurationError.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Without the cause: its text may hold the password.
        raise ConfigurationError("that is no URL of a database, such as sqlite:///a.db") from None
    parsed = parsed.set(drivername=_ASYNC.sub("", parsed.drivername))
    text = parsed.render_as_string(hide_password=False)
    given: dict[str, Any] = {"pool_size": 1, "max_overflow": 1}
    if _is_memory(parsed):
        # One database for all threads, not one for each.
        given = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    elif waits := _waits(parsed):
        given["connect_args"] = waits
    try:
        engine = create_engine_from_env({"DATABASE_URL": text}, **given)
    except ConfigurationError as exc:
        said = [each.removeprefix("DATABASE_URL: ") for each in exc.problems]
        raise ConfigurationError(said) from exc
    setattr(engine.pool, OWN_POOL, True)
    if engine.dialect.name == "sqlite" and not _is_memory(parsed):
        if not Path(parsed.database or "").exists():
            event.listen(engine, "connect", _write_ahead, once=True)
        event.listen(engine, "connect", _careful)
    return engine


def is_busy(error: Exception) -> bool:
    """Tell whether the database was merely taken by somebody else."""
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if code is not None:
        return code in _AGAIN
    name = str(getattr(error.orig, "sqlite_errorname", ""))
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def told(error: Exception) -> str:
    """Say what a database said, in a line, without statement and parameters."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines() or [""]
    return f"{type(cause).__name__}: {lines[0][:_SHOWN]}"


def _is_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _waits(url: URL) -> dict[str, float]:
    name, wait = "timeout", _BUSY_WAIT
    if url.get_backend_name() != "sqlite":
        if url.drivername not in _LIBPQ:
            return {}
        name, wait = "connect_timeout", _CONNECT_WAIT
    return {} if name in url.query else {name: wait}


def _write_ahead(connection: Connection, _: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")


def _careful(connection: Connection, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
