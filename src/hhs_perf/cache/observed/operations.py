"""How long operations take: values waiting to be moved into the metrics, and their sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Operations", "Total"]

Layer = Literal["l1", "l2"]

_MOST_WAITING: Final = 10_000


class Total:
    """How many operations of one kind there were, how many failed, and their seconds."""

    __slots__ = ("count", "failed", "seconds")

    def __init__(self) -> None:
        self.count = self.failed = 0
        self.seconds = 0.0


class Operations:
    """Takes the durations of operations, and hands them over when asked."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Layer, str], list[float]] = {}
        self._failed: dict[tuple[Layer, str], int] = {}
        self.totals: dict[tuple[Layer, str], Total] = {}
        """By layer and operation, since the start."""

    def take(self, layer: Layer, op: str, seconds: float) -> None:
        """Take one operation; where nobody empties them, the latest are enough."""
        waiting = self._waiting.get((layer, op))
        if waiting is None:
            self.totals.setdefault((layer, op), Total())
            waiting = self._waiting.setdefault((layer, op), [])
        elif len(waiting) >= _MOST_WAITING:
            del waiting[: _MOST_WAITING // 2]
        waiting.append(seconds)
        total = self.totals[layer, op]
        total.count += 1
        total.seconds += seconds

    def fail(self, layer: Layer, op: str) -> None:
        """Take that the operation that was just taken failed."""
        self._failed[layer, op] = self._failed.get((layer, op), 0) + 1
        self.totals[layer, op].failed += 1

    def drain(self) -> Iterator[tuple[Layer, str, list[float], int]]:
        """Give layer, operation, durations in seconds and failures since last time."""
        for (layer, op), waiting in list(self._waiting.items()):
            count = len(waiting)
            seconds = waiting[:count]
            del waiting[:count]
            failed = self._failed.pop((layer, op), 0)
            if seconds or failed:
                yield layer, op, seconds, failed

    def clear(self) -> None:
        """Begin at nothing."""
        self._waiting.clear()
        self._failed.clear()
        self.totals.clear()
