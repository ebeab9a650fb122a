"""The figures of databases statement by statement and pool by pool, over a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from .database import (
    DURATION,
    EXECUTED,
    FETCH,
    POOL_CONNECT,
    POOL_HOLD,
    POOL_INVALIDATIONS,
    POOL_TIMEOUTS,
    POOL_WAIT,
    REPLICA_LAG,
    ROWS,
    DatabaseFigures,
    figures,
    slow_in,
)
from .latency import Latency, ratio

if TYPE_CHECKING:
    from ..metrics import Snapshot

__all__ = [
    "MOST_STATEMENTS",
    "DatabaseDetail",
    "LagFigures",
    "PoolFigures",
    "StatementFigures",
    "detail",
]

MOST_STATEMENTS: Final = 100
"""Statements shown, those that took most of the time."""


@attrs.frozen(kw_only=True, slots=False)
class StatementFigures(Latency):
    """One statement; its errors are counted since the start alone, so they are unknown here.

    `share` is its part of the time of all queries, `slow` how many of its executions were.
    """

    statement: str
    share: float | None
    slow: int | None


@attrs.frozen(kw_only=True, slots=False)
class PoolFigures:
    """One pool: how long callers waited for a connection, connecting took, and it was held."""

    pool: str
    wait: Latency
    connect: Latency
    hold: Latency
    timeouts: int
    invalidations: int


@attrs.frozen(kw_only=True, slots=False)
class LagFigures:
    """How far a replica was behind when it was last asked, in seconds."""

    replica: str
    lag: float


@attrs.frozen(kw_only=True, slots=False)
class DatabaseDetail(DatabaseFigures):
    """What the summary shows of databases, and where it comes from.

    Durations are those of execution and fetching together; `fetch` is the latter part, of the
    queries that gave rows. `executed` counts sets of parameters, `rows` those fetched or changed.
    """

    executed: int | None
    rows: int | None
    fetch: Latency
    statements: tuple[StatementFigures, ...]
    pools: tuple[PoolFigures, ...]
    replicas: tuple[LagFigures, ...]


def detail(snapshot: Snapshot, slow_query: float) -> DatabaseDetail:
    """Turn a snapshot into the figures of databases; slow is above `slow_query` seconds."""
    whole = figures(snapshot, slow_query)
    executed = snapshot.count(EXECUTED)
    return DatabaseDetail(
        **attrs.asdict(whole, recurse=False),
        executed=round(executed) if executed else None,
        rows=round(snapshot.count(ROWS)) if executed else None,
        fetch=_block(snapshot, FETCH),
        statements=_statements(snapshot, slow_query),
        pools=_pools(snapshot),
        replicas=tuple(
            LagFigures(replica=tags["replica"], lag=value)
            for tags, value in snapshot.gauges(REPLICA_LAG)
        ),
    )


def _block(snapshot: Snapshot, name: str, **tags: str) -> Latency:
    return Latency(**Latency.fields_of(snapshot, snapshot.timer(name, **tags)))


def _statements(snapshot: Snapshot, slow_query: float) -> tuple[StatementFigures, ...]:
    seen = [(tags, each) for tags, each in snapshot.timers(DURATION) if each.count]
    total = sum(each.sum for _, each in seen)
    seen.sort(key=lambda pair: (-pair[1].sum, pair[0]["statement"]))
    return tuple(
        StatementFigures(
            **Latency.fields_of(snapshot, each),
            statement=tags["statement"],
            share=ratio(each.sum, total),
            slow=slow_in(each, slow_query),
        )
        for tags, each in seen[:MOST_STATEMENTS]
    )


def _pools(snapshot: Snapshot) -> tuple[PoolFigures, ...]:
    names = {
        name
        for series in (POOL_WAIT, POOL_CONNECT, POOL_HOLD, POOL_TIMEOUTS, POOL_INVALIDATIONS)
        for name in snapshot.tag_values(series, "pool")
    }
    return tuple(
        PoolFigures(
            pool=name,
            wait=_block(snapshot, POOL_WAIT, pool=name),
            connect=_block(snapshot, POOL_CONNECT, pool=name),
            hold=_block(snapshot, POOL_HOLD, pool=name),
            timeouts=round(snapshot.count(POOL_TIMEOUTS, pool=name)),
            invalidations=round(snapshot.count(POOL_INVALIDATIONS, pool=name)),
        )
        for name in sorted(names)
    )
