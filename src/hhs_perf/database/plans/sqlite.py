"""EXPLAIN QUERY PLAN of SQLite, read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..seen.masking import mask
from .plan import Plan, Scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .plan import ScanKind

__all__ = ["PREFIX", "read"]

PREFIX: Final = "EXPLAIN QUERY PLAN "

# "SEARCH TABLE t AS x USING INDEX i (a=?)" until SQLite 3.35, "SEARCH x USING INDEX i (a=?)" since.
_SCAN: Final = re.compile(r"^(SCAN|SEARCH) (?:TABLE )?(.+)$")
_USING: Final = re.compile(
    r" USING (?:(AUTOMATIC)(?: PARTIAL)? )?(?:(COVERING) )?"
    r"(?:(INDEX)(?: (.+?))?|(?:INTEGER )?(PRIMARY KEY))(?: \((.*)\))?(?: LEFT-JOIN)?$"
)
_ROWS_GUESSED: Final = re.compile(r" \(~\d+ rows?\)$")
_NOT_A_TABLE: Final = re.compile(
    r"^(?:CONSTANT ROW|\(?(?:subquery|join)[- ]\S+|SUBQUERY \d+|.* VIRTUAL TABLE INDEX .*)$",
    re.IGNORECASE,
)


def read(rows: Iterable[Sequence[object]]) -> Plan:
    """Read the rows (id, parent, unused, detail) of EXPLAIN QUERY PLAN."""
    depths: dict[object, int] = {0: -1}
    lines: list[str] = []
    scans: list[Scan] = []
    for identity, parent, _, detail in rows:
        depth = depths[identity] = depths.get(parent, -1) + 1
        said = str(detail)
        lines.append("  " * depth + mask(said))
        scan = _scan(said)
        if scan is not None:
            scans.append(scan)
    return Plan(text="\n".join(lines), scans=tuple(scans))


def _scan(detail: str) -> Scan | None:
    found = _SCAN.match(_ROWS_GUESSED.sub("", detail))
    if found is None or _NOT_A_TABLE.match(found[2]):
        return None
    verb, rest = found.groups()
    using = _USING.search(rest)
    table = rest[: using.start()] if using else rest.removesuffix(" LEFT-JOIN")
    name, _, alias = table.partition(" AS ")
    return Scan(
        table=name,
        alias=alias or None,
        kind=_kind(verb, using),
        index=using[4] if using and not using[1] else None,
    )


def _kind(verb: str, using: re.Match[str] | None) -> ScanKind:
    if using is None:
        return "seq" if verb == "SCAN" else "other"
    if using[1]:
        return "automatic"
    return "key" if using[5] else "index"
