"""Names as the database quotes them, in the texts that they become part of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = ["for_driver", "for_text", "quoted"]

_PERCENT_STYLES = frozenset({"format", "pyformat"})


def quoted(dialect: Dialect, *names: str | None) -> str:
    """Write a path of names as the database reads them; None is left out."""
    quote = dialect.identifier_preparer.quote
    # SQLAlchemy doubles percent signs for drivers that look for parameters: see `for_driver`.
    doubled = dialect.paramstyle in _PERCENT_STYLES
    path = ".".join(quote(name) for name in names if name is not None)
    return path.replace("%%", "%") if doubled else path


def for_driver(dialect: Dialect, sql: str) -> str:
    """Write SQL without parameters for `exec_driver_sql`."""
    return sql.replace("%", "%%") if dialect.paramstyle in _PERCENT_STYLES else sql


def for_text(sql: str) -> str:
    """Write a name for `text()`, which takes a colon for the beginning of a parameter."""
    return sql.replace(":", "\\:")
