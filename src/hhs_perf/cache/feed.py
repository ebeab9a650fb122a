"""What the cache counts by itself, moved into the metrics before they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..collectors.cache import CacheCollector
    from .core import Core

__all__ = ["Feed"]


class Feed:
    """Records with a collector what was counted since last time."""

    def __init__(self, core: Core, collector: CacheCollector) -> None:
        self._core = core
        self._collector = collector
        self._last: dict[tuple[str, str], int] = {}

    def __call__(self) -> None:
        """Record the lookups and operations since last time."""
        counts = self._core.memory.counts
        l1_hits = counts.quick_hits + counts.l1_hits
        self._lookups("l1", l1_hits, counts.l1_misses)
        self._lookups("l2", counts.l2_hits, counts.l2_misses)
        self._lookups("all", l1_hits + counts.hits, counts.misses)
        for layer, op, seconds, failed in self._core.operations.drain():
            self._collector.record_operations(layer, op, seconds, failed=failed)

    def _lookups(self, layer: Literal["l1", "l2", "all"], hits: int, misses: int) -> None:
        for result, now in (("hit", hits), ("miss", misses)):
            last = self._last.get((layer, result), 0)
            self._last[layer, result] = now
            # In a forked child the counts begin anew.
            self._collector.record_lookups(layer, result, now - last if now >= last else now)
