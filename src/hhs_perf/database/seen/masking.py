"""Statements without their values: what may be shown, and what makes two statements the same."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["LONGEST", "mask", "operation_of", "tables_of"]

LONGEST: Final = 10_000
"""Characters of a statement that are looked at; what comes later makes no difference."""
_LONGEST_VALUE: Final = 200

# Most of a statement is `plain`, which is taken in runs: a call for each word would cost more than
# all else. A word before a quote, an ampersand or a bracket may begin a value.
_PIECES: Final = r"""
    (?P<plain> (?: [^\W\d][\w$]*+(?!['&[]) | [\s,=()<>;] | \.(?!\d) )++ )
  | (?P<gone> --[^\n]* | {comment} )
  | (?P<string>
        (?: \b[eE]'(?:[^'\\]++|''|\\(?:.|\Z))*+(?:'|\Z) )
      | (?: \b[nN]?[qQ]'(?: \[.*?(?:\]'|\Z) | \{.*?(?:\}'|\Z) | \(.*?(?:\)'|\Z) | <.*?(?:>'|\Z)
            | (?P<fence>[^\s'\[{(<]).*?(?:(?P=fence)'|\Z) ) )
      | (?: (?:\b[nNbBxX]|\b[uU]&)?{quoted} )
      | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
    )
  | (?P<name> "(?:[^"]++|"")*+" | `[^`]*+` | \[[^\W\d][\w\ ]*+\] )
  | (?P<unended> ["`].* )
  | (?P<slot>
        (?: %\(\w+\)s | %s(?!\w) | \?\d* | \$\d+ | (?<![:\w]):\w+
          | __\[POSTCOMPILE_[^\]\s~]{1,250}(?:~~.{0,400}?~~REPL~~.{0,400}?~~)?\] )
        (?: ::(?:\w++|"[^"]*+")(?:\.(?:\w++|"[^"]*+"))?+
            (?:\s+(?:VARYING|PRECISION))?+
            (?:\(\s*\d+\s*(?:,\s*\d+\s*)?\))?+
            (?:\s+WITH(?:OUT)?\s+TIME\s+ZONE)?+(?:\[\])*+ )*+
    )
  | (?P<number> (?:(?<![\w$])\d|(?<![\w$"\])])\.\d)[\w.]*+(?:(?<=[eE])[+-]?\d++)? )
  | (?P<word> [^\W\d][\w$]*+ )
"""
_SIMPLE_COMMENT: Final = r"/\*.*?(?:\*/|\Z)"
# Comments within comments, twice; one that does not end takes the rest.
_LEVEL: Final = r"/\*(?:[^*/]++|\*(?!/)|/(?!\*){inner})*+\*/"
_INNER: Final = _LEVEL.replace("{inner}", "")
_NESTED_COMMENT: Final = (
    _LEVEL.replace("{inner}", "|" + _LEVEL.replace("{inner}", "|" + _INNER)) + r"|/\*.*"
)
_PLAIN_QUOTES: Final = r"'(?:[^']++|'')*+(?:'|\Z)"
_BACKSLASHED: Final = r"'(?:[^'\\]++|''|\\(?:.|\Z))*+(?:'|\Z)"


def _tokens(*, comment: str, quoted: str) -> re.Pattern[str]:
    text = _PIECES.replace("{comment}", comment).replace("{quoted}", quoted)
    return re.compile(text, re.VERBOSE | re.DOTALL)


_STANDARD: Final = _tokens(comment=_SIMPLE_COMMENT, quoted=_PLAIN_QUOTES)
_DIALECTS: Final = {
    "postgresql": _tokens(comment=_NESTED_COMMENT, quoted=_PLAIN_QUOTES),
    **dict.fromkeys(
        ("snowflake", "clickhouse", "clickhousedb"),
        _tokens(comment=_SIMPLE_COMMENT, quoted=_BACKSLASHED),
    ),
    **dict.fromkeys(
        ("mysql", "mariadb", "bigquery", "hive", "databricks"),
        _tokens(
            comment=rf"\#[^\n]*|{_SIMPLE_COMMENT}",
            quoted=f"{_BACKSLASHED}|" + _BACKSLASHED.replace("'", '"'),
        ),
    ),
}
# A list that the end of what is read cuts off counts as one.
_SLOTS: Final = r"\(\s*+[-+]?\?(?:\s*+,\s*+[-+]?\?)*+\s*+(?:\)|,?\s*\Z)"
_LIST: Final = re.compile(rf"{_SLOTS}(?:\s*,\s*(?:{_SLOTS}|\(?\s*\Z))*+")
_ROW: Final = r"\((?:[^()]++|\([^()]*+\))*+(?:\)|\Z)"
_ROWS: Final = re.compile(rf"(VALUES\s+)({_ROW})(?:\s*,\s*(?:{_ROW}|\Z))++", re.IGNORECASE)
_SIGNED: Final = re.compile(r"([=<>(,]\s?)[-+]\s?\?")
_SAVEPOINT: Final = re.compile(
    r"^(SAVEPOINT|RELEASE(?: SAVEPOINT)?|ROLLBACK TO(?: SAVEPOINT)?) \S+$", re.IGNORECASE
)
_TABLES: Final = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE(?:\s+IF\s+(?:NOT\s+)?EXISTS)?)\s+(?:ONLY\s+)?"
    r"((?:[\"`\w]|\[)[^\s(),;]*)",
    re.IGNORECASE,
)
_NO_TABLE: Final = frozenset({"SELECT", "SET", "LATERAL", "VALUES", "UNNEST"})


def mask(statement: str, dialect: str = "") -> str:
    """Write a statement without values, comments and superfluous space.

    Literals, numbers and every driver's placeholders become `?`, lists of them `(?)`, so that one
    statement has one text whatever its values, the length of its IN lists and its driver. A literal
    that does not end counts as one. What quotes and backslashes mean is told by the name of
    SQLAlchemy's `dialect`. At most `LONGEST` characters are read.
    """
    tokens = _DIALECTS.get(dialect, _STANDARD)
    plain = tokens.sub(_put, statement if len(statement) <= LONGEST else _cut(statement))
    plain = " ".join(plain.split())
    plain = _LIST.sub("(?)", _SIGNED.sub(r"\1?", plain))
    plain = _ROWS.sub(r"\1\2", plain)
    return _SAVEPOINT.sub(r"\1 ?", plain).encode(errors="replace").decode()


def _put(found: re.Match[str]) -> str:
    kind = found.lastgroup
    if kind in {"plain", "name", "word"}:
        return found[0]
    return " " if kind == "gone" else "?"


def _cut(statement: str) -> str:
    """Cut where a value ends, so that no two parts of values make two statements."""
    read = statement[:LONGEST]
    end = max(read.rfind(",", LONGEST - _LONGEST_VALUE), read.rfind(" ", LONGEST - _LONGEST_VALUE))
    return read if end < 0 else read[:end]


def operation_of(masked: str) -> str:
    """Give the statement's first word, in capitals; `OTHER` where there is none."""
    word = masked.lstrip("( ").partition(" ")[0].partition("(")[0]
    return word.upper()[:20] if word.isalpha() else "OTHER"


def tables_of(masked: str) -> tuple[str, ...]:
    """Give the names that stand where tables do, each once, in their order."""
    found = (name.replace('"', "").replace("`", "") for name in _TABLES.findall(masked))
    return tuple(dict.fromkeys(name for name in found if name and name.upper() not in _NO_TABLE))
