"""What is remembered of a platform from one run to the next, in this process."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from ..._breaker import Breaker
from ..._fork import renew_after_fork

if TYPE_CHECKING:
    from ..._breaker import BreakerReport
    from ..._clock import Clock
    from ..values import Failure, Outcome

__all__ = ["PERCENT", "FailureSeen", "Health", "PlatformState", "SlowAccount"]

PERCENT: Final = "percent"
"""The unit of budgets that the platform itself reckons."""

_MOST_FAILURES: Final = 20
_MOST_SLOW: Final = 10
_FAILURES_TO_OPEN: Final = 5
_PROBE_AFTER: Final = 5.0
_PROBE_AT_MOST: Final = 60.0
_DAY: Final = 86_400
_BADNESS: Final = ("closed", "half_open", "open")


@attrs.frozen(kw_only=True)
class SlowAccount:
    """An account that took long; `seconds` of all attempts, without waits."""

    handle: str
    url: str | None
    seconds: float


@attrs.frozen(kw_only=True)
class FailureSeen:
    """A failure; `at` is seconds since 1970."""

    at: float
    handle: str
    kind: str
    detail: str


@attrs.frozen(kw_only=True)
class PlatformState:
    """A platform at one moment; stamps are seconds since 1970."""

    name: str
    title: str
    missing: tuple[str, ...]
    """Variables without which it cannot be asked."""
    interval: float
    breaker: BreakerReport
    next_allowed: float | None
    """When the next request may start; None: now."""
    last_good: float | None
    spent_today: float | None
    """In `unit`, by this process; in percent what the platform last said, in the newest run."""
    unit: str | None
    limit: float | None
    slowest: tuple[SlowAccount, ...]
    newest_failures: tuple[FailureSeen, ...]


class Health:
    """Whether a platform answers, what it cost today, and what last went wrong with it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Guards all below; runs can go on in several threads.
        self._lock = threading.Lock()
        self._day = 0
        self._spent = 0.0
        self._promised = 0.0
        self._paid: set[str] = set()
        self._breakers: dict[str, Breaker] = {}
        self.last_good: float | None = None
        self.percent: float | None = None
        """How much of its allowance the platform last said is used up."""
        self._failures: deque[FailureSeen] = deque(maxlen=_MOST_FAILURES)
        self._slowest: list[SlowAccount] = []
        renew_after_fork(self)

    def after_fork_in_child(self) -> None:
        """Take a new lock: a thread that the child does not have may have held the old one."""
        self._lock = threading.Lock()
        self._promised = 0.0  # by requests of the parent

    def breaker(self, key: str) -> Breaker:
        """Give the breaker of the platform, or of one of its hosts."""
        with self._lock:
            held = self._breakers.get(key)
            if held is None:
                held = self._breakers[key] = Breaker(
                    self._clock,
                    failures=_FAILURES_TO_OPEN,
                    probe_after=_PROBE_AFTER,
                    probe_at_most=_PROBE_AT_MOST,
                )
            return held

    def worst(self, name: str) -> BreakerReport:
        """Tell of the breaker that is worst off, of all hosts."""
        with self._lock:
            held = tuple(self._breakers.values())
        reports = [each.report() for each in held] or [self.breaker(name).report()]
        return max(reports, key=lambda each: _BADNESS.index(each.state))

    def keys(self) -> tuple[str, ...]:
        """Name what limits went by so far."""
        with self._lock:
            return tuple(self._breakers)

    def begin(self) -> None:
        """Forget which accounts were slow, and what share was used up: a run begins."""
        with self._lock:
            self._slowest = []
        self.percent = None  # some of it comes back each minute: only the next reply knows

    def take(self, outcome: Outcome) -> None:
        """Remember what became of an account that was asked for."""
        handle = outcome.handle or ""
        failure = outcome.failure
        with self._lock:
            if outcome.snapshot is not None:
                self.last_good = outcome.at
            elif failure is not None and outcome.attempts:
                self._failures.append(
                    FailureSeen(
                        at=outcome.at, handle=handle, kind=failure.kind, detail=failure.detail
                    )
                )
            slowest = self._slowest
            if not outcome.attempts:
                return
            if len(slowest) < _MOST_SLOW or outcome.seconds > slowest[-1].seconds:
                slow = SlowAccount(handle=handle, url=outcome.account.url, seconds=outcome.seconds)
                slowest.append(slow)
                slowest.sort(key=lambda each: -each.seconds)
                del slowest[_MOST_SLOW:]

    def spent(self, now: float) -> float:
        """Give what this UTC day cost so far."""
        with self._lock:
            self._turn(now)
            return self._spent

    def left(self, now: float, limit: float) -> float:
        """Give what is left of a day's limit, less what requests that are under way may cost."""
        with self._lock:
            self._turn(now)
            spent = self._spent if self.percent is None else self.percent
            return limit - spent - self._promised

    def is_paid(self, now: float, handle: str) -> bool:
        """Tell whether an account costs nothing more today."""
        with self._lock:
            self._turn(now)
            return handle in self._paid

    def promise(self, amount: float) -> None:
        """Note what a request may cost that is about to be sent; take it back with a minus."""
        if amount:
            with self._lock:
                self._promised += amount

    def pay_request(self, now: float, amount: float) -> None:
        """Add what a request costs."""
        if amount:
            with self._lock:
                self._turn(now)
                self._spent += amount

    def pay_account(self, now: float, handle: str, amount: float) -> float:
        """Add what an account costs, once a UTC day; give what was added."""
        if not amount:
            return 0.0
        with self._lock:
            self._turn(now)
            if handle in self._paid:
                return 0.0
            self._paid.add(handle)
            self._spent += amount
            return amount

    def _turn(self, now: float) -> None:
        day = int(now // _DAY)
        if day != self._day:
            self._day, self._spent = day, 0.0
            self._paid = set()

    def slowest(self) -> tuple[SlowAccount, ...]:
        """Give the slowest accounts of the newest run, the slowest first."""
        with self._lock:
            return tuple(self._slowest)

    def newest_failures(self) -> tuple[FailureSeen, ...]:
        """Give the newest failures, the newest first."""
        with self._lock:
            return tuple(reversed(self._failures))


def refused(failure: Failure) -> ConnectionError:
    """Make what a breaker shows of a failure."""
    return ConnectionError(f"{failure.kind}: {failure.detail}")
