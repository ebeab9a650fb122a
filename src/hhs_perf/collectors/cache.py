"""Lookups and operations of a cache of one or two levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import attrs

from .latency import Latency, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..metrics import Registry, Snapshot

__all__ = ["CacheCollector", "CacheFigures"]

LOOKUPS: Final = "cache.lookups"
DURATION: Final = "cache.operation.duration"
OPERATIONS: Final = "cache.operations"
ERRORS: Final = "cache.errors"

Result = Literal["hit", "miss"]
Layer = Literal["l1", "l2"]


@attrs.frozen(kw_only=True, slots=False)
class CacheFigures:
    """Hit rates over all lookups and by level, and how long operations took."""

    observed: bool
    hits: int | None
    misses: int | None
    hit_rate: float | None
    l1_hit_rate: float | None
    l2_hit_rate: float | None
    operations: Latency


class CacheCollector:
    """Takes lookups into `cache.lookups{layer, result}`, with layer `all` for the outcome.

    Operations go to `cache.operation.duration{layer, op}`, and are counted with their failures
    in `cache.operations` and `cache.errors`.
    """

    def __init__(self, metrics: Registry) -> None:
        self._metrics = metrics

    def record_lookup(self, *, l1: Result | None = None, l2: Result | None = None) -> None:
        """Take one lookup: what each level that was asked answered, None for one that was not.

        A hit in either level is a hit. Raises ValueError when no level was asked.
        """
        if l1 is None and l2 is None:
            raise ValueError("a lookup asks at least one level")
        for layer, result in (("l1", l1), ("l2", l2)):
            if result is not None:
                self._metrics.counter(LOOKUPS, layer=layer, result=result).add(1)
        outcome = "hit" if "hit" in (l1, l2) else "miss"
        self._metrics.counter(LOOKUPS, layer="all", result=outcome).add(1)

    def record_lookups(self, layer: Layer | Literal["all"], result: Result, count: int) -> None:
        """Take several lookups of one level that went alike, or of `all`: the outcomes."""
        if count:
            self._metrics.counter(LOOKUPS, layer=layer, result=result).add(count)

    def record_operations(
        self, layer: Layer, op: str, seconds: Sequence[float], *, failed: int = 0
    ) -> None:
        """Take several operations of one kind, and how many of them failed."""
        timer = self._metrics.timer(DURATION, layer=layer, op=op)
        for each in seconds:
            timer.record(each)
        if seconds:
            self._metrics.counter(OPERATIONS, layer=layer, op=op).add(len(seconds))
        if failed:
            self._metrics.counter(ERRORS, layer=layer, op=op).add(failed)

    def record_operation(
        self, layer: Layer, op: str, seconds: float, *, failed: bool = False
    ) -> None:
        """Take one operation, such as `get`, `put` or `invalidate`, on one level."""
        self._metrics.timer(DURATION, layer=layer, op=op).record(seconds)
        self._metrics.counter(OPERATIONS, layer=layer, op=op).add(1)
        if failed:
            self._metrics.counter(ERRORS, layer=layer, op=op).add(1)


def figures(snapshot: Snapshot) -> CacheFigures:
    """Turn a snapshot into the figures of the cache."""
    hits = snapshot.count(LOOKUPS, layer="all", result="hit")
    lookups = snapshot.count(LOOKUPS, layer="all")
    operations = snapshot.timer(DURATION)
    block = Latency.fields_of(snapshot, operations, errors=snapshot.count(ERRORS))
    return CacheFigures(
        observed=bool(lookups or operations.count),
        hits=round(hits) if lookups else None,
        misses=round(lookups - hits) if lookups else None,
        hit_rate=ratio(hits, lookups),
        l1_hit_rate=_hit_rate(snapshot, "l1"),
        l2_hit_rate=_hit_rate(snapshot, "l2"),
        operations=Latency(**block),
    )


def _hit_rate(snapshot: Snapshot, layer: Layer) -> float | None:
    hits = snapshot.count(LOOKUPS, layer=layer, result="hit")
    return ratio(hits, snapshot.count(LOOKUPS, layer=layer))
