"""What is a read: the words that statements begin with, and those that give a write away."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["CHANGES", "LOCKS", "MAY_CHANGE", "QUERIES", "READS"]

QUERIES: Final = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})
"""What a statement begins with that gives rows of tables."""
READS: Final = QUERIES | {"SHOW", "EXPLAIN", "DESCRIBE", "DESC"}
"""What a statement begins with that reads, unless it holds one of the words below."""
CHANGES: Final = re.compile(
    r"\b(?:INSERT INTO|UPDATE \S+ SET|DELETE FROM|MERGE INTO)\b", re.IGNORECASE
)
"""Changes something: to look for in a statement whose space is single, as `mask` leaves it."""
MAY_CHANGE: Final = re.compile(
    r"\b(?:INSERT|UPDATE|DELETE|MERGE|REPLACE\s+INTO|INTO|TRUNCATE|CREATE|ALTER|DROP)\b",
    re.IGNORECASE,
)
"""May change something: for whoever must be sure that nothing is changed."""
LOCKS: Final = re.compile(
    r"\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b|\bFOR\s+(?:KEY\s+)?SHARE\b|\bLOCK\s+IN\s+SHARE\b",
    re.IGNORECASE,
)
"""Locks the rows that are read."""
