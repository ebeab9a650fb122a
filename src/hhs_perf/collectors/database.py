"""Queries that the host sent to a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from .latency import Latency

if TYPE_CHECKING:
    from ..metrics import Distribution, Registry, Snapshot

__all__ = ["DatabaseCollector", "DatabaseFigures", "figures", "slow_in"]

DURATION: Final = "db.query.duration"
QUERIES: Final = "db.queries"
ERRORS: Final = "db.query.errors"
EXECUTED: Final = "db.statements"
ROWS: Final = "db.query.rows"
FETCH: Final = "db.query.fetch.duration"
POOL_WAIT: Final = "db.pool.wait.duration"
POOL_CONNECT: Final = "db.pool.connect.duration"
POOL_HOLD: Final = "db.pool.hold.duration"
POOL_TIMEOUTS: Final = "db.pool.timeouts"
POOL_INVALIDATIONS: Final = "db.pool.invalidations"
REPLICA_LAG: Final = "db.replica.lag"


@attrs.frozen(kw_only=True, slots=False)
class DatabaseFigures(Latency):
    """All queries; `slow` is how many took longer than HHS_PERF_SLOW_QUERY."""

    observed: bool
    slow: int | None


class DatabaseCollector:
    """Takes queries into `db.query.duration{statement}`, `db.queries` and `db.query.errors`."""

    def __init__(self, metrics: Registry) -> None:
        self._metrics = metrics

    def record_query(self, statement: str, seconds: float, *, failed: bool = False) -> None:
        """Take one query; `statement` is its shape, with no values in it."""
        self._metrics.timer(DURATION, statement=statement).record(seconds)
        self._metrics.counter(QUERIES).add(1)
        if failed:
            self._metrics.counter(ERRORS).add(1)


def figures(snapshot: Snapshot, slow_query: float | None = None) -> DatabaseFigures:
    """Turn a snapshot into the figures of the database; slow is above `slow_query` seconds.

    The slow ones are counted exactly where the registry counts at that level.
    """
    seen = snapshot.timer(DURATION)
    block = Latency.fields_of(snapshot, seen, errors=snapshot.count(ERRORS))
    return DatabaseFigures(observed=bool(seen.count), slow=slow_in(seen, slow_query), **block)


def slow_in(seen: Distribution, slow_query: float | None) -> int | None:
    """Count what took longer than `slow_query` seconds, None where that was not counted."""
    fast = None if slow_query is None else seen.holding(("<=", slow_query))
    if not seen.count or fast is None or fast.of < seen.count:
        return None
    return seen.count - fast.holding
