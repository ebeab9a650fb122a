"""A circuit breaker: whether a server is worth asking, found out by few.

States and names as in M. Nygard, "Release It!" (2007): closed, open, half-open.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Final, Literal

import attrs

from ._fork import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._clock import Clock

__all__ = ["Breaker", "BreakerReport", "BreakerState"]

BreakerState = Literal["closed", "open", "half_open"]

_LONGEST_TEXT: Final = 200
_LOGIN: Final = re.compile(r"//[^/\s@]*@")
_PASSWORD: Final = re.compile(r"(?i)\b(\w*password)=[^\s&'\"]+")
# A prober that was killed never says how it ended; after so many seconds another one may go.
_ABANDONED_AFTER: Final = 2.0


@attrs.frozen(kw_only=True)
class BreakerReport:
    """A breaker at one moment; stamps are seconds since 1970."""

    state: BreakerState
    since: float
    openings: int
    failures: int
    probe_in: float | None
    """Seconds until somebody may try again; None while closed."""
    last_error: str | None
    """Type and text, without passwords."""
    last_error_at: float | None


class Breaker:
    """Counts failures in a row, opens, and lets one caller at a time try whether it is over.

    `is_closed` is a plain attribute, so a hot path asks for nothing more. After an opening the
    first probe is due in `probe_after` seconds, after each failed probe in twice as long, at most
    `probe_at_most`. Any thread may call.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        failures: int = 1,
        probe_after: float = 0.1,
        probe_at_most: float = 0.5,
        on_change: Callable[[BreakerState], None] | None = None,
    ) -> None:
        """Start closed; `on_change` is told each new state, outside of the lock."""
        self.is_closed = True
        self._clock = clock
        self._needed = failures
        self._probe_after = probe_after
        self._probe_at_most = probe_at_most
        self._on_change = on_change
        # Guards everything below, and the writing of `is_closed`; reentrant, as finalizers and
        # signal handlers may ask the server, too.
        self._lock = threading.RLock()
        self._state: BreakerState = "closed"
        self._since = clock.wall()
        self._in_a_row = 0
        self._pause = probe_after
        self._probe_at = 0.0
        self._openings = 0
        self._failures = 0
        self._last_error: str | None = None
        self._last_error_at: float | None = None
        renew_after_fork(self)

    def after_fork_in_child(self) -> None:
        """Take a new lock: a thread that the child does not have may have held the old one."""
        self._lock = threading.RLock()

    @property
    def state(self) -> BreakerState:
        """`half_open` is the state while a probe is under way."""
        return self._state

    def failed(self, error: BaseException) -> None:
        """Note that the server failed."""
        with self._lock:
            self._failures += 1
            self._in_a_row += 1
            self._last_error = _told(error)
            self._last_error_at = self._clock.wall()
            if self._state == "half_open":
                self._pause = min(2 * self._pause, self._probe_at_most)
            elif self._state == "open" or self._in_a_row < self._needed:
                return
            else:
                self._openings += 1
                self._pause = self._probe_after
            self._probe_at = self._clock.monotonic() + self._pause
            self._enter("open")
        self._tell("open")

    def succeeded(self) -> None:
        """Note that the server answered.

        While open this says nothing: whoever asks then began before the opening.
        """
        # A race with a failure can cost or spare one count in a row, never a state.
        if self.is_closed and not self._in_a_row:
            return
        with self._lock:
            if self._state == "open":
                return
            self._in_a_row = 0
            if self._state == "closed":
                return
            self._enter("closed")
        self._tell("closed")

    def may_probe(self) -> bool:
        """Tell whether the caller shall try now, and say `succeeded` or `failed` after it.

        False while closed, before a probe is due, and while another one is under way.
        """
        now = self._clock.monotonic()
        with self._lock:
            if self._state == "closed" or now < self._probe_at:
                return False
            self._probe_at = now + _ABANDONED_AFTER
            if self._state == "half_open":
                return True
            self._enter("half_open")
        self._tell("half_open")
        return True

    def probe_in(self) -> float | None:
        """Seconds until `may_probe` can be true; None while closed."""
        with self._lock:
            return self._probe_in()

    def report(self) -> BreakerReport:
        """Give state and counts of one moment."""
        with self._lock:
            return BreakerReport(
                state=self._state,
                since=self._since,
                openings=self._openings,
                failures=self._failures,
                probe_in=self._probe_in(),
                last_error=self._last_error,
                last_error_at=self._last_error_at,
            )

    def _probe_in(self) -> float | None:
        if self._state == "closed":
            return None
        return max(0.0, self._probe_at - self._clock.monotonic())

    def _enter(self, state: BreakerState) -> None:
        self._state = state
        self._since = self._clock.wall()
        self.is_closed = state == "closed"

    def _tell(self, state: BreakerState) -> None:
        if self._on_change is not None:
            self._on_change(state)


def _told(error: BaseException) -> str:
    text = _PASSWORD.sub(r"\1=********", _LOGIN.sub("//********@", str(error)))
    return f"{type(error).__name__}: {text}"[:_LONGEST_TEXT]
