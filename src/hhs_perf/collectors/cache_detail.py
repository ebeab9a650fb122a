"""The figures of a cache level by level, for those who look closer than the summary does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .cache import (
    BYTES,
    DURATION,
    ERRORS,
    EVICTIONS,
    LOAD,
    LOADS,
    LOOKUPS,
    MISSES,
    PUTS,
    CacheFigures,
    Layer,
    figures,
    hit_rate,
    operation_fields,
)
from .latency import Latency, ratio

if TYPE_CHECKING:
    from ..metrics import Snapshot

__all__ = ["CacheDetail", "LevelFigures", "MissFigures", "OperationFigures", "detail"]


@attrs.frozen(kw_only=True, slots=False)
class MissFigures:
    """Misses by reason; None where a level cannot tell, as L2 cannot of what Redis evicts."""

    absent: int
    expired: int
    invalidated: int
    evicted: int | None
    unreadable: int | None


@attrs.frozen(kw_only=True, slots=False)
class LevelFigures:
    """What one level did; None where that is not known of it."""

    layer: Layer
    hits: int
    misses: int
    hit_rate: float | None
    missed: MissFigures
    puts: int
    evictions: int | None
    errors: int | None
    bytes_read: int | None
    bytes_written: int | None


@attrs.frozen(kw_only=True, slots=False)
class OperationFigures(Latency):
    """One kind of operation on one level; of those that are `sampled` a few stand for all."""

    layer: Layer
    op: str
    sampled: bool


@attrs.frozen(kw_only=True, slots=False)
class CacheDetail(CacheFigures):
    """What the summary shows of a cache, and how it came about."""

    missed: MissFigures | None
    loads: Latency
    levels: tuple[LevelFigures, ...]
    by_operation: tuple[OperationFigures, ...]


def detail(snapshot: Snapshot) -> CacheDetail:
    """Turn a snapshot into the figures of the cache, level by level."""
    whole = figures(snapshot)
    return CacheDetail(
        **attrs.asdict(whole, recurse=False),
        missed=_missed(snapshot, "all") if snapshot.count(MISSES, layer="all") else None,
        loads=_loads(snapshot),
        levels=tuple(
            _level(snapshot, layer)
            for layer in ("l1", "l2")
            if snapshot.count(LOOKUPS, layer=layer) or snapshot.count(PUTS, layer=layer)
        ),
        by_operation=_operations(snapshot),
    )


def _missed(snapshot: Snapshot, layer: str) -> MissFigures:
    def count(reason: str) -> int:
        return round(snapshot.count(MISSES, layer=layer, reason=reason))

    return MissFigures(
        absent=count("absent"),
        expired=count("expired"),
        invalidated=count("invalidated"),
        evicted=None if layer == "l2" else count("evicted"),
        unreadable=count("unreadable") if layer == "l2" else None,
    )


def _loads(snapshot: Snapshot) -> Latency:
    loaded = snapshot.count(LOADS, result="success")
    failed = snapshot.count(LOADS, result="failure")
    seen = snapshot.timer(LOAD)
    block = Latency(**Latency.fields_of(snapshot, seen))
    if not loaded and not failed:
        return block
    return attrs.evolve(
        block,
        count=round(loaded + failed),
        rate=snapshot.rate(loaded + failed),
        errors=round(failed),
        error_rate=ratio(failed, loaded + failed),
    )


def _level(snapshot: Snapshot, layer: Layer) -> LevelFigures:
    is_l2 = layer == "l2"
    return LevelFigures(
        layer=layer,
        hits=round(snapshot.count(LOOKUPS, layer=layer, result="hit")),
        misses=round(snapshot.count(LOOKUPS, layer=layer, result="miss")),
        hit_rate=hit_rate(snapshot, layer),
        missed=_missed(snapshot, layer),
        puts=round(snapshot.count(PUTS, layer=layer)),
        evictions=None if is_l2 else round(snapshot.count(EVICTIONS, layer=layer)),
        errors=round(snapshot.count(ERRORS, layer=layer)) if is_l2 else None,
        bytes_read=round(snapshot.count(BYTES, op="read")) if is_l2 else None,
        bytes_written=round(snapshot.count(BYTES, op="written")) if is_l2 else None,
    )


def _operations(snapshot: Snapshot) -> tuple[OperationFigures, ...]:
    rows = []
    for tags, _ in snapshot.timers(DURATION):
        layer: Layer = "l1" if tags["layer"] == "l1" else "l2"
        block = operation_fields(snapshot, **tags)
        sampled = block["count"] is None
        rows.append(OperationFigures(**block, layer=layer, op=tags["op"], sampled=sampled))
    return tuple(sorted(rows, key=lambda row: (row.layer, row.op)))
