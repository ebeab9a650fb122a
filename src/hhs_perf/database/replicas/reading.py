"""Which statements only read, and so may run on a replica."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import ColumnClause, TextClause, TextualSelect
from sqlalchemy.orm import FromStatement
from sqlalchemy.sql import visitors
from sqlalchemy.sql.operators import custom_op

from ..verbs import LOCKS, MAY_CHANGE, READS
from .functions import calls_unknown, is_harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ClauseElement
    from sqlalchemy.sql.visitors import ExternallyTraversible

__all__ = ["Manner", "Manners", "manner_of", "manner_of_text"]

Manner = Literal["read", "call", "write", "for update"]

_LONGEST: Final = 20_000
_MOST_KNOWN: Final = 2048
_LONGEST_KNOWN: Final = 2000
_NOISE: Final = re.compile(
    r"""
    '(?:[^']|'')*'
    | (?P<name> "(?:[^"]|"")*" | `[^`]*` )
    | \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$
    | --[^\n]*
    | /\* (?P<comment>.*?) \*/
    """,
    re.VERBOSE | re.DOTALL,
)
_FIRST_WORD: Final = re.compile(r"[\s(]*(\w+)")
# What changes something, or answers for its own connection, though it stands in a SELECT.
_FUNCTION_NAMES: Final = (
    r"(?:next_value|nextval|setval|currval|lastval|set_config|pg_notify|pg_(?:try_)?advisory\w*"
    r"|lo_\w+|txid_current|pg_current_xact_id|pg_(?:create|drop|logical|replication)_\w+"
    r"|pg_(?:terminate|cancel)_backend|pg_switch_wal|pg_reload_conf|pg_promote|pg_stat_reset\w*"
    r"|dblink\w*|get_lock|release_lock|release_all_locks|last_insert_\w+)"
)
_FUNCTION: Final = re.compile(_FUNCTION_NAMES, re.IGNORECASE)
_NAME: Final = "\0"
# A function whose name is quoted may be any.
_CALL: Final = re.compile(rf"(?:\b{_FUNCTION_NAMES}|{_NAME})\s*\(", re.IGNORECASE)


class Manners:
    """Remembers what statements do by SQLAlchemy's cache key, as its compiled forms are kept.

    To walk through a statement takes as long as to run a small one; its key is made anyway.
    """

    def __init__(self) -> None:
        self._known: dict[object, Manner] = {}

    def of(self, clause: ClauseElement) -> Manner:
        """Do as `manner_of`."""
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
    if isinstance(clause, TextClause):
        return clause.text if len(clause.text) <= _LONGEST_KNOWN else None
    # Not public, but what SQLAlchemy's example of a cache in front of sessions uses.
    make = getattr(clause, "_generate_cache_key", None)
    made = None if make is None else make()
    return None if made is None else made.key


def manner_of(clause: ClauseElement) -> Manner:
    """Say what a statement does; what cannot be told to only read is a write.

    A SELECT is searched whole: its CTEs and subqueries may write, lock or call a function that
    does; so may any text in it, and its hints. A `call` is a read but for a function of which only
    the host's database knows what it does. What a trigger or a rule does is taken to read.
    """
    if isinstance(clause, TextClause):
        return manner_of_text(clause.text)
    if isinstance(clause, FromStatement):
        return manner_of(clause.element)
    if not getattr(clause, "is_select", False):
        return "write"
    return _foremost(_manner_of_part(part) for part in visitors.iterate(clause))


def _foremost(manners: Iterable[Manner]) -> Manner:
    """Give the first that must be the primary's, else whether there is a call."""
    foremost: Manner = "read"
    for manner in manners:
        if manner == "call":
            foremost = manner
        elif manner != "read":
            return manner
    return foremost


def _manner_of_part(part: ExternallyTraversible) -> Manner:
    if getattr(part, "_for_update_arg", None) is not None:
        return "for update"
    if getattr(part, "is_dml", False):
        return "write"
    if part.__visit_name__ == "function":
        name = getattr(part, "name", "")
        if _FUNCTION.fullmatch(name):
            return "write"
        return "read" if is_harmless(name, getattr(part, "packagenames", ())) else "call"
    if isinstance(part, TextualSelect):
        return manner_of_text(str(getattr(part.element, "text", "")))
    return _foremost(map(_manner_within, _texts_of(part)))


def _texts_of(part: ExternallyTraversible) -> Iterator[str]:
    """Give what stands in the statement as the host wrote it: no walk leads to all of it."""
    if isinstance(part, TextClause):
        yield part.text
    elif isinstance(part, ColumnClause) and part.is_literal:
        yield part.name
    operator = getattr(part, "operator", None)
    if isinstance(operator, custom_op):
        yield operator.opstring
    for name in ("_prefixes", "_suffixes"):
        for clause, _ in getattr(part, name, ()):
            yield clause.text if isinstance(clause, TextClause) else str(clause)
    for _, hint in getattr(part, "_statement_hints", ()):
        yield hint
    yield from getattr(part, "_hints", {}).values()


def manner_of_text(text: str) -> Manner:
    """Say what a statement written by hand does, from its words outside literals and comments.

    Wherever its reading is in doubt it is a write: too long a text, a backslash (whose meaning in
    a literal depends on the server), a comment within a comment, a second statement.
    """
    bare = None if len(text) > _LONGEST else _without_noise(text)
    if bare is None:
        return "write"
    first = _FIRST_WORD.match(bare)
    if first is None or first[1].upper() not in READS or ";" in bare.rstrip().rstrip(";"):
        return "write"
    return _manner_of_bare(bare)


def _manner_within(text: str) -> Manner:
    """Say what a part of a statement does that the host wrote by hand."""
    bare = None if len(text) > _LONGEST else _without_noise(text)
    return "write" if bare is None or ";" in bare else _manner_of_bare(bare)


def _manner_of_bare(bare: str) -> Manner:
    if LOCKS.search(bare):
        return "for update"
    if MAY_CHANGE.search(bare) or _CALL.search(bare):
        return "write"
    return "call" if calls_unknown(bare) else "read"


def _without_noise(text: str) -> str | None:
    """Leave out literals and comments; None where these cannot be told apart.

    Of a quoted name `_NAME` is left.
    """
    if "\\" in text:
        return None
    for found in _NOISE.finditer(text):
        comment = found["comment"]
        # MySQL executes what stands in /*! */, and PostgreSQL alone nests comments.
        if comment is not None and (comment.startswith(("!", "M!")) or "/*" in comment):
            return None
    bare = _NOISE.sub(lambda found: " " if found["name"] is None else f" {_NAME} ", text)
    return None if any(sign in bare for sign in ("'", '"', "/*", "*/")) else bare
