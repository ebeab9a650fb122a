"""Taking a connection out of a session's transaction, for which SQLAlchemy has no public way."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["can_let_go", "let_go"]


@cache
def can_let_go() -> bool:
    """Tell whether this SQLAlchemy keeps a session's connections where they are expected."""
    with Session() as session:
        return isinstance(getattr(session.begin(), "_connections", None), dict)


def let_go(session: Session, connection: Connection) -> bool:
    """Roll a connection back and return it, as if the session's transaction never had it.

    Nothing was written on it. False, and nothing is done, where SQLAlchemy does not allow it.
    """
    if not can_let_go():
        return False
    level = session.get_nested_transaction() or session.get_transaction()
    while level is not None:
        held = level._connections  # noqa: SLF001 - `can_let_go` looked
        for key in [key for key, entry in held.items() if entry[0] is connection]:
            del held[key]
        level = level.parent
    try:
        connection.close()
    except Exception:  # noqa: BLE001 - it is gone, and nothing on it is missed
        with contextlib.suppress(Exception):
            connection.invalidate()
            connection.close()
    return True
