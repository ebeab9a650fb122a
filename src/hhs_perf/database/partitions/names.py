"""Identifiers and literals of PostgreSQL."""

from __future__ import annotations

import re
from hashlib import blake2s
from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects.postgresql.base import PGDialect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .state import Relation

__all__ = ["fitting", "literal", "qualified", "quoted", "slug"]

_LONGEST: Final = 63
# Of no driver: some double the percent signs in a name.
_PREPARER: Final = PGDialect(paramstyle="named").identifier_preparer  # type: ignore[no-untyped-call]
_NO_WORD: Final = re.compile(r"\W+")


def quoted(name: str) -> str:
    """Quote an identifier where it needs to be."""
    return str(_PREPARER.quote(name))


def qualified(relation: Relation) -> str:
    """Give the name of a relation with its schema."""
    return f"{quoted(relation.schema)}.{quoted(relation.name)}"


def literal(value: str) -> str:
    """Write a text as a literal that means the same under any setting of the server."""
    doubled = value.replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in value else f"'{doubled}'"


def slug(value: str) -> str:
    """Give what of a value can stand in a name: lower case, no signs."""
    return _NO_WORD.sub("_", value).strip("_").lower() or "empty"


def fitting(name: str, *facts: str, ours: Iterable[str] = ()) -> str:
    """Shorten a name to the 63 bytes that PostgreSQL keeps, and tell it from those in `ours`.

    A mark made of `name` and `facts` takes the place of what is cut, so that two long names, or
    two values that are spelled alike, stay apart.
    """
    if len(name.encode()) <= _LONGEST and name not in set(ours):
        return name
    mark = "_" + blake2s("\0".join((name, *facts)).encode(), digest_size=4).hexdigest()
    return name.encode()[: _LONGEST - len(mark)].decode(errors="ignore") + mark
