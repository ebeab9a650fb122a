"""The pools of a monitor: which are watched, and what is told of them."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Final
from weakref import WeakSet, ref

from sqlalchemy.pool import QueuePool, StaticPool

from ..._fork import renew_after_fork
from ...collectors.database import (
    POOL_CONNECT,
    POOL_HOLD,
    POOL_INVALIDATIONS,
    POOL_TIMEOUTS,
    POOL_WAIT,
)
from ..lines import application_line
from .events import PoolEvents
from .layer import LEDGER, lay_over, ledger_of, lift
from .ledger import Ledger
from .names import engine_name
from .reading import capacity_of, look_up_lines, mark_of, read_holders, read_pool
from .trial import can_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine
    from sqlalchemy.pool import Pool

    from ..._clock import Timeline
    from ..._faults import Faults
    from ...metrics import Registry
    from ..lines import Line
    from .ledger import Event, Kind
    from .report import Holder, PoolReport

__all__ = ["PoolBook"]

_TIMERS: Final[Mapping[Kind, str]] = {
    "wait": POOL_WAIT,
    "connect": POOL_CONNECT,
    "hold": POOL_HOLD,
}
_COUNTERS: Final[Mapping[Event, str]] = {
    "timeouts": POOL_TIMEOUTS,
    "invalidations": POOL_INVALIDATIONS,
}


class _Entry:
    """A ledger and the engines whose pools write to it; two engines may share a pool."""

    def __init__(self, name: str, ledger: Ledger) -> None:
        self.name = name
        self.ledger = ledger
        self.engines: WeakSet[Engine] = WeakSet()

    def pools(self) -> list[Pool]:
        """Give the pools in use now: other ones than before, after `dispose()`."""
        return list(dict.fromkeys(engine.pool for engine in self.engines))


class PoolBook:
    """Watches the pools of engines, weakly, and tells of them.

    What is told since the start counts from the first watch of a pool, by whomever it was. The
    timers `db.pool.wait.duration{pool}`, `db.pool.connect.duration{pool}` and
    `db.pool.hold.duration{pool}` and the counters `db.pool.timeouts{pool}` and
    `db.pool.invalidations{pool}` of `collector_metrics` are fed at each flush. Connections that
    are out for more than `held_too_long` seconds are reported with their holders, whose lines
    `line_of` gives, and `route_of` the routes, each called where the connection was taken.
    """

    def __init__(
        self,
        *,
        timeline: Timeline,
        faults: Faults,
        collector_metrics: Registry,
        held_too_long: float = 30.0,
        line_of: Callable[[], Line | None] = application_line,
        route_of: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._timeline = timeline
        self._faults = faults
        self._metrics = collector_metrics
        self._held_too_long = held_too_long
        self._line_of = line_of
        self._route_of = route_of
        # Guards _entries.
        self._lock = RLock()
        self._entries: list[_Entry] = []
        collector_metrics.feed_from(self._feed)
        renew_after_fork(self)

    def watch(self, engine: Engine) -> None:
        """Watch the pool of an engine, and those that replace it; again does nothing more."""
        with self._lock:
            if any(engine in entry.engines for entry in self._entries):
                return
            self._forget_the_dead()
            ledger = ledger_of(engine.pool) or self._begin(engine)
            entry = next((one for one in self._entries if one.ledger is ledger), None)
            if entry is None:
                entry = _Entry(self._free_name(engine_name(engine)), ledger)
                self._entries.append(entry)
                ledger.drain()
                ledger.listeners = (*ledger.listeners, ref(self))
            entry.engines.add(engine)

    def unwatch(self, engine: Engine) -> None:
        """Watch an engine no longer; the last to do so leaves its pool as it was."""
        with self._lock:
            for entry in self._entries:
                entry.engines.discard(engine)
            self._forget_the_dead()

    def report(self) -> tuple[PoolReport, ...]:
        """Tell of each pool, in the order in which they were first watched."""
        return tuple(
            read_pool(name, ledger, pools, self._holders(ledger))
            for name, ledger, pools in self._watched()
        )

    def mark(self) -> tuple[object, ...]:
        """Give what changes whenever the report does, at a fraction of its price."""
        return tuple(
            (name, mark_of(ledger, pools), self._holders(ledger))
            for name, ledger, pools in self._watched()
        )

    def _watched(self) -> list[tuple[str, Ledger, list[Pool]]]:
        with self._lock:
            self._forget_the_dead()
            entries = [(entry.name, entry.ledger, entry.pools()) for entry in self._entries]
        return [entry for entry in entries if entry[2]]

    def _holders(self, ledger: Ledger) -> tuple[Holder, ...]:
        return read_holders(ledger, self._timeline, self._held_too_long, self._route_of)

    def durations(self, ledger: Ledger, kind: Kind, values: list[float]) -> None:
        """Take what a pool noted since the last time."""
        name = self._name_of(ledger)
        if name is not None:
            self._metrics.timer(_TIMERS[kind], pool=name).record_all(values)

    def happened(self, ledger: Ledger, event: Event) -> None:
        """Take one event of a pool."""
        name = self._name_of(ledger)
        if name is not None:
            self._metrics.counter(_COUNTERS[event], pool=name).add(1)

    def after_fork_in_child(self) -> None:
        """Renew the lock, which another thread of the parent may have held."""
        self._lock = RLock()

    def _name_of(self, ledger: Ledger) -> str | None:
        return next((one.name for one in list(self._entries) if one.ledger is ledger), None)

    def _free_name(self, name: str) -> str:
        taken = {entry.name for entry in self._entries}
        number = 2
        free = name
        while free in taken:
            free, number = f"{name} #{number}", number + 1
        return free

    def _begin(self, engine: Engine) -> Ledger:
        pool = engine.pool
        ledger = Ledger(now=self._timeline.monotonic, faults=self._faults, line_of=self._line_of)
        ledger.reason = can_time(type(pool))
        ledger.times_holds = not isinstance(pool, StaticPool)
        ledger.look_when_busy(capacity_of(pool))
        if ledger.reason is None and isinstance(pool, QueuePool):
            try:
                lay_over(pool, ledger)
                ledger.timed_by = "pool"
            except Exception as exc:  # noqa: BLE001 - a class that does not let itself be exchanged
                ledger.reason = f"the class of the pool cannot be exchanged: {exc}"
        is_timed = ledger.timed_by == "pool"
        holds = ledger.times_holds and not is_timed
        events = PoolEvents(engine, ledger, is_timed=is_timed, holds=holds)
        ledger.stop_hearing = events.close
        try:
            events.listen()
            ledger.timed_by = "pool" if is_timed else "events"
        except Exception as exc:  # noqa: BLE001 - a named border: the host's engine works on
            ledger.reason = f"the pool's events cannot be listened to: {exc}"
            self._faults.note("listening to a pool", exc)
        setattr(pool, LEDGER, ledger)
        ledger.pools.add(pool)
        return ledger

    def _forget_the_dead(self) -> None:
        for entry in [entry for entry in self._entries if not len(entry.engines)]:
            ledger = entry.ledger
            ledger.drain()
            self._entries.remove(entry)
            ledger.listeners = tuple(
                held for held in ledger.listeners if held() not in (None, self)
            )
            if not ledger.listeners:
                self._end(ledger)

    def _end(self, ledger: Ledger) -> None:
        if ledger.stop_hearing is not None:
            ledger.stop_hearing()
        for pool in list(ledger.pools):
            lift(pool)

    def _feed(self) -> None:
        try:
            for entry in list(self._entries):
                entry.ledger.drain()
                look_up_lines(entry.ledger, self._held_too_long, self._route_of)
        except Exception as exc:  # noqa: BLE001 - a named border: the tick
            self._faults.note("reading the pools", exc)
