"""What the advisor found, as values to show."""

from __future__ import annotations

from typing import Literal

import attrs

from ..lines import Line  # noqa: TC001 - the route's schema resolves it

__all__ = ["IndexAdvice", "IndexReport", "IndexWaste", "ServerFigures"]


@attrs.frozen(kw_only=True, slots=False)
class IndexAdvice:
    """An index that is missing.

    `kind` is `query` where statements ask for it, `foreign_key` where only a constraint does.
    `statements` are the keys of the statements that it serves, `line` where the first of them was
    sent from. `reason` says in a sentence what speaks for it. `gain` is how many times cheaper
    those statements became with the index, as measured: by the planner's cost on PostgreSQL, by
    the instructions run on SQLite, together with the other indexes that a statement asks for; None
    where it was not tried, and `proof` says why. `rows` are those of the
    table, None where unknown. `migration` is the line for Alembic, `sql` the statement that builds
    the index without blocking writers where the database can.
    """

    table: str
    schema: str | None = None
    columns: tuple[str, ...]
    kind: Literal["foreign_key", "query"]
    name: str
    reason: str
    statements: tuple[str, ...] = ()
    line: Line | None = None
    gain: float | None = None
    proof: str | None = None
    rows: int | None = None
    migration: str
    sql: str


@attrs.frozen(kw_only=True, slots=False)
class IndexWaste:
    """An index that costs writes and room, and serves no reader.

    `unused` ones were not read since `since` (RFC 3339), for the `counted_for` seconds that the
    server counts. `duplicate` ones are alike another, `redundant` ones begin another: `other`, with
    which they have `shared` columns in common. `scans` are the reads that were counted. All of
    these, and `size` in bytes, are None where unknown, or of another kind.
    """

    table: str
    schema: str | None = None
    name: str
    kind: Literal["unused", "duplicate", "redundant"]
    other: str | None = None
    shared: int | None = None
    since: str | None = None
    counted_for: float | None = None
    scans: int | None = None
    size: int | None = None
    reason: str
    sql: str


@attrs.frozen(kw_only=True, slots=False)
class ServerFigures:
    """What PostgreSQL itself counted for a statement, of all clients together.

    `mean` and `total` are seconds of execution. Where there are none, `reason` says why.
    """

    statement: str
    query_id: int | None = None
    calls: int | None = None
    mean: float | None = None
    total: float | None = None
    rows: int | None = None
    reason: str | None = None


@attrs.frozen(kw_only=True, slots=False)
class IndexReport:
    """All of it for one database; `notes` say what could not be looked at, and why."""

    database: str
    advice: tuple[IndexAdvice, ...] = ()
    waste: tuple[IndexWaste, ...] = ()
    server: tuple[ServerFigures, ...] = ()
    notes: tuple[str, ...] = ()
