"""How long operations take: values waiting to be moved into the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Operations"]

_MOST_WAITING = 10_000


class Operations:
    """Takes the durations of operations, and hands them over when asked."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], list[float]] = {}
        self._failed: dict[tuple[str, str], int] = {}

    def record(self, op: str, seconds: float, failed: bool) -> None:  # noqa: FBT001 - hot
        """Take one operation on L2."""
        self.take("l2", op, seconds)
        if failed:
            self._failed["l2", op] = self._failed.get(("l2", op), 0) + 1

    def take(self, layer: str, op: str, seconds: float) -> None:
        """Take one operation; where nobody empties them, the latest are enough."""
        waiting = self._seconds.get((layer, op))
        if waiting is None:
            waiting = self._seconds.setdefault((layer, op), [])
        elif len(waiting) >= _MOST_WAITING:
            del waiting[: _MOST_WAITING // 2]
        waiting.append(seconds)

    def drain(self) -> Iterator[tuple[str, str, list[float], int]]:
        """Give layer, operation, durations in seconds and failures since last time."""
        for (layer, op), waiting in list(self._seconds.items()):
            count = len(waiting)
            seconds = waiting[:count]
            del waiting[:count]
            failed = self._failed.pop((layer, op), 0)
            if seconds or failed:
                yield layer, op, seconds, failed
