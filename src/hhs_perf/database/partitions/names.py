"""Identifiers and literals of PostgreSQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..names import quoted_on_postgresql

if TYPE_CHECKING:
    from .state import Relation

__all__ = ["literal", "qualified", "slug"]

_NO_WORD: Final = re.compile(r"\W+")


def qualified(relation: Relation) -> str:
    """Give the name of a relation with its schema."""
    return quoted_on_postgresql(relation.schema, relation.name)


def literal(value: str) -> str:
    """Write a text as a literal that means the same under any setting of the server."""
    doubled = value.replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in value else f"'{doubled}'"


def slug(value: str) -> str:
    """Give what of a value can stand in a name: lower case, no signs."""
    return _NO_WORD.sub("_", value).strip("_").lower() or "empty"
