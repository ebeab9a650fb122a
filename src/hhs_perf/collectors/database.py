"""Queries that the host sent to a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from .latency import Latency

if TYPE_CHECKING:
    from ..metrics import Registry, Snapshot

__all__ = ["DatabaseCollector", "DatabaseFigures"]

DURATION: Final = "db.query.duration"
QUERIES: Final = "db.queries"
ERRORS: Final = "db.query.errors"


@attrs.frozen(kw_only=True, slots=False)
class DatabaseFigures(Latency):
    """All queries."""

    observed: bool


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


def figures(snapshot: Snapshot) -> DatabaseFigures:
    """Turn a snapshot into the figures of the database."""
    seen = snapshot.timer(DURATION)
    block = Latency.fields_of(snapshot, seen, errors=snapshot.count(ERRORS))
    return DatabaseFigures(observed=bool(seen.count), **block)
