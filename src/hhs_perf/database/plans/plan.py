"""What a plan says, as values."""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["NoPlan", "Plan", "Scan", "ScanKind"]

ScanKind = Literal["seq", "index", "bitmap", "automatic", "key", "other"]
"""How rows are found.

`seq` reads the whole table, `index` goes through an index, `bitmap` through one or several,
`automatic` through one that SQLite builds for this one execution, `key` by SQLite's own row id.
"""


@attrs.frozen(kw_only=True, slots=False)
class Scan:
    """One table that a plan reads.

    `table` is the name of the table; SQLite gives the alias in its place where there is one.
    `index` is None where none is used or its name is not told; `rows` is what the planner expects
    the scan to give, None where it does not say; `has_filter` tells whether rows are read and then
    thrown away, None where the plan does not say.
    """

    table: str
    schema: str | None = None
    alias: str | None = None
    kind: ScanKind
    index: str | None = None
    rows: float | None = None
    has_filter: bool | None = None


@attrs.frozen(kw_only=True, slots=False)
class Plan:
    """How the database means to run a statement.

    `text` is the plan to show: it holds neither parameters nor literals. `cost` is in the planner's
    own unit and `rows` what it expects, both None on SQLite. `query_id` is PostgreSQL's
    `pg_stat_statements.queryid` of the statement, where the server computes it.
    `partitions_scanned` counts the tables read below an append.
    """

    text: str
    scans: tuple[Scan, ...]
    cost: float | None = None
    rows: float | None = None
    query_id: int | None = None
    partitions_scanned: int = 0

    def index_names(self) -> frozenset[str]:
        """Give the names of all indexes that it uses."""
        return frozenset(scan.index for scan in self.scans if scan.index is not None)


@attrs.frozen(kw_only=True, slots=False)
class NoPlan:
    """Why there is no plan."""

    reason: str
