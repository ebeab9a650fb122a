"""Which rows a driver holds when it has executed: to fetch them takes no time to speak of."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from .shapes import Shape

__all__ = ["FETCHED", "NO_ROWS", "UNKNOWN", "rows_held"]

NO_ROWS: Final = -1
"""What is known of a statement that returns none."""
FETCHED: Final = -2
"""What is known of one whose rows the driver gets, or makes of what it got, as they are fetched."""
UNKNOWN: Final = -3
"""What is known of one that may return some or none."""
# They have what the server sent, and make rows of it later: of so few values in about a thirtieth
# of what it took to execute; a row of ten columns takes a twentieth.
_MAKING_LATER: Final = frozenset({"psycopg", "psycopg2"})
_FEW_VALUES: Final = 8


def rows_held(shape: Shape, dialect: Dialect, columns: int) -> int:
    """Give how many rows may be taken for fetched when the driver says that it has them.

    A row has so many `columns`, 0 where that is not known.
    Negative where it is another matter. SQLAlchemy's adapters of asynchronous drivers hold all,
    but with cursors on the server, of which they do not say how many rows there are; that of
    SQLite never says it.
    """
    if shape.has_rows is False:
        return NO_ROWS
    if shape.has_rows is None:
        return UNKNOWN
    if shape.role == "other":
        return FETCHED
    if dialect.is_async and dialect.driver != "aiosqlite":
        return sys.maxsize
    if dialect.driver in _MAKING_LATER and 0 < columns <= _FEW_VALUES:
        return _FEW_VALUES // columns
    return FETCHED
