"""Taking a connection out of a session's transaction, for which SQLAlchemy has no public way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .failures import is_of_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session, SessionTransaction

    from ..._faults import Faults

__all__ = ["let_go"]


def let_go(session: Session, connection: Connection, faults: Faults) -> bool:
    """Roll a connection back and return it, as if the session's transaction never had it.

    Nothing was written on it. False, and nothing is done, where SQLAlchemy does not allow it.
    """
    level = session.get_nested_transaction() or session.get_transaction()
    levels = []
    while level is not None:
        held = _connections_of(level)
        if held is None:
            return False
        levels.append(held)
        level = level.parent
    for held in levels:
        for key in [key for key, entry in held.items() if entry[0] is connection]:
            del held[key]
    if not _ends(connection.close, connection, faults) and not connection.closed:
        _ends(connection.invalidate, connection, faults)
        _ends(connection.close, connection, faults)
    return True


def _connections_of(level: SessionTransaction) -> dict[Any, Any] | None:
    held = getattr(level, "_connections", None)
    return held if isinstance(held, dict) else None


def _ends(end: Callable[[], None], connection: Connection, faults: Faults) -> bool:
    """Tell whether that went well; what it raises is not missed, for nothing was written."""
    try:
        end()
    except Exception as exc:  # noqa: BLE001 - a named border: the host's listeners run in there
        if not is_of_server(exc, connection.engine):
            faults.note("returning a replica's connection", exc)
        return False
    return True
