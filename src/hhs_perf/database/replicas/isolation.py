"""Whether the statements of a transaction see one state of the database, or each the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import CursorResult

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["is_autocommit", "is_open", "sees_each_commit", "streamed_in"]

_AUTOCOMMIT: Final = "AUTOCOMMIT"
_LATEST: Final = frozenset({_AUTOCOMMIT, "READ COMMITTED", "READ UNCOMMITTED"})


def sees_each_commit(connection: Connection) -> bool:
    """Tell whether each statement sees what is committed when it begins; False if unknown."""
    return _level_of(connection) in _LATEST


def is_autocommit(connection: Connection) -> bool:
    """Tell whether each statement is a transaction of its own."""
    return _level_of(connection) == _AUTOCOMMIT


def _level_of(connection: Connection) -> str | None:
    """Give what session, engine or server ask for, in this order, without asking the server."""
    dialect = connection.dialect
    level = (
        connection.get_execution_options().get("isolation_level")
        or getattr(dialect, "_on_connect_isolation_level", None)
        or dialect.default_isolation_level
    )
    return None if level is None else str(level).replace("_", " ").upper()


def streamed_in(result: object) -> CursorResult[*tuple[object, ...]] | None:
    """Give the result of the cursor behind a result that is fetched piece by piece, else None."""
    # ScalarResult holds a Result, and that of an entity the cursor's; neither way is public.
    whole = getattr(result, "_real_result", None) or result
    raw = getattr(whole, "raw", whole)
    if not isinstance(raw, CursorResult):
        return None
    return raw if raw.context.execution_options.get("stream_results") else None


def is_open(result: CursorResult[*tuple[object, ...]]) -> bool:
    """Tell whether somebody may still fetch from it."""
    return getattr(result, "cursor", None) is not None
