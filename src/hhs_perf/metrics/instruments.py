"""Instruments: what takes observations, and how these get into slots."""

from __future__ import annotations

import math
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, Protocol, TypeVar

from .slots import OpenSlot, Rings, clean
from .timing import Timing, wrap
from .totals import Folder
from .window import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .digest import DigestEngine
    from .distribution import Distribution, Threshold
    from .window import Window

__all__ = ["Buffer", "Counter", "Gauge", "InstrumentKind", "SeriesHost", "Tags", "Timer"]

P = ParamSpec("P")
R = TypeVar("R")

Tags = tuple[tuple[str, str], ...]
"""A set of tags: pairs of name and value, sorted by name."""
InstrumentKind = Literal["timer", "counter", "gauge"]

_CHECK_AT: Final = 512


class SeriesHost(Protocol):
    """What a series needs of the registry that holds it."""

    engine: DigestEngine
    monotonic: Callable[[], float]
    due_at: float
    """The monotonic reading at which the open slots end."""

    def now(self) -> float:
        """Give the place on the timeline that slots are cut along."""
        ...

    def thresholds(self, name: str) -> tuple[Threshold, ...]:
        """Give the levels at which timers `name` count exactly, as of now."""
        ...

    def closing(self, name: str, tags: Tags, seen: Distribution) -> None:
        """Take what a series saw in the slot that it closes."""
        ...

    def flush_if_free(self) -> None:
        """Empty all buffers, unless another thread is doing so already."""
        ...


class Buffer(list[float]):
    """Observations not yet in a slot.

    It is emptied in place and never replaced, since `record` is its bound `append`. It knows its
    series, so that a series lives as long as anybody can record to it.
    """

    __slots__ = ("series",)

    def __init__(self, series: object) -> None:
        super().__init__()
        self.series = series

    def drain(self) -> list[float]:
        """Take what is here now; each step is atomic under the GIL, so nothing late is lost."""
        n = len(self)
        chunk = self[:n]
        del self[:n]
        return chunk


class _Series:
    """One name with one set of tags; all but `record` is guarded by the registry's flush lock."""

    __slots__ = ("__weakref__", "_host", "_rings", "buffer", "name", "record", "tags", "touched")

    _rings: Rings[Any]

    def __init__(self, name: str, tags: Tags, host: SeriesHost) -> None:
        self.name = name
        self.tags = tags
        self._host = host
        self.touched = host.now()
        self.buffer = Buffer(self)
        self.record: Callable[[float], None] = self._checked

    def use_ticks(self, *, ticking: bool) -> None:
        """Take by bare append while a tick empties the buffers, by a checked one otherwise."""
        self.record = self.buffer.append if ticking else self._checked

    def _checked(self, value: float) -> None:
        host = self._host
        if host.monotonic() >= host.due_at or len(self.buffer) >= _CHECK_AT:
            host.flush_if_free()
        self.buffer.append(value)

    def record_all(self, values: Iterable[float]) -> None:
        """Take many at once: what is refused is counted when it is moved into a slot."""
        self.buffer.extend(values)
        host = self._host
        if host.monotonic() >= host.due_at or len(self.buffer) >= _CHECK_AT:
            host.flush_if_free()

    def is_forgettable(self, now: float) -> bool:
        """Tell whether nothing was observed for longer than the longest window."""
        return not self.buffer and now - self.touched > DAY.seconds


class Timer(_Series):
    """Takes durations in seconds, of one name and one set of tags.

    `record(seconds)` takes one. It never raises: what is negative, not finite or no number is
    refused and counted. Kept in a local variable it costs a list append while the monitor ticks;
    keep it no longer than the monitor runs.

    The module that frames closed slots takes 20 ms to import, which start-up does without.
    """

    __slots__ = ("_open", "folded")

    def __init__(self, name: str, tags: Tags, host: SeriesHost) -> None:
        super().__init__(name, tags, host)
        self.reopen(self.touched)

    def time(self) -> Timing:
        """Time a `with` block, whether it ends or raises."""
        return Timing(self.record, self._host.monotonic)

    def timed(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function so that each call is timed, whether it returns or raises.

        Coroutine functions are timed from call to result, generators and asynchronous
        generators from their first step to their end.
        """
        return wrap(function, self, self._host.monotonic)

    def reopen(self, now: float) -> None:
        """Begin with empty slots, at `now`; the buffer stays."""
        self.touched = now
        self._rings: Rings[bytes] = Rings(Folder(self._host.engine), now)
        self.folded: dict[str, tuple[int, bytes]] = {}
        self._open = self._new_slot()

    def clear(self, now: float) -> None:
        """Forget all, in a forked child: what was seen is the parent's to tell."""
        self.buffer.clear()
        self.reopen(now)

    def _new_slot(self) -> OpenSlot:
        return OpenSlot(self._host.engine, self._host.thresholds(self.name))

    def flush(self, now: float) -> bool:
        """Move the buffer into the open slot, close slots that ended; tell if anything moved."""
        moved = bool(self.buffer)
        if moved:
            self._open.take(self.buffer.drain())
            self.touched = now
        if self._rings.is_due(now):
            self._roll(now)
        return moved

    def _roll(self, now: float) -> None:
        closed = None
        if self._open.count or self._open.rejected:
            from .frame import encode  # noqa: PLC0415 - slow, see the class

            seen = self._open.seen()
            closed = encode(self._rings.open_index, self._rings.open_seconds, seen)
            self._host.closing(self.name, self.tags, seen)
            self._open = self._new_slot()
        elif self._open.thresholds is not self._host.thresholds(self.name):
            self._open = self._new_slot()
        self._rings.roll(now, closed)

    def parts(self, window: Window, now: float) -> tuple[tuple[bytes, ...], Distribution]:
        """Give the closed slots that `window` reaches and what the open one saw; flush first."""
        return tuple(self._rings.closed(window, now)), self._open.seen()


def _fold_amounts(slot: int, seconds: int, parts: Sequence[float], kept: int) -> float:  # noqa: ARG001 - the shape of Fold
    return math.fsum(parts)


class Counter(_Series):
    """Counts events, of one name and one set of tags."""

    __slots__ = ("_open", "rejected")

    def __init__(self, name: str, tags: Tags, host: SeriesHost) -> None:
        super().__init__(name, tags, host)
        self.rejected = 0
        self.reopen(self.touched)

    @property
    def add(self) -> Callable[[float], None]:
        """The function that takes an amount, zero or more; others are refused and counted."""
        return self.record

    def reopen(self, now: float) -> None:
        """Begin with empty slots, at `now`; the buffer stays."""
        self.touched = now
        self._rings: Rings[float] = Rings(_fold_amounts, now)
        self._open = 0.0

    def clear(self, now: float) -> None:
        """Forget all, in a forked child: what was seen is the parent's to tell."""
        self.buffer.clear()
        self.rejected = 0
        self.reopen(now)

    def flush(self, now: float) -> bool:
        """Move the buffer into the open slot, close slots that ended; tell if anything moved."""
        moved = bool(self.buffer)
        if moved:
            _, total, rejected = clean(self.buffer.drain())
            self._open += total
            self.rejected += rejected
            self.touched = now
        if self._rings.is_due(now):
            self._rings.roll(now, self._open or None)
            self._open = 0.0
        return moved

    def total(self, window: Window, now: float) -> float:
        """Give the sum of the amounts in `window`; flush first."""
        return math.fsum(self._rings.closed(window, now)) + self._open


class Gauge:
    """Holds the latest value, of one name and one set of tags."""

    __slots__ = ("__weakref__", "_lock", "_value", "name", "rejected", "tags")

    def __init__(self, name: str, tags: Tags) -> None:
        self.name = name
        self.tags = tags
        self.rejected = 0
        # Guards _value and rejected: add() reads and writes. Reentrant: a signal handler or a
        # finalizer may move the very gauge that its thread is moving.
        self._lock = RLock()
        self._value: float | None = None

    @property
    def value(self) -> float | None:
        """The latest value, None before the first."""
        return self._value

    def set(self, value: float) -> None:
        """Take a value; what is not a finite number is refused and counted."""
        number = _finite(value)
        with self._lock:
            if number is None:
                self.rejected += 1
            else:
                self._value = number

    def add(self, change: float) -> None:
        """Move the value by `change`, from 0 before the first; refuses what is not finite."""
        number = _finite(change)
        with self._lock:
            if number is None:
                self.rejected += 1
            else:
                self._value = (self._value or 0.0) + number

    def clear(self) -> None:
        """Forget all, in a forked child, where the lock may have been somebody else's."""
        self._lock = RLock()
        self._value = None
        self.rejected = 0


def _finite(value: float) -> float | None:
    try:
        return float(value) if math.isfinite(value) else None
    except Exception:  # noqa: BLE001 - what is no number raises what it likes
        return None
