"""Lookups and operations of a cache of one or two levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from .latency import Latency, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..metrics import Registry, Snapshot

__all__ = ["CacheCollector", "CacheFigures", "Layer", "Result"]

LOOKUPS: Final = "cache.lookups"
MISSES: Final = "cache.misses"
DURATION: Final = "cache.operation.duration"
OPERATIONS: Final = "cache.operations"
ERRORS: Final = "cache.errors"
LOAD: Final = "cache.load.duration"
LOADS: Final = "cache.loads"
PUTS: Final = "cache.puts"
EVICTIONS: Final = "cache.evictions"
BYTES: Final = "cache.bytes"
TIME_SAVED: Final = "cache.time.saved"

Result = Literal["hit", "miss"]
Layer = Literal["l1", "l2"]


@attrs.frozen(kw_only=True, slots=False)
class CacheFigures:
    """Hit rates over all lookups and by level, and how long operations took.

    `time_saved` is what the hits would have taken as loads, in seconds. `operations` are those on
    L2, or on L1 where there is no L2.
    """

    observed: bool
    hits: int | None
    misses: int | None
    hit_rate: float | None
    l1_hit_rate: float | None
    l2_hit_rate: float | None
    time_saved: float | None
    operations: Latency


class CacheCollector:
    """Takes lookups into `cache.lookups{layer, result}`, with layer `all` for the outcome.

    Operations go to `cache.operation.duration{layer, op}`, and are counted with their failures
    in `cache.operations` and `cache.errors`; loads go to `cache.load.duration` and `cache.loads`.
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

    def record_operation(
        self, layer: Layer, op: str, seconds: float, *, failed: bool = False
    ) -> None:
        """Take one operation, such as `get`, `put` or `invalidate`, on one level."""
        self.record_operations(layer, op, (seconds,), failed=int(failed))

    def record_operations(
        self, layer: Layer, op: str, seconds: Sequence[float], *, failed: int = 0
    ) -> None:
        """Take several operations of one kind, and how many of them failed."""
        self.record_sampled(layer, op, seconds)
        self.add(OPERATIONS, len(seconds), layer=layer, op=op)
        self.add(ERRORS, failed, layer=layer, op=op)

    def record_sampled(self, layer: Layer, op: str, seconds: Sequence[float]) -> None:
        """Take how long some operations took that stand for many; they are not counted."""
        if seconds:
            timer = self._metrics.timer(DURATION, layer=layer, op=op)
            for each in seconds:
                timer.record(each)

    def record_loads(self, seconds: Sequence[float], loaded: float, failed: float) -> None:
        """Take how many loads gave a value and how many failed, and the times of the former."""
        if seconds:
            timer = self._metrics.timer(LOAD)
            for each in seconds:
                timer.record(each)
        self.add(LOADS, loaded, result="success")
        self.add(LOADS, failed, result="failure")

    def add(self, name: str, amount: float, **tags: str) -> None:
        """Add to one of the counters named here; nothing where the amount is zero."""
        if amount:
            self._metrics.counter(name, **tags).add(amount)


def figures(snapshot: Snapshot) -> CacheFigures:
    """Turn a snapshot into the figures of the cache."""
    hits = snapshot.count(LOOKUPS, layer="all", result="hit")
    lookups = snapshot.count(LOOKUPS, layer="all")
    operations = operations_of(snapshot)
    return CacheFigures(
        observed=bool(lookups) or operations.avg is not None,
        hits=round(hits) if lookups else None,
        misses=round(lookups - hits) if lookups else None,
        hit_rate=ratio(hits, lookups),
        l1_hit_rate=hit_rate(snapshot, "l1"),
        l2_hit_rate=hit_rate(snapshot, "l2"),
        time_saved=snapshot.count(TIME_SAVED) or None,
        operations=operations,
    )


def operations_of(snapshot: Snapshot) -> Latency:
    """Give the block over the operations on L2, or on L1 where there are none."""
    # In one block those on L1 would hide the others: they take a thousandth of the time.
    layer = "l2" if snapshot.timer(DURATION, layer="l2").count else "l1"
    return Latency(**operation_fields(snapshot, layer=layer))


def operation_fields(snapshot: Snapshot, **tags: str) -> dict[str, Any]:
    """Give the fields of a latency block; of operations that are sampled nobody knows how many."""
    seen, errors = snapshot.timer(DURATION, **tags), snapshot.count(ERRORS, **tags)
    if snapshot.count(OPERATIONS, **tags):
        return Latency.fields_of(snapshot, seen, errors=errors)
    return {**Latency.fields_of(snapshot, seen), "count": None, "rate": None}


def hit_rate(snapshot: Snapshot, layer: Layer) -> float | None:
    """Give the share of the lookups in one level that it answered."""
    hits = snapshot.count(LOOKUPS, layer=layer, result="hit")
    return ratio(hits, snapshot.count(LOOKUPS, layer=layer))
