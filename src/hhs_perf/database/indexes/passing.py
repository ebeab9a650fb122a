"""Why a trial failed: by what the index is, or by what else went on."""

from __future__ import annotations

import sqlite3
from typing import Final

__all__ = ["is_passing"]

# Rights and replicas stand here too: where nothing was tried, nothing speaks against the index.
_SQLSTATES: Final = frozenset({"25006", "42501", "55P03"})
# Lost connections, conflicts, a lack of room, an operator who intervenes.
_CLASSES: Final = frozenset({"08", "40", "53", "57"})
_SQLITE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
    }
)


def is_passing(error: BaseException) -> bool:
    """Tell whether an index that failed by `error` may well be fit for use all the same."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error):
        # The low byte is the kind, the others tell it more closely.
        return getattr(original, "sqlite_errorcode", 0) & 0xFF in _SQLITE
    code = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    if code is None:
        # What has no code the server did not say: the way to it failed.
        return True
    return code in _SQLSTATES or code[:2] in _CLASSES
