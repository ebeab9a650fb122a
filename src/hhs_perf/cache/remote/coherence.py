"""What one process does about what it hears, or no longer hears, from the others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from ..drive import run
from .l2 import L2Down

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._faults import Faults
    from ..drive import Steps
    from ..flight import Flight, Flights
    from ..marks import MarkKind
    from ..memory import Memory
    from .l2 import Level2
    from .thread_link import SyncLink

__all__ = ["Coherence"]

_BOOT_END: Final = 17
_STAMP_END: Final = _BOOT_END + 16
_MARKS: Final[dict[str, MarkKind]] = {"t": "tag", "p": "prefix", "e": "everything"}
_OPS: Final = frozenset("wdfW").union(_MARKS)
# Leases run 5 s. A load that is not done is given as long again as it has taken, so that the
# messages grow with the logarithm of its time only.
_FIRST_EXTENSION: Final = 2.5
_COMPARE_CLOCKS_EVERY: Final = 10.0
_RESEND_EVERY: Final = 0.5


class Coherence:
    """Listens to the backplane for one cache; every method runs on the backplane's thread."""

    def __init__(
        self,
        memory: Memory,
        flights: Flights,
        level2: Level2,
        link: SyncLink,
        faults: Faults,
        on_warm: Callable[[str], None],
    ) -> None:
        self._memory = memory
        self._flights = flights
        self._level2 = level2
        self._link = link
        self._faults = faults
        self._on_warm = on_warm
        self._is_linked = False
        self._clocks_at = self._resend_at = 0.0
        # Guards the list below; reentrant as that of flights.
        self._lock = threading.RLock()
        self._leases: list[tuple[float, float, Flight]] = []

    def heard(self, message: str) -> None:
        """Take a message: `<op><boot><rest>`, see scripts.py."""
        op, boot = message[:1], message[1:_BOOT_END]
        if not _is_sound(message):
            self._malformed(op)
            return
        if boot == self._level2.boot:
            # What we did ourselves is done; but another load of ours may wait for it.
            if op in ("w", "d", "f"):
                self._level2.waiting.tell(op, message[_BOOT_END:])
            return
        self._memory.counts.messages += 1
        if op in _MARKS:
            stamp, what = message[_BOOT_END:_STAMP_END], message[_STAMP_END:]
            self._memory.mark(_MARKS[op], what, int(stamp) / 1e6)
            return
        key = message[_BOOT_END:]
        if op == "W":
            self._on_warm(key)
            return
        if op in ("w", "d"):
            self._memory.depart((key,))
            self._flights.ground((key,))
        self._level2.waiting.tell(op, key)

    def _malformed(self, op: str) -> None:
        """Take that somebody else writes to our channel; what is said there is none of ours."""
        error = ValueError(f"a message that no cache sends, of kind {op!r}")
        self._memory.counts.error(self._level2.now(), "backplane", error)
        self._faults.note("reading a message of the cache's backplane", error)

    def linked(self) -> bool:
        """Learn what was invalidated while nobody listened, and begin with an empty L1."""
        if not self._level2.breaker.is_closed:
            return False
        with self._memory.lock:
            self._memory.marks.forget_tags()
        self._level2.forget_time()
        try:
            self._run(self._level2.ask_standing())
        except L2Down:
            return False
        self._memory.flush()
        self._is_linked = True
        self._level2.waiting.tell("", None)
        return True

    def lost(self, error: BaseException | None) -> None:
        """Shorten lives, and let nobody wait for word that would not be heard."""
        self._is_linked = False
        self._memory.deafen()
        self._level2.waiting.tell("", None)
        if error is not None:
            self._memory.counts.error(self._level2.now(), "backplane", error)

    def turn(self) -> None:
        """Probe Redis if it was down, and let the leases of long loads run on."""
        if not self._level2.breaker.is_closed:
            self._probe()
            return
        if self._is_linked:
            # Redis was away for less time than losing the link takes: all that was told was heard.
            self._memory.hear()
        now = self._memory.now()
        if self._level2.unsent and now >= self._resend_at:
            self._resend_at = now + _RESEND_EVERY
            self._resend()
        if now >= self._clocks_at:
            self._clocks_at = now + _COMPARE_CLOCKS_EVERY
            self._level2.forget_time()
            self._run_if_up(self._level2.ask_standing())
        for flight, seconds in self._due(now):
            token = flight.token
            if token is not None:
                self._run_if_up(self._level2.extend(flight.key, token, seconds))

    def fault(self, error: BaseException) -> None:
        """Count an error of ours that must not end the thread."""
        self._faults.note("the cache's backplane", error)

    def keep_lease(self, flight: Flight) -> None:
        """Let the lease of `flight` run on until it lands."""
        now = self._memory.now()
        with self._lock:
            self._leases.append((now + _FIRST_EXTENSION, now, flight))

    def after_fork_in_child(self) -> None:
        """Forget the leases: they are the parent's."""
        self._is_linked = False
        self._lock = threading.RLock()
        self._leases = []

    def _due(self, now: float) -> list[tuple[Flight, float]]:
        if not self._leases:
            return []
        due: list[tuple[Flight, float]] = []
        kept: list[tuple[float, float, Flight]] = []
        # What has landed is let go of without the lock.
        with self._lock:
            leases, self._leases = self._leases, []
        for at, began, flight in leases:
            if flight.outcome.done():
                continue
            if now < at:
                kept.append((at, began, flight))
                continue
            taken = now - began
            due.append((flight, 2 * taken + _FIRST_EXTENSION))
            kept.append((now + taken, began, flight))
        with self._lock:
            self._leases += kept
        return due

    def _probe(self) -> None:
        """See whether Redis is back; first of all it gets what it missed."""
        breaker = self._level2.breaker
        if not breaker.may_probe():
            return
        try:
            self._link.send("PING")
        except Exception as exc:  # noqa: BLE001 - whatever it is, Redis is of no use yet
            breaker.failed(exc)
            return
        self._resend()
        breaker.succeeded()

    def _resend(self) -> None:
        """Repeat what Redis did not take; what it does not take now either goes on waiting."""
        waiting, calls = self._level2.unsent_calls()
        if not calls:
            return
        try:
            self._link.scripts(calls)
        except Exception as exc:  # noqa: BLE001 - likewise
            self._level2.failed("resend", exc)
        else:
            self._level2.sent(waiting)

    def _run(self, steps: Steps[None]) -> None:
        run(steps, self._link)

    def _run_if_up(self, steps: Steps[None]) -> None:
        try:
            self._run(steps)
        except L2Down:
            return


def _is_sound(message: str) -> bool:
    op = message[:1]
    if op not in _OPS or len(message) < _BOOT_END:
        return False
    stamp = message[_BOOT_END:_STAMP_END]
    return op not in _MARKS or (stamp.isdecimal() and len(stamp) == _STAMP_END - _BOOT_END)
