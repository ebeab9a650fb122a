"""Questions to a database that may be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from ..telling import tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

__all__ = ["Notes", "attempt"]

T = TypeVar("T")


class Notes:
    """Collects each thing there is to say once, in order."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def add(self, said: str) -> None:
        """Say it, unless it was said."""
        self._said.setdefault(said)

    def all(self) -> tuple[str, ...]:
        """Give all that was said."""
        return tuple(self._said)


def attempt(connection: Connection, notes: Notes, what: str, ask: Callable[[], T]) -> T | None:
    """Ask; where the database refuses, note that `what` is unknown and why, and give None.

    On PostgreSQL a savepoint keeps the transaction usable after a refusal, and gives back the locks
    that the question took: EXPLAIN of an UPDATE takes those of an UPDATE.
    """
    try:
        if connection.dialect.name != "postgresql":
            return ask()
        savepoint = connection.begin_nested()
        try:
            return ask()
        finally:
            savepoint.rollback()
    except SQLAlchemyError as error:
        notes.add(f"{what} unknown: {tell(error)}")
        return None
