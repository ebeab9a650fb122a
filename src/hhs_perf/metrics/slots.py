"""Slots: the open one that takes values, and the rings of those that are closed."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar
from weakref import ref

from .counted import Counted
from .distribution import (
    KEPT,
    TAIL,
    Distribution,
    Threshold,
    count_holding,
)
from .window import DAY, FIVE_MINUTES, HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .digest import Digest, DigestEngine
    from .window import Window

__all__ = ["LONGEST", "Fold", "OpenSlot", "Rings", "clean"]

_LENGTHS: Final = (FIVE_MINUTES.slot_seconds, HOUR.slot_seconds, DAY.slot_seconds)
LONGEST: Final = 1e12
"""Seconds past which a number is no duration; it keeps every sum finite."""
_KEPT_PER_HOUR: Final = 64
T = TypeVar("T")


def clean(chunk: list[float]) -> tuple[list[float], float, int]:
    """Give the durations of `chunk`, sorted, their sum, and how many items were none.

    A duration is a number from 0 to `LONGEST` seconds.
    """
    try:
        values = sorted(chunk)
        total = sum(values)
        if (
            type(total) is float
            and math.isfinite(total)
            and values[0] >= 0
            and values[-1] <= LONGEST
        ):
            return values, total, 0
    except Exception:  # noqa: BLE001 - what is no number raises what it likes
        values = []
        for item in chunk:
            with suppress(Exception):
                values += array("d", (item,))
    sound = sorted(value for value in values if 0 <= value <= LONGEST)
    return sound, sum(sound), len(chunk) - len(sound)


class OpenSlot:
    """The slot under way of one timer series; guarded by the registry's flush lock."""

    __slots__ = (
        "_counts",
        "_digest",
        "_engine",
        "_seen",
        "_tail",
        "_values",
        "count",
        "high",
        "low",
        "rejected",
        "thresholds",
        "total",
    )

    def __init__(self, engine: DigestEngine, thresholds: tuple[Threshold, ...]) -> None:
        self._engine = engine
        self.thresholds = thresholds
        self._counts = [0] * len(thresholds)
        self._values: array[float] | None = array("d")
        self._tail: list[float] = []
        self._digest: Digest | None = None
        # Held weakly: the windows read in one pass share it, nobody else pays for it.
        self._seen: ref[Distribution] | None = None
        self.count = 0
        self.rejected = 0
        self.total = 0.0
        self.low = math.inf
        self.high = 0.0

    def take(self, chunk: list[float]) -> None:
        """Take observations as they were recorded; `chunk` is sorted in place."""
        chunk, total, rejected = clean(chunk)
        self.rejected += rejected
        self._seen = None
        if not chunk:
            return
        self.count += len(chunk)
        self.total += total
        self.low = min(self.low, chunk[0])
        self.high = max(self.high, chunk[-1])
        for index, threshold in enumerate(self.thresholds):
            self._counts[index] += count_holding(chunk, threshold)
        if self._values is not None:
            self._values.extend(chunk)
            if self.count <= KEPT:
                return
            chunk = sorted(self._values)
            self._values = None
        if self._digest is None:
            self._digest = self._engine.new()
        self._digest.update(chunk)
        top = chunk[-TAIL:]
        if len(self._tail) < TAIL or top[-1] > self._tail[0]:
            self._tail = sorted(self._tail + top)[-TAIL:]

    def seen(self) -> Distribution:
        """Give what the slot has taken so far, independent of what it takes later."""
        held = None if self._seen is None else self._seen()
        if held is not None:
            return held
        seen = Distribution(
            count=self.count,
            sum=self.total,
            min=self.low if self.count else None,
            max=self.high if self.count else None,
            rejected=self.rejected,
            thresholds=Counted(
                self.thresholds, tuple(self._counts), (self.count,) * len(self.thresholds)
            ),
            values=None if self._values is None else array("d", sorted(self._values)),
            tail=None if self._values is not None else array("d", self._tail),
            digest=None if self._digest is None else self._digest.copy(),
        )
        self._seen = ref(seen)
        return seen


class Fold(Protocol[T]):
    """How closed slots become one longer slot."""

    def __call__(self, slot: int, seconds: int, parts: Sequence[T], kept: int) -> T:
        """Fold `parts` into slot number `slot` of `seconds`, keeping `kept` values at most."""
        ...


class Rings(Generic[T]):
    """Closed slots of one series: 30 s for 5 minutes, 5 min for an hour, 1 h for a day.

    A closed slot stands once in memory: it leaves its ring when no window can reach it, and is
    folded into the next longer slot when that closes.
    """

    __slots__ = ("_fold", "_indices", "_pending", "_rings", "_slots")

    def __init__(self, fold: Fold[T], now: float) -> None:
        self._fold = fold
        self._indices = [int(now // length) for length in _LENGTHS]
        self._slots: tuple[array[int], ...] = (array("q"), array("q"), array("q"))
        self._rings: tuple[list[T], ...] = ([], [], [])
        self._pending: tuple[list[T], list[T]] = ([], [])

    @property
    def open_index(self) -> int:
        """The number of the open 30 s slot."""
        return self._indices[0]

    @property
    def open_seconds(self) -> int:
        """The length of the open slot."""
        return _LENGTHS[0]

    def is_due(self, now: float) -> bool:
        """Tell whether the open slot has ended by `now`."""
        return now // _LENGTHS[0] > self._indices[0]

    def roll(self, now: float, closed: T | None) -> None:
        """Close the open slot with `closed`, None when it took nothing, and open that of `now`."""
        new = [int(now // length) for length in _LENGTHS]
        self._close(0, closed)
        if new[1] > self._indices[1]:
            self._fold_pending(0)
        if new[2] > self._indices[2]:
            self._fold_pending(1)
        self._indices = new
        windows = (FIVE_MINUTES, HOUR, DAY)
        for slots, ring, index, window in zip(self._slots, self._rings, new, windows, strict=True):
            gone = bisect_right(slots, index - window.slots)
            del slots[:gone], ring[:gone]

    def _close(self, tier: int, closed: T | None) -> None:
        if closed is None:
            return
        self._slots[tier].append(self._indices[tier])
        self._rings[tier].append(closed)
        if tier < len(self._pending):
            self._pending[tier].append(closed)

    def _fold_pending(self, tier: int) -> None:
        parts = self._pending[tier]
        if parts:
            longer = tier + 1
            kept = KEPT if longer == 1 else _KEPT_PER_HOUR
            slot = self._indices[longer]
            self._close(longer, self._fold(slot, _LENGTHS[longer], parts, kept))
            parts.clear()

    def closed(self, window: Window, now: float) -> list[T]:
        """Give the closed slots that `window` reaches at `now`, oldest first.

        `roll` must have been called for `now`.
        """
        tier = _LENGTHS.index(window.slot_seconds)
        first = int(now // window.slot_seconds) - window.slots + 1
        closed = self._rings[tier][bisect_left(self._slots[tier], first) :]
        for shorter in reversed(range(tier)):
            closed += self._pending[shorter]
        return closed
