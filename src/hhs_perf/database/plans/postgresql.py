"""EXPLAIN (FORMAT JSON) of PostgreSQL, asked for and read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ..seen.masking import mask
from .plan import Plan, Scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from .plan import ScanKind

__all__ = ["GENERIC_PREFIX", "PREFIX", "decoded", "limit", "nodes", "prepare", "read"]

PREFIX: Final = "EXPLAIN (VERBOSE, FORMAT JSON) "
GENERIC_PREFIX: Final = "EXPLAIN (VERBOSE, GENERIC_PLAN, FORMAT JSON) "

_MOST_LINES: Final = 200
_KINDS: Final[Mapping[str, ScanKind]] = {
    "Seq Scan": "seq",
    "Sample Scan": "seq",
    "Index Scan": "index",
    "Index Only Scan": "index",
    "Bitmap Heap Scan": "bitmap",
    "Tid Scan": "key",
    "Tid Range Scan": "key",
}
_CONDITIONS: Final = (
    *("Index Cond", "Recheck Cond", "Filter", "Join Filter", "Hash Cond", "Merge Cond"),
    *("Sort Key", "Group Key"),
)


def prepare(connection: Connection, *, timeout: float, read_only: bool = True) -> None:
    """Make the transaction that begins one that cannot disturb: `timeout` is in seconds.

    It waits for no lock longer than a fifth of a second.
    """
    if read_only:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    limit(connection, timeout)
    connection.exec_driver_sql("SET LOCAL lock_timeout = 200")


def limit(connection: Connection, seconds: float) -> None:
    """Let each statement of the rest of the transaction take that long at most."""
    milliseconds = max(1, round(seconds * 1000))
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")


def decoded(answer: object) -> Sequence[Mapping[str, Any]]:
    """Give what EXPLAIN (FORMAT JSON) answered, where the driver has not decoded it yet.

    Raises:
        ValueError: It is no plan.
    """
    document = json.loads(answer) if isinstance(answer, str | bytes) else answer
    if not isinstance(document, list) or not document or "Plan" not in document[0]:
        raise ValueError("PostgreSQL gave something else than a plan")
    return document


def nodes(explained: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Go through all nodes of the plans, each before those below it."""
    for top in explained:
        for node, _, _ in _walk(top["Plan"], 0, is_below_append=False):
            yield node


def read(answer: object) -> Plan:
    """Read the one value that EXPLAIN (FORMAT JSON) gives, as text or as the driver decoded it.

    Raises:
        ValueError: It is no plan.
    """
    top = decoded(answer)[0]
    root: Mapping[str, Any] = top["Plan"]
    found = list(_walk(root, 0, is_below_append=False))
    lines = [line for node, depth, _ in found for line in _lines(node, depth)]
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"… {len(lines) - _MOST_LINES} more lines"]
    return Plan(
        text="\n".join(lines),
        scans=tuple(_scan(node) for node, _, _ in found if _is_scan(node)),
        cost=root.get("Total Cost"),
        rows=root.get("Plan Rows"),
        query_id=top.get("Query Identifier"),
        partitions_scanned=sum(below and _is_scan(node) for node, _, below in found),
    )


def _walk(
    node: Mapping[str, Any], depth: int, *, is_below_append: bool
) -> Iterator[tuple[Mapping[str, Any], int, bool]]:
    yield node, depth, is_below_append
    below = is_below_append or node.get("Node Type") in {"Append", "Merge Append"}
    for child in node.get("Plans", ()):
        yield from _walk(child, depth + 1, is_below_append=below)


def _is_scan(node: Mapping[str, Any]) -> bool:
    # A Bitmap Index Scan names its index only: `_scan` takes it from below its heap scan.
    return "Relation Name" in node and node.get("Node Type") != "ModifyTable"


def _scan(node: Mapping[str, Any]) -> Scan:
    return Scan(
        table=node["Relation Name"],
        schema=node.get("Schema"),
        alias=node.get("Alias"),
        kind=_KINDS.get(node.get("Node Type", ""), "other"),
        index=node.get("Index Name") or _bitmap_index(node),
        rows=node.get("Plan Rows"),
        has_filter="Filter" in node,
    )


def _bitmap_index(node: Mapping[str, Any]) -> str | None:
    for child in node.get("Plans", ()):
        name: str | None = child.get("Index Name") or _bitmap_index(child)
        if name is not None:
            return name
    return None


def _lines(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    head = str(node.get("Node Type"))
    if "Index Name" in node:
        head += f" using {node['Index Name']}"
    if "Relation Name" in node:
        head += f" on {node['Relation Name']}"
        if node.get("Alias") not in {None, node["Relation Name"]}:
            head += f" {node['Alias']}"
    cost = f"cost={node.get('Startup Cost')}..{node.get('Total Cost')}"
    yield f"{indent}{head} ({cost} rows={node.get('Plan Rows')})"
    for name in _CONDITIONS:
        if name in node:
            said = node[name]
            yield f"{indent}  {name}: {mask(', '.join(said) if isinstance(said, list) else said)}"
