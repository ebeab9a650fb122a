"""Which statements only read, and so may run on a replica."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import ColumnClause, TextClause, TextualSelect
from sqlalchemy.orm import FromStatement
from sqlalchemy.sql import visitors

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement
    from sqlalchemy.sql.visitors import ExternallyTraversible

__all__ = ["Manner", "Manners", "manner_of", "manner_of_text"]

Manner = Literal["read", "write", "for update"]

_LONGEST: Final = 20_000
_MOST_KNOWN: Final = 2048
_NOISE: Final = re.compile(
    r"""
    '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | `[^`]*`
    | \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$
    | --[^\n]*
    | /\* (?P<comment>.*?) \*/
    """,
    re.VERBOSE | re.DOTALL,
)
_READS: Final = frozenset(
    {"SELECT", "SHOW", "VALUES", "EXPLAIN", "TABLE", "WITH", "DESCRIBE", "DESC"}
)
_FIRST_WORD: Final = re.compile(r"[\s(]*(\w+)")
_LOCKS: Final = re.compile(
    r"\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b|\bFOR\s+(?:KEY\s+)?SHARE\b|\bLOCK\s+IN\s+SHARE\b",
    re.IGNORECASE,
)
_WRITES: Final = re.compile(
    r"\b(?:INSERT|UPDATE|DELETE|MERGE|REPLACE\s+INTO|INTO|TRUNCATE|CREATE|ALTER|DROP)\b",
    re.IGNORECASE,
)
# What changes something, or answers for its own connection, though it stands in a SELECT.
_FUNCTION_NAMES: Final = (
    r"(?:next_value|nextval|setval|currval|lastval|set_config|pg_notify|pg_(?:try_)?advisory\w*"
    r"|lo_\w+|txid_current|pg_current_xact_id|pg_(?:create|drop|logical|replication)_\w+"
    r"|pg_(?:terminate|cancel)_backend|pg_switch_wal|pg_reload_conf|pg_promote|pg_stat_reset\w*"
    r"|dblink\w*|get_lock|release_lock|release_all_locks|last_insert_\w+)"
)
_FUNCTION: Final = re.compile(_FUNCTION_NAMES, re.IGNORECASE)
_CALL: Final = re.compile(rf"\b{_FUNCTION_NAMES}\s*\(", re.IGNORECASE)


class Manners:
    """Remembers what statements do by SQLAlchemy's cache key, as its compiled forms are kept.

    To walk through a statement takes as long as to run a small one; its key is made anyway.
    """

    def __init__(self) -> None:
        self._known: dict[object, Manner] = {}

    def of(self, clause: ClauseElement) -> Manner:
        """Do as `manner_of`."""
        if isinstance(clause, TextClause):
            return manner_of_text(clause.text)
        key = _key_of(clause)
        if key is None:
            return manner_of(clause)
        known = self._known
        found = known.get(key)
        if found is None:
            found = manner_of(clause)
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[key] = found
        return found


def _key_of(clause: ClauseElement) -> object:
    # Not public, but what SQLAlchemy's example of a cache in front of sessions uses.
    make = getattr(clause, "_generate_cache_key", None)
    made = None if make is None else make()
    return None if made is None else made.key


def manner_of(clause: ClauseElement) -> Manner:
    """Say what a statement does; what cannot be told to only read is a write.

    A SELECT is searched whole: its CTEs and subqueries may write, lock or call a function that
    does. A function that the host's database defines is taken to read. So is what a trigger or a
    rule does.
    """
    if isinstance(clause, TextClause):
        return manner_of_text(clause.text)
    if isinstance(clause, FromStatement):
        return manner_of(clause.element)
    if not getattr(clause, "is_select", False):
        return "write"
    for part in visitors.iterate(clause):
        manner = _manner_of_part(part)
        if manner != "read":
            return manner
    return "read"


def _manner_of_part(part: ExternallyTraversible) -> Manner:
    if getattr(part, "_for_update_arg", None) is not None:
        return "for update"
    match part.__visit_name__, part:
        case "function", _:
            writes = _FUNCTION.fullmatch(getattr(part, "name", ""))
        case "textual_select", TextualSelect():
            return manner_of_text(str(getattr(part.element, "text", "")))
        case _, TextClause():
            writes = _CALL.search(part.text)
        case _, ColumnClause(is_literal=True):
            writes = _CALL.search(part.name)
        case _:
            return "write" if getattr(part, "is_dml", False) else "read"
    return "write" if writes else "read"


@lru_cache(maxsize=1024)
def manner_of_text(text: str) -> Manner:
    """Say what a statement written by hand does, from its words outside literals and comments.

    Wherever its reading is in doubt it is a write: too long a text, a backslash (whose meaning in
    a literal depends on the server), a comment within a comment, a second statement.
    """
    bare = None if len(text) > _LONGEST else _without_noise(text)
    if bare is None:
        return "write"
    first = _FIRST_WORD.match(bare)
    if first is None or first[1].upper() not in _READS or ";" in bare.rstrip().rstrip(";"):
        return "write"
    if _LOCKS.search(bare):
        return "for update"
    if _WRITES.search(bare) or _CALL.search(bare):
        return "write"
    return "read"


def _without_noise(text: str) -> str | None:
    """Leave out literals, quoted names and comments; None where these cannot be told apart."""
    if "\\" in text:
        return None
    for found in _NOISE.finditer(text):
        comment = found["comment"]
        # MySQL executes what stands in /*! */, and PostgreSQL alone nests comments.
        if comment is not None and (comment.startswith(("!", "M!")) or "/*" in comment):
            return None
    bare = _NOISE.sub(" ", text)
    return None if any(sign in bare for sign in ("'", '"', "/*", "*/")) else bare
