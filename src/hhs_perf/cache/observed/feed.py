"""What the cache counts by itself, moved into the metrics before they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..._fork import renew_after_fork
from ...collectors.cache import BYTES, EVICTIONS, LOOKUPS, MISSES, PUTS, TIME_SAVED

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Mapping

    from ...collectors.cache import CacheCollector
    from ..core import Core

__all__ = ["Feed"]

# Turns from one choice of the keys whose look-ups are timed to the next.
_CHOOSE_EVERY: Final = 10
_TIMED_KEYS: Final = 4
_LOOKS: Final = 16


class Feed:
    """Records with a collector what was counted since last time.

    Called each second and before each reading, so it records nothing where nothing was counted.
    A failure is the cache's, not that of whoever reads.
    """

    def __init__(self, core: Core, collector: CacheCollector) -> None:
        self._core = core
        self._collector = collector
        self._last: dict[tuple[str, ...], float] = {}
        self._turns = 0
        # Hot keys, by which look-ups are timed.
        self._timed: list[str] = []
        renew_after_fork(self)

    def __call__(self) -> None:
        """Record what was counted since last time."""
        try:
            self._feed()
        except Exception as exc:  # noqa: BLE001 - a named border: L1 may be a cache of the host's
            self._core.faults.note("the cache's figures", exc)

    def after_fork_in_child(self) -> None:
        """Begin at nothing, as the counts do."""
        self._last = {}
        self._timed = []

    def _feed(self) -> None:
        memory, counts = self._core.memory, self._core.memory.counts
        memory.tally.take()
        if self._turns % _CHOOSE_EVERY == 0:
            self._timed = [key for key, _ in memory.hot.top(_TIMED_KEYS)]
        self._turns += 1
        if self._lookups():
            self._time_saved()
            self._time_looks()
        self._misses("l1", counts.l1_reasons)
        self._misses("l2", counts.l2_reasons)
        self._misses("all", counts.reasons)
        self._add(PUTS, counts.l1_puts, layer="l1")
        self._add(PUTS, counts.l2_puts, layer="l2")
        self._add(EVICTIONS, memory.store.evictions, layer="l1")
        self._add(BYTES, counts.bytes_read, layer="l2", op="read")
        self._add(BYTES, counts.bytes_written, layer="l2", op="written")
        self._loads()
        self._operations()

    def _lookups(self) -> bool:
        """Record hits and misses; tell whether there were any."""
        counts = self._core.memory.counts
        answered = (
            ("l1", counts.l1_hits, counts.l1_misses),
            ("l2", counts.l2_hits, counts.l2_misses),
            ("all", counts.l1_hits + counts.hits, counts.misses),
        )
        seen = 0.0
        for layer, hits, misses in answered:
            seen += self._add(LOOKUPS, hits, layer=layer, result="hit")
            seen += self._add(LOOKUPS, misses, layer=layer, result="miss")
        return seen > 0

    def _misses(self, layer: str, reasons: Mapping[str, int]) -> None:
        for reason, count in reasons.items():
            self._add(MISSES, count, layer=layer, reason=reason)

    def _time_saved(self) -> None:
        """Record what the hits would have taken as loads of the same pattern."""
        saved = 0.0
        for pattern in self._core.memory.patterns.all():
            hits = self._since_last(("saved", pattern.pattern), pattern.l1_hits + pattern.l2_hits)
            saved += hits * (pattern.mean_load or 0.0)
        self._collector.add(TIME_SAVED, saved)

    def _time_looks(self) -> None:
        """Time look-ups of some hot keys: in the hits themselves there is no time for that.

        What a hit does is done here, but for the counting of it.
        """
        memory, now = self._core.memory, self._core.memory.now
        find, marks = memory.find, memory.marks
        seconds: list[float] = []
        for key in self._timed:
            started = now()
            for _ in range(_LOOKS):
                entry = find(key)
                if entry is None or entry.expires <= now() or entry.group.epoch != marks.epoch:
                    break
            else:
                seconds.append((now() - started) / _LOOKS)
        self._collector.record_sampled("l1", "get", seconds)

    def _loads(self) -> None:
        counts = self._core.memory.counts
        loaded = self._since_last(("loads", "success"), counts.loaded)
        failed = self._since_last(("loads", "failure"), counts.load_failures)
        self._collector.record_loads(_drained(counts.load_times), loaded, failed)

    def _operations(self) -> None:
        self._collector.record_sampled("l1", "put", _drained(self._core.memory.counts.put_times))
        for layer, op, seconds, failed in self._core.operations.drain():
            self._collector.record_operations(layer, op, seconds, failed=failed)

    def _add(self, name: str, now: float, **tags: str) -> float:
        more = self._since_last((name, *tags.values()), now)
        self._collector.add(name, more, **tags)
        return more

    def _since_last(self, what: tuple[str, ...], now: float) -> float:
        last = self._last.get(what, 0)
        self._last[what] = now
        # What counts may have begun anew: a pattern that was forgotten, the store.
        return now - last if now >= last else now


def _drained(waiting: deque[float]) -> list[float]:
    """Take what is waiting; what comes meanwhile is for the next time."""
    return [waiting.popleft() for _ in range(len(waiting))]
