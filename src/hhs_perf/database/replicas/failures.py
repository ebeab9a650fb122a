"""Which errors of a replica allow a read to start anew on the primary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = [
    "Failure",
    "failure_to_connect",
    "failure_to_read",
    "is_of_server",
    "is_read_only_refusal",
    "sqlstate_of",
]

Failure = Literal["down", "conflict", "write"]

_READ_ONLY: Final = "25006"
# Shut down by its administrator or by a crash, not up yet, its database dropped, full.
_DOWN: Final = frozenset({"57P01", "57P02", "57P03", "57P04", "53300"})
# A standby cancels queries that stand in the way of what it must replay.
_CONFLICT: Final = frozenset({"40001", "40P01"})


def sqlstate_of(error: BaseException) -> str | None:
    """Give the five characters that the server's error carries, wrapped by SQLAlchemy or not."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    for name in ("sqlstate", "pgcode"):
        state = getattr(origin, name, None)
        if isinstance(state, str):
            return state
    return None


def failure_to_connect(error: Exception, engine: Engine) -> Failure | None:
    """Judge an error met before a connection was there; a pool's time-out is none of these."""
    return "down" if is_of_server(error, engine) else None


def is_of_server(error: BaseException, engine: Engine) -> bool:
    """Tell an error of the driver or the network from one of the code that uses them."""
    if isinstance(error, DBAPIError | OSError):
        return True
    dialect = engine.dialect
    dbapi_error = getattr(dialect.loaded_dbapi, "Error", None)
    if dbapi_error is not None and isinstance(error, dbapi_error):
        return True
    # What SQLAlchemy does not translate; psycopg_async is psycopg.
    return type(error).__module__.partition(".")[0] == dialect.driver.partition("_")[0]


def failure_to_read(error: Exception) -> Failure | None:
    """Judge an error of a statement; None is an error that the primary would give as well."""
    if not isinstance(error, DBAPIError):
        return None
    state = sqlstate_of(error) or ""
    if error.connection_invalidated or state.startswith("08") or state in _DOWN:
        return "down"
    if state in _CONFLICT:
        return "conflict"
    return "write" if state == _READ_ONLY else None


def is_read_only_refusal(error: Exception) -> bool:
    """Tell whether the server refused to write in a read-only transaction."""
    return isinstance(error, DBAPIError) and sqlstate_of(error) == _READ_ONLY
