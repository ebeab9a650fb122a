"""Putting the report of a cache together, and telling whether it has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeVar

import attrs

from ...collectors.cache_detail import LevelFigures, MissFigures
from ...collectors.latency import ratio
from ..store.sizes import size_of
from .advice import advise
from .report import (
    CacheReport,
    LinkReport,
    MemoryReport,
    OperationTotal,
    PatternReport,
    RecentError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..core import Core
    from ..store.entry import Entry
    from ..warm.warm_ups import WarmResult
    from .stats import PatternCounts

__all__ = ["report_of", "state_of"]

N = TypeVar("N", int, float)

_MOST_SIZED: Final = 64


def report_of(core: Core, warm_ups: tuple[WarmResult, ...]) -> CacheReport:
    """Put the report of a cache together."""
    memory, counts, below = core.memory, core.memory.counts, core.below
    memory.tally.walk()
    entries = memory.store.entries()
    patterns = _patterns(core, entries)
    hits, misses = counts.l1_hits + counts.hits, counts.misses
    loads = [each for each in memory.patterns.all() if each.timed]
    timed = sum(each.timed for each in loads)
    report = CacheReport(
        namespace=core.namespace,
        since=core.since,
        hits=hits,
        misses=misses,
        hit_rate=ratio(hits, hits + misses),
        missed=_missed(counts.reasons),
        loads=counts.loads,
        load_failures=counts.load_failures,
        load_seconds=sum(each.load_seconds for each in loads),
        mean_load_seconds=sum(each.timed_seconds for each in loads) / timed if timed else None,
        time_saved=_sum(each.time_saved for each in patterns),
        stale_served=counts.stale_served,
        refreshes=counts.refreshes,
        timeouts=counts.timeouts,
        refused=counts.refused,
        unstorable=counts.unstorable,
        unreadable=dict(counts.unreadable),
        levels=_levels(core),
        patterns=patterns,
        l2_operations=_operations(core),
        memory=MemoryReport(
            entries=len(memory.store),
            size=memory.store.currsize,
            maxsize=memory.store.maxsize,
            bytes=_sum(each.bytes for each in patterns),
        ),
        address=None if below is None else str(below.address),
        breaker=None if below is None else below.breaker.report(),
        link=_link(core),
        errors=counts.errors,
        recent_errors=tuple(
            RecentError(at=at, where=where, error=error)
            for at, where, error in reversed(list(counts.recent_errors))
        ),
        warm_ups=warm_ups,
    )
    return attrs.evolve(report, advice=advise(report))


def state_of(core: Core, warm_ups: tuple[WarmResult, ...]) -> int:
    """Give a number that changes with the report, at a fraction of its price."""
    memory, counts, below = core.memory, core.memory.counts, core.below
    state: list[object] = [core.since, warm_ups, len(memory.store), memory.store.currsize]
    state += [memory.store.evictions, counts.errors, repr(counts.unreadable)]
    state += [value for value in vars(counts).values() if isinstance(value, int)]
    state += [
        (each.pattern, each.ttl, each.invalidations, each.puts, each.loads, each.l2_bytes)
        for each in memory.patterns.all()
    ]
    state += [(op, total.count) for op, total in list(core.operations.totals.items())]
    if below is not None:
        # Not the whole report: a part of that is how long something takes from now on.
        breaker = below.breaker.report()
        state += [
            breaker.state,
            breaker.since,
            breaker.failures,
            breaker.last_error_at,
            _link(core),
        ]
    return hash(tuple(state))


def _sum(values: Iterable[N | None]) -> N | int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _missed(reasons: Mapping[str, int]) -> MissFigures:
    return MissFigures(
        absent=reasons["absent"],
        expired=reasons["expired"],
        invalidated=reasons["invalidated"],
        evicted=reasons.get("evicted"),
        unreadable=reasons.get("unreadable"),
    )


def _levels(core: Core) -> tuple[LevelFigures, ...]:
    counts = core.memory.counts
    first = LevelFigures(
        layer="l1",
        hits=counts.l1_hits,
        misses=counts.l1_misses,
        hit_rate=ratio(counts.l1_hits, counts.l1_hits + counts.l1_misses),
        missed=_missed(counts.l1_reasons),
        puts=counts.l1_puts,
        evictions=core.memory.store.evictions,
        errors=None,
        bytes_read=None,
        bytes_written=None,
    )
    if core.below is None:
        return (first,)
    return first, LevelFigures(
        layer="l2",
        hits=counts.l2_hits,
        misses=counts.l2_misses,
        hit_rate=ratio(counts.l2_hits, counts.l2_hits + counts.l2_misses),
        missed=_missed(counts.l2_reasons),
        puts=counts.l2_puts,
        evictions=None,
        errors=sum(counts.l2_errors.values()),
        bytes_read=counts.bytes_read,
        bytes_written=counts.bytes_written,
    )


def _operations(core: Core) -> tuple[OperationTotal, ...]:
    return tuple(
        OperationTotal(
            op=op,
            count=total.count,
            errors=total.failed,
            avg=total.seconds / total.count if total.count else 0.0,
        )
        for (_, op), total in sorted(core.operations.totals.items())
    )


def _link(core: Core) -> LinkReport | None:
    below = core.below
    if below is None:
        return None
    backplane = below.backplane
    state: Literal["idle", "linked", "lost"] = "idle"
    if backplane.is_linked:
        state = "linked"
    elif backplane.is_running and backplane.first_try.done():
        state = "lost"
    return LinkReport(
        state=state,
        lag=backplane.lag,
        losses=backplane.losses,
        messages=core.memory.counts.messages,
        unsent=below.level2.unsent,
    )


def _patterns(core: Core, entries: list[tuple[str, Entry]]) -> tuple[PatternReport, ...]:
    """Report on all patterns, that with most lookups first."""
    held: dict[str, int] = {}
    for _, entry in entries:
        name = entry.group.pattern.pattern
        held[name] = held.get(name, 0) + 1
    sizes = _sizes(entries)
    cold = _cold(core)
    rows = [
        _pattern(each, held.get(each.pattern, 0), sizes.get(each.pattern), cold.get(each.pattern))
        for each in core.memory.patterns.all()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.hits - row.misses, row.pattern)))


def _sizes(entries: list[tuple[str, Entry]]) -> dict[str, float]:
    """Give the mean size of the entries of each pattern, in bytes, by a sample."""
    sizes: dict[str, list[int]] = {}
    for key, entry in entries[:: 1 + len(entries) // _MOST_SIZED]:
        sizes.setdefault(entry.group.pattern.pattern, []).append(size_of(key, entry))
    return {pattern: sum(each) / len(each) for pattern, each in sizes.items()}


def _cold(core: Core) -> dict[str, tuple[int, int]]:
    """Give how many keys were missed just after the start, and their hits since, by pattern."""
    found: dict[str, tuple[int, int]] = {}
    for key, pattern in list(core.memory.counts.early.items()):
        if core.memory.hot.is_hot(key):
            keys, hits = found.get(pattern.pattern, (0, 0))
            found[pattern.pattern] = (keys + 1, hits + core.memory.hot.hits(key))
    return found


def _pattern(
    counts: PatternCounts, entries: int, size: float | None, cold: tuple[int, int] | None
) -> PatternReport:
    hits = counts.l1_hits + counts.l2_hits
    reasons = {
        "absent": counts.absent,
        "expired": counts.expired,
        "invalidated": counts.invalidated,
        "evicted": counts.evicted,
    }
    misses = sum(reasons.values())
    mean = counts.mean_load
    cold_keys, cold_hits = cold or (0, 0)
    return PatternReport(
        pattern=counts.pattern,
        hits=hits,
        l1_hits=counts.l1_hits,
        l2_hits=counts.l2_hits,
        misses=misses,
        hit_rate=ratio(hits, hits + misses),
        missed=_missed(reasons),
        loads=counts.loads,
        load_failures=counts.load_failures,
        mean_load_seconds=mean,
        time_saved=None if mean is None else hits * mean,
        puts=counts.puts,
        evictions=counts.evictions,
        invalidations=counts.invalidations,
        ttl=counts.ttl or None,
        entries=entries,
        bytes=None if size is None else round(size * entries),
        l2_bytes_written=counts.l2_bytes,
        compared=counts.steadiness.compared,
        unchanged=counts.steadiness.unchanged,
        hot_expired=counts.hot_expired,
        cold_keys=cold_keys,
        cold_hits=cold_hits,
    )
