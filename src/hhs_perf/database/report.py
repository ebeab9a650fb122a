"""What is known of databases since the process began, as frozen values that can be shown.

None of them holds a parameter or a literal. Stamps are RFC 3339 in UTC; those of pools and
replicas are seconds since 1970, as their own reports give them.
"""

from __future__ import annotations

from typing import Literal

import attrs

from .indexes.report import IndexReport
from .lines import Line
from .partitions.advice import PartitionAdvice
from .pools.report import PoolReport
from .pools.sizing import SizingAdvice
from .replicas.report import ReplicaReport

__all__ = [
    "DatabaseReport",
    "DatabaseTotals",
    "EngineReport",
    "LineCount",
    "LookReport",
    "NPlusOneReport",
    "PlanReport",
    "PoolSizing",
    "ProfileReport",
    "ProfiledQueryReport",
    "RouteCount",
    "SlowReport",
    "StatementReport",
]


@attrs.frozen(kw_only=True, slots=False)
class EngineReport:
    """An engine that is seen, by its address without user, password and options."""

    name: str
    dialect: str
    driver: str
    is_async: bool
    role: Literal["primary", "replica", "other"]


@attrs.frozen(kw_only=True, slots=False)
class LineCount:
    """A line of the application, and how often it was found sending a statement."""

    line: Line
    count: int


@attrs.frozen(kw_only=True, slots=False)
class RouteCount:
    """A route or scope, and how often it did what is told."""

    route: str
    count: int


@attrs.frozen(kw_only=True, slots=False)
class StatementReport:
    """One statement since the start, the statement `other` being all past the bound.

    `count` are executions, those that failed included; `executed` sets of parameters. `total` are
    the seconds of both executing and fetching, `share` its part of the total of all statements.
    `lines` are known of executions that were slow, failed or repeated. `streamed` tells whether
    rows were fetched in batches, as by `yield_per` or from a cursor of the server's.
    """

    statement: str
    sql: str
    operation: str
    tables: tuple[str, ...]
    count: int
    executed: int
    total: float
    share: float | None
    avg: float | None
    slowest: float
    execute_seconds: float
    fetch_seconds: float
    rows: int
    most_rows: int
    streamed: bool
    errors: int
    slow: int
    first_seen: str
    last_seen: str
    lines: tuple[LineCount, ...]
    routes: tuple[RouteCount, ...]


@attrs.frozen(kw_only=True, slots=False)
class DatabaseTotals:
    """All statements since `since`; `statements` are those that took most of the time."""

    since: str
    statements_seen: int
    queries: int
    executed: int
    errors: int
    slow: int
    execute_seconds: float
    fetch_seconds: float
    rows: int
    statements: tuple[StatementReport, ...]


@attrs.frozen(kw_only=True, slots=False)
class PlanReport:
    """How the database meant to run a statement at `at`; `text` is None where `reason` says why."""

    at: str
    text: str | None
    reason: str | None


@attrs.frozen(kw_only=True, slots=False)
class SlowReport:
    """One execution that was slow; `seconds` are those of executing and fetching together."""

    statement: str
    sql: str
    at: str
    seconds: float
    fetch_seconds: float
    rows: int | None
    failed: bool
    line: Line | None
    route: str | None
    plan: PlanReport | None


@attrs.frozen(kw_only=True, slots=False)
class NPlusOneReport:
    """N+1 queries of one line: found in `times` scopes, `queries` in all, `most` in one of them."""

    kind: Literal["lazy", "refresh", "loop"]
    statement: str
    sql: str
    about: str
    advice: str
    line: Line | None
    times: int
    queries: int
    most: int
    seconds: float
    first_at: str
    last_at: str
    routes: tuple[RouteCount, ...]


@attrs.frozen(kw_only=True, slots=False)
class PoolSizing:
    """What follows for the size of a pool from what was measured of it in the window."""

    pool: str
    checkouts: int
    sizing: SizingAdvice


@attrs.frozen(kw_only=True, slots=False)
class LookReport:
    """The latest closer look at plans and indexes; `looked_at` is None before the first.

    `seconds` is how long it took, `proves` whether indexes were tried out.
    """

    looked_at: str | None
    seconds: float | None
    proves: bool
    notes: tuple[str, ...]


@attrs.frozen(kw_only=True, slots=False)
class ProfiledQueryReport:
    """One query of a profiled request; `offset` is when it began, in seconds from its start.

    `duplicate_of` is the place, counted from 0, of the first query of the request with the same
    statement and parameters.
    """

    statement: str
    sql: str
    offset: float
    execute_seconds: float
    fetch_seconds: float
    rows: int
    failed: bool
    line: Line | None
    duplicate_of: int | None
    plan: PlanReport | None


@attrs.frozen(kw_only=True, slots=False)
class ProfileReport:
    """The queries of one request or scope; `left_out` of them are counted only."""

    route: str
    method: str | None
    at: str
    seconds: float
    query_seconds: float
    count: int
    left_out: int
    duplicates: int
    queries: tuple[ProfiledQueryReport, ...]


@attrs.frozen(kw_only=True, slots=False)
class DatabaseReport:
    """All that is known of the databases that one monitor sees.

    `sees_all` tells whether every engine of the process is instrumented, `limits` what cannot be
    seen with the SQLAlchemy at hand. `uptime` are the seconds since `since_start.since`.
    """

    uptime: float
    sees_all: bool
    detail: Literal["full", "timing"]
    limits: tuple[str, ...]
    engines: tuple[EngineReport, ...]
    since_start: DatabaseTotals
    slow_latest: tuple[SlowReport, ...]
    n_plus_one: tuple[NPlusOneReport, ...]
    pools: tuple[PoolReport, ...]
    pool_sizing: tuple[PoolSizing, ...]
    replicas: tuple[ReplicaReport, ...]
    look: LookReport
    indexes: tuple[IndexReport, ...]
    partitions: tuple[PartitionAdvice, ...]

    @property
    def is_used(self) -> bool:
        """Tell whether any query was seen."""
        return bool(self.since_start.queries)
