"""Which errors of a storage may be gone in a moment, and which stay until somebody acts."""

from __future__ import annotations

import errno
from typing import Final

__all__ = ["can_pass"]

_OF_FILES: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# Classes of PostgreSQL: not supported, data, login, no such database, no such schema, and syntax
# or permission; a missing table or column is of the last. Then NULL where none may be, and CHECK.
_CLASSES: Final = frozenset({"0A", "22", "28", "3D", "3F", "42"})
_STATES: Final = frozenset({"23502", "23514"})
# SQLITE_ERROR is a table or column that is not there.
_OF_SQLITE: Final = frozenset(
    {
        "SQLITE_AUTH",
        "SQLITE_CONSTRAINT_CHECK",
        "SQLITE_CONSTRAINT_NOTNULL",
        "SQLITE_CORRUPT",
        "SQLITE_ERROR",
        "SQLITE_MISMATCH",
        "SQLITE_NOTADB",
        "SQLITE_PERM",
        "SQLITE_READONLY",
    }
)


def can_pass(error: BaseException) -> bool:
    """Tell whether the same may be taken when it is tried again; errors that nobody knows may.

    Judged by the error and its chain of causes, by the SQLSTATE of drivers of PostgreSQL and the
    names of SQLite. SQLAlchemy is not needed for it.
    """
    each: BaseException | None = error
    while each is not None:
        if isinstance(each, OSError) and each.errno in _OF_FILES:
            return False
        said = getattr(each, "orig", None)
        if said is not None:
            state = getattr(said, "sqlstate", None) or getattr(said, "pgcode", None)
            if isinstance(state, str) and (state[:2] in _CLASSES or state in _STATES):
                return False
            if getattr(said, "sqlite_errorname", None) in _OF_SQLITE:
                return False
        each = each.__cause__
    return True
