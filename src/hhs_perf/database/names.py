"""Names as a database quotes them, in the texts that they become part of."""

from __future__ import annotations

from functools import cache
from hashlib import blake2s
from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects.postgresql.base import PGDialect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Dialect

__all__ = ["fitting", "for_driver", "for_text", "quoted", "quoted_on_postgresql"]

_LONGEST: Final = 63
_PERCENT_STYLES: Final = frozenset({"format", "pyformat"})


def quoted(dialect: Dialect, *names: str | None) -> str:
    """Write a path of names as the database reads them; None is left out."""
    quote = dialect.identifier_preparer.quote
    # SQLAlchemy doubles percent signs for drivers that look for parameters: see `for_driver`.
    doubled = dialect.paramstyle in _PERCENT_STYLES
    path = ".".join(quote(name) for name in names if name is not None)
    return path.replace("%%", "%") if doubled else path


def quoted_on_postgresql(*names: str | None) -> str:
    """Do the same for PostgreSQL where no engine is at hand."""
    return quoted(_postgresql(), *names)


@cache
def _postgresql() -> Dialect:
    # Of no driver, and made when it is asked for.
    return PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]


def for_driver(dialect: Dialect, sql: str) -> str:
    """Write SQL without parameters for `exec_driver_sql`."""
    return sql.replace("%", "%%") if dialect.paramstyle in _PERCENT_STYLES else sql


def for_text(sql: str) -> str:
    """Write a name for `text()`, which takes a colon for the beginning of a parameter."""
    return sql.replace(":", "\\:")


def fitting(name: str, *facts: str, ours: Iterable[str] = ()) -> str:
    """Shorten a name to the 63 bytes that PostgreSQL keeps, and tell it from those in `ours`.

    A mark made of `name` and `facts` takes the place of what is cut, so that two long names, or
    two values that are spelled alike, stay apart.
    """
    if len(name.encode()) <= _LONGEST and name not in set(ours):
        return name
    mark = "_" + blake2s("\0".join((name, *facts)).encode(), digest_size=4).hexdigest()
    return name.encode()[: _LONGEST - len(mark)].decode(errors="ignore") + mark
