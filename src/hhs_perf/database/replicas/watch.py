"""One replica under watch: probed by a thread of its own, so that none waits for another."""

from __future__ import annotations

import threading
from collections import deque
from math import isinf
from statistics import median
from typing import TYPE_CHECKING, Final

import attrs

from ..._fork import renew_after_fork
from ..._ticker import Ticker
from ..addresses import address_of
from ..telling import told
from .failures import is_of_server
from .report import ReplicaState, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from ..._clock import Clock, Timeline
    from ..._faults import Faults
    from ...metrics import Gauge
    from .probe import Probe, Sighting
    from .report import Reason
    from .tokens import Written

__all__ = ["Watch", "WatchRules"]

_LONGEST_PAUSE: Final = 10.0
_TIMES: Final = 256


@attrs.frozen(kw_only=True)
class WatchRules:
    """What makes a replica usable, in seconds.

    One sighting counts for `patience`, and no longer than another takes `answer_within`.
    """

    max_lag: float
    stick_for: float
    probe_every: float
    patience: float
    answer_within: float


class Watch:
    """Knows whether a replica can be read from now, without asking it now."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        *,
        make_probe: Callable[[], Probe],
        rules: WatchRules,
        clock: Clock,
        timeline: Timeline,
        faults: Faults,
    ) -> None:
        self.name = name
        self.engine = engine
        self._probe = make_probe()
        self._rules = rules
        self._clock = clock
        self._timeline = timeline
        self._faults = faults
        self.gauge: Gauge | None = None
        self._ticker = Ticker(self.tick, rules.probe_every, f"hhs-perf-{name}", faults)
        # Held by whoever looks: a thread, for as long as the replica takes.
        self._looking = threading.Lock()
        # Guards the fields below; nobody waits for a replica while holding it.
        self._lock = threading.Lock()
        self._state: State = "unknown"
        self._seen: Sighting | None = None
        self._seen_at = 0.0
        self._asked_at: float | None = None
        self._since = timeline.now()
        self._last_error: str | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._times: deque[float] = deque(maxlen=_TIMES)
        self._probes = 0
        renew_after_fork(self)

    @property
    def is_watched(self) -> bool:
        """Tell whether the thread runs."""
        return self._ticker.is_running

    def start(self) -> None:
        """Look at once and then regularly, both on threads of their own."""
        self._ticker.start()
        with self._lock:
            is_new = not self._probes
        if is_new:
            threading.Thread(target=self.tick, name=f"hhs-perf-{self.name}", daemon=True).start()

    def look_now(self) -> None:
        """Look and wait for the answer, on a thread where no event loop runs."""
        patience = self._rules.patience
        name = f"hhs-perf-{self.name}"
        looker = threading.Thread(target=self._look, args=(patience,), name=name, daemon=True)
        looker.start()
        looker.join(patience)

    def tick(self) -> None:
        """Look at the replica, unless somebody does or it is to be left alone for a while."""
        with self._lock:
            is_due = self._clock.monotonic() >= self._retry_at
        if is_due:
            self._look(0.0)

    def fell(self, error: BaseException) -> None:
        """Be told by a session that the replica did not answer."""
        with self._lock:
            self._last_error = told(error, self.engine.url, kind=True)
            self._become("down")

    def refusal(self, now: float, written: Written | None) -> Reason | None:
        """Say why the replica cannot be read from; None if it can."""
        rules = self._rules
        with self._lock:
            state = self._current_state(now)
            seen = self._seen
        if state == "lagging":
            return "lag"
        if state != "healthy" or seen is None:
            return "unknown" if state == "healthy" else state
        if written is None:
            return None
        if written.lsn is not None and seen.lsn is not None:
            return None if seen.lsn >= written.lsn else "own writes"
        return None if now - written.at >= rules.stick_for else "own writes"

    def state(self, now: float, transactions: int) -> ReplicaState:
        """Give what is shown of the replica."""
        with self._lock:
            seen = self._seen
            state = self._current_state(now)
            lag = None if seen is None or state == "down" else seen.lag
            lsn = None if seen is None else seen.lsn
            return ReplicaState(
                name=self.name,
                address=address_of(self.engine),
                state=state,
                lag=None if lag is None or isinf(lag) else lag,
                replay_lsn=None if lsn is None else f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}",
                since=self._since,
                last_error=self._last_error,
                note=None if seen is None else seen.note,
                transactions=transactions,
                probes=self._probes,
                probe_p50=median(self._times) if self._times else None,
            )

    def mark(self, now: float) -> tuple[object, ...]:
        """Give what changes whenever the state that is shown does."""
        with self._lock:
            return (self.name, self._probes, self._current_state(now), self._last_error)

    def close(self) -> None:
        """Stop looking and end the probe's connections."""
        self._ticker.stop()
        # On a thread of its own: the caller's may run an event loop.
        closer = threading.Thread(target=self._end, name=f"hhs-perf-{self.name}", daemon=True)
        closer.start()
        closer.join(5)

    def after_fork_in_child(self) -> None:
        """Begin anew: the connections are the parent's, and so is what they saw."""
        self._looking = threading.Lock()
        self._lock = threading.Lock()
        self._probe.forsake()
        self._state, self._seen, self._asked_at = "unknown", None, None
        self._failures, self._retry_at, self._probes = 0, 0.0, 0
        self._times.clear()

    def _look(self, patience: float) -> None:
        if not self._looking.acquire(timeout=patience):
            return
        started = self._clock.monotonic()
        with self._lock:
            self._asked_at = started
        try:
            seen = self._probe.look()
        except Exception as exc:  # noqa: BLE001 - drivers have their own; none may end the watch
            self._failed(exc)
        else:
            self._saw(seen, started)
        finally:
            with self._lock:
                self._asked_at = None
            self._looking.release()

    def _end(self) -> None:
        if self._looking.acquire(timeout=5):
            try:
                self._probe.close()
            finally:
                self._looking.release()

    def _saw(self, seen: Sighting, started: float) -> None:
        now = self._clock.monotonic()
        with self._lock:
            self._probes += 1
            self._times.append(now - started)
            self._seen, self._seen_at = seen, now
            self._failures = 0
            if seen.is_promoted:
                self._become("promoted")
            elif seen.lag is not None and seen.lag > self._rules.max_lag:
                self._become("lagging")
            else:
                self._become("healthy")
        if self.gauge is not None and seen.lag is not None and not isinf(seen.lag):
            self.gauge.set(seen.lag)

    def _failed(self, error: Exception) -> None:
        if not is_of_server(error, self.engine):
            self._faults.note(f"probing {self.name}", error)
        with self._lock:
            self._probes += 1
            self._last_error = told(error, self.engine.url, kind=True)
            pause = min(self._rules.probe_every * 2**self._failures, _LONGEST_PAUSE)
            self._failures = min(self._failures + 1, 16)
            # A little less, so that the tick that is due then is not just too early.
            self._retry_at = self._clock.monotonic() + 0.9 * pause
            self._become("down")

    def _become(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self._since = self._timeline.now()

    def _current_state(self, now: float) -> State:
        if self._state not in ("healthy", "lagging"):
            return self._state
        asked_at = self._asked_at
        is_silent = asked_at is not None and now - asked_at > self._rules.answer_within
        is_old = now - self._seen_at > self._rules.patience
        return "down" if is_silent or is_old else self._state
