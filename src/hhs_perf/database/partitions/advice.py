"""Why a statement reads every partition, from the plan that PostgreSQL made for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from ..plans.postgresql import nodes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .state import PartitionedTable

__all__ = ["PartitionAdvice", "PartitionScan", "partition_advice", "scan_of"]

_CONDITIONS: Final = ("Filter", "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "TID Cond")
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'")
# A cast among texts compares as before, and keeps nothing from being left out.
_HARMLESS: Final = re.compile(r"\(([^()]+)\)::(?:text|bpchar|character varying)\b")


@attrs.frozen(kw_only=True, slots=False)
class PartitionScan:
    """What a plan says of one partitioned table.

    `key` are its key columns, the outer one first; `scanned` of `total` partitions are read;
    `conditions` are those of the plan's nodes, as PostgreSQL writes them.
    """

    table: str
    key: tuple[str, ...]
    scanned: int
    total: int
    conditions: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, slots=False)
class PartitionAdvice:
    """Why all partitions are read, and what to write instead.

    `hidden`: the key `column` stands inside of `expression`. `absent`: no condition names it.
    """

    table: str
    column: str
    why: Literal["hidden", "absent"]
    expression: str | None
    scanned: int
    total: int
    text: str


def partition_advice(scan: PartitionScan) -> PartitionAdvice | None:
    """Tell why a statement reads all partitions; None where it does not, or means to.

    A range that spans all of them is a condition like any other: there is nothing to advise.
    """
    if scan.total <= 1 or scan.scanned < scan.total:
        return None
    conditions = [_HARMLESS.sub(r"\1", _QUOTED.sub("''", each)) for each in scan.conditions]
    for column in scan.key:
        hiding = next((found for each in conditions if (found := _hiding(each, column))), None)
        if hiding is not None:
            text = (
                f"{hiding} hides {column}, the partition key of {scan.table}, so all {scan.total} "
                f"partitions are read: compare {column} itself, {_instead(hiding, column)}"
            )
            return _advice(scan, column, "hidden", hiding, text)
    if any(_names(each, column) for each in conditions for column in scan.key):
        return None
    column = scan.key[0]
    text = (
        f"no condition names {' or '.join(scan.key)}, so all {scan.total} partitions of "
        f"{scan.table} are read: add one on {column}"
    )
    return _advice(scan, column, "absent", None, text)


def scan_of(explained: Sequence[Mapping[str, Any]], table: PartitionedTable) -> PartitionScan:
    """Read the answer of `EXPLAIN (FORMAT JSON)`, decoded, for one partitioned table."""
    leaves = {each.name for each in table.leaves}
    key = list(table.key)
    key += [column for each in table.partitions for column in each.key if column not in key]
    scanned: set[str] = set()
    conditions: dict[str, None] = {}
    for node in nodes(explained):
        if node.get("Relation Name") in leaves:
            scanned.add(node["Relation Name"])
        conditions |= {node[name]: None for name in _CONDITIONS if name in node}
    return PartitionScan(
        table=table.name,
        key=tuple(column for column in dict.fromkeys(key) if column is not None),
        scanned=len(scanned),
        total=len(leaves),
        conditions=tuple(conditions),
    )


def _advice(
    scan: PartitionScan,
    column: str,
    why: Literal["hidden", "absent"],
    expression: str | None,
    text: str,
) -> PartitionAdvice:
    return PartitionAdvice(
        table=scan.table,
        column=column,
        why=why,
        expression=expression,
        scanned=scan.scanned,
        total=scan.total,
        text=text,
    )


def _word(column: str) -> str:
    return rf'(?:\w+\.|"[^"]+"\.)?"?(?<!\w){re.escape(column)}(?!\w)"?'


def _names(condition: str, column: str) -> bool:
    return re.search(_word(column), condition) is not None


def _hiding(condition: str, column: str) -> str | None:
    """Find the call, cast or sum that the column stands in."""
    word = _word(column)
    call = re.search(rf"(?<![\w:])[A-Za-z_][\w.]*\([^()]*{word}", condition)
    if call is not None:
        return _call(condition[call.start() :])
    cast = re.search(rf"\({word}\)::\w+", condition)
    if cast is not None:
        return cast[0]
    added = re.search(rf"\({word} [-+*/] [^()]+\)", condition)
    return added[0] if added else None


def _call(text: str) -> str:
    """Cut a text that begins with a call where the call ends."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == ")" and depth == 0:
            return text[: place + 1]
    return text


def _instead(hiding: str, column: str) -> str:
    day = hiding.startswith("date(") or hiding.endswith("::date")
    span = "+ interval '1 day'" if day else "+ the length of the span"
    return f"as in {column} >= :start AND {column} < :start {span}"
