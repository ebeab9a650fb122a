"""What is noted of one pool while it works, at as little cost as can be."""

from __future__ import annotations

import math
from contextvars import copy_context
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Final, Literal, Protocol
from weakref import WeakSet, ref

from ..._fork import renew_after_fork
from .holders import Note

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.pool import ConnectionPoolEntry, Pool

    from ..._faults import Faults
    from ..lines import Line
    from .holders import Hold, TaskRef
    from .report import TimedBy

__all__ = ["Ledger", "Listener", "Sum"]

Kind = Literal["wait", "connect", "hold"]
Event = Literal["timeouts", "invalidations"]

DRAIN_AT: Final = 4096
_NEVER: Final = 2**62
_MOST_STRANDED: Final = 1000
# Kept on the record of a connection, which lives through its reconnections.
_CONNECTING: Final = "_hhs_perf_connecting"
_CONNECTED: Final = "_hhs_perf_connected"


class Listener(Protocol):
    """Who is told of what a pool did."""

    def durations(self, ledger: Ledger, kind: Kind, values: list[float]) -> None:
        """Take durations in seconds."""
        ...

    def happened(self, ledger: Ledger, event: Event) -> None:
        """Take one event."""
        ...


class Sum:
    """Count, total and longest of durations since the start; guarded by its ledger's lock."""

    __slots__ = ("count", "longest", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.longest = 0.0

    def take(self, values: list[float]) -> None:
        """Add durations in seconds."""
        self.count += len(values)
        self.total += math.fsum(values)
        longest = max(values)
        self.longest = max(self.longest, longest)


class Ledger:
    """What one pool did since it was first watched, and all pools that replaced it.

    Threads and tasks that take and return connections append to `waits` and `holds` and write
    to `out`, `waiters`, `created` and `notes`; each of these steps is atomic under the GIL. All
    else is guarded by `lock`. Connections are known by the id of their record, never held.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        faults: Faults,
        line_of: Callable[[], Line | None],
    ) -> None:
        self.now = now
        self.line_of = line_of
        self.faults = faults
        self.timed_by: TimedBy = "none"
        self.times_holds = True
        self.reason: str | None = None
        # Reentrant: a collection inside a drain may return a connection, and so drain.
        self.lock = RLock()
        self.out: dict[int, Hold] = {}
        self.waits: list[float] = []
        self.holds: list[float] = []
        self.connected: list[float] = []
        self.waiters: dict[int, float] = {}
        self.created: dict[int, float] = {}
        self.pools: WeakSet[Pool] = WeakSet()
        self.listeners: tuple[ref[Listener], ...] = ()
        self.stop_hearing: Callable[[], None] | None = None
        self._busy_from = _NEVER
        self.look_from = _NEVER
        """How many connections are out when the line that takes one is looked up."""
        self.notes: dict[int, Note] = {}
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self.sums: dict[Kind, Sum] = {"wait": Sum(), "connect": Sum(), "hold": Sum()}
        self.most_in_use = 0
        self.quiet_to = 0
        self.most_waiting = 0
        self.taken_by_event = 0
        self.gave_up = 0
        self.timeouts = 0
        self.invalidations = 0
        self.connects = 0
        self.reconnects = 0
        self.connect_errors = 0
        self.closes = 0

    def lend(self, record: object, task: TaskRef | None) -> None:
        """Note who took a connection, where the pool itself is not timed."""
        self.out[id(record)] = (self.now(), get_ident(), copy_context(), task)
        self.crowded(id(record))

    def crowded(self, key: int) -> None:
        """Note that more connections are out than `quiet_to`; that of `key` was taken last."""
        used = len(self.out)
        with self.lock:
            self.most_in_use = max(self.most_in_use, used)
            self.quiet_to = min(self.most_in_use, self.look_from - 1)
        if used >= self.look_from:
            hold = self.out.get(key)
            if hold is not None:
                self.notes[key] = Note(hold[0], self.line_of())

    def returned(self, record: object) -> None:
        """Note that a connection came back, where the pool itself is not timed."""
        hold = self.out.pop(id(record), None)
        if hold is not None:
            self.holds.append(self.now() - hold[0])
            if len(self.holds) >= DRAIN_AT:
                self.drain()

    def note_of(self, key: int, hold: Hold) -> Note:
        """Give what is known besides of a connection that is out."""
        note = self.notes.get(key)
        if note is None or note.taken_at != hold[0]:
            note = self.notes[key] = Note(hold[0], None)
        return note

    def forget_returned(self) -> None:
        """Drop what was noted of connections that are back."""
        for key, note in list(self.notes.items()):
            hold = self.out.get(key)
            if hold is None or hold[0] != note.taken_at:
                self.notes.pop(key, None)

    def gone(self, begun: float, *, timed_out: bool) -> None:
        """Note that a caller who asked at `begun` left without a connection."""
        self.waits.append(max(self.now() - begun, 0.0))
        with self.lock:
            self.gave_up += 1
            self.timeouts += timed_out
        if timed_out:
            self.tell("timeouts")
        if len(self.waits) >= DRAIN_AT:
            self.drain()

    def made(self, record: object, seconds: float) -> None:
        """Note how long the caller who waits for `record` was kept by its making."""
        if len(self.created) >= _MOST_STRANDED:
            self.created.clear()
        self.created[id(record)] = seconds

    def connecting(self, record: ConnectionPoolEntry) -> None:
        """Note that the driver is asked for a connection."""
        record.__dict__[_CONNECTING] = self.now()

    def connects_anew(self, record: ConnectionPoolEntry) -> None:
        """Note that a connection was made, and set up by all that listen for that before us."""
        known = record.__dict__
        begun = known.pop(_CONNECTING, None)
        if begun is not None:
            self.connected.append(max(self.now() - begun, 0.0))
        with self.lock:
            self.connects += 1
            self.reconnects += _CONNECTED in known
        known[_CONNECTED] = True

    def failed_to_connect(self) -> None:
        """Note that no connection could be made."""
        with self.lock:
            self.connect_errors += 1

    def closed(self) -> None:
        """Note that a connection was closed."""
        with self.lock:
            self.closes += 1

    def counted_waiting(self, waiting: int) -> None:
        """Note how many wait at once."""
        with self.lock:
            self.most_waiting = max(self.most_waiting, waiting)

    def invalidated(self) -> None:
        """Note that a connection was given up as broken, at once or at its return."""
        with self.lock:
            self.invalidations += 1
        self.tell("invalidations")

    def tell(self, event: Event) -> None:
        """Tell the listeners of an event."""
        for listener in self.alive():
            listener.happened(self, event)

    def alive(self) -> list[Listener]:
        """Give those who listen and still live."""
        return [listener for held in self.listeners if (listener := held()) is not None]

    def drain(self) -> None:
        """Add up what was noted since the last time and hand it to the listeners."""
        noted: tuple[tuple[Kind, list[float]], ...] = (
            ("wait", self.waits),
            ("connect", self.connected),
            ("hold", self.holds),
        )
        drained: list[tuple[Kind, list[float]]] = []
        with self.lock:
            for kind, buffer in noted:
                values = buffer[: len(buffer)]
                if values:
                    del buffer[: len(values)]
                    self.sums[kind].take(values)
                    drained.append((kind, values))
        # Nobody is called under the lock: a finalizer may return a connection anywhere.
        for kind, values in drained:
            for listener in self.alive():
                listener.durations(self, kind, values)

    def checkouts(self) -> int:
        """Count the connections handed out; drain first."""
        if self.timed_by == "pool":
            return self.sums["wait"].count - self.gave_up
        return self.taken_by_event

    def look_when_busy(self, capacity: int | None) -> None:
        """Look up the line that takes a connection when half of the pool is out."""
        self._busy_from = _NEVER if capacity is None else max(1, (capacity + 1) // 2)
        self.look_from = self._busy_from

    def look_always(self, always: bool) -> None:  # noqa: FBT001 - it says which
        """Look up every line that takes a connection, while somebody keeps what he takes."""
        look_from = 0 if always else self._busy_from
        if look_from != self.look_from:
            with self.lock:
                self.look_from = look_from
                self.quiet_to = min(self.most_in_use, look_from - 1)

    def after_fork_in_child(self) -> None:
        """Begin at nothing: what was counted, and who holds what, is the parent's to tell."""
        self.lock = RLock()
        for held in (self.waits, self.holds, self.connected):
            held.clear()
        for known in (self.out, self.waiters, self.created, self.notes):
            known.clear()
        self.look_from = self._busy_from
        self._begin()
