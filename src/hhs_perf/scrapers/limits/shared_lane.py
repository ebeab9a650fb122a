"""What one process knows of a platform's limits that it shares with others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from .lane import Ticket
    from .scripts import Answer

__all__ = ["Reservation", "SharedLane"]

_NEVER: Final = float("-inf")


@attrs.frozen(kw_only=True)
class Reservation:
    """A start at `at`, a monotonic reading, made when the pause `said` was the newest known."""

    at: float
    said: int


class SharedLane:
    """One platform in one process; any thread may call. Times are monotonic readings."""

    def __init__(self) -> None:
        # Guards everything below; reentrant, as tickets are let go of in finalizers, too.
        self._lock = threading.RLock()
        self.members = 1
        """How many processes asked for this platform of late, as far as is known."""
        self.started_at = _NEVER
        self.started_alone_at = _NEVER
        """When the last start was that Redis knows nothing of."""
        self._interval = 0.0
        self._said = 0
        self._paused_until = _NEVER
        # Until when a pause lasts that could not be shared.
        self._unsaid_until = _NEVER
        self._ask_after = 0.0
        self.is_known = False
        """Whether Redis was asked for it; pauses that were shared before are not known else."""
        self._sleeping: set[Ticket] = set()

    # -- pauses

    def heard(self, said: int, until: float) -> None:
        """Take a pause that somebody shared, unless a newer one is known."""
        with self._lock:
            if said <= self._said:
                return
            self._said, self._paused_until = said, until
        self._wake()

    def answered(self, said: int, until: float, *, told: float, now: float) -> None:
        """Take the pause that Redis knows, having told it of one until `told`."""
        with self._lock:
            if told == self._unsaid_until:
                self._unsaid_until = _NEVER
            if said == self._said:
                return
            if said < self._said and self._paused_until > now and told <= now:
                # Redis has lost its memory, or this answer is older than a message.
                self._unsaid_until = max(self._unsaid_until, self._paused_until)
                return
            self._said, self._paused_until = said, until
        self._wake()

    def hold(self, until: float) -> None:
        """Take a pause that nobody else could be told of; the next to ask Redis says it."""
        with self._lock:
            self._unsaid_until = max(self._unsaid_until, until)
        self._wake()

    @property
    def unsaid_until(self) -> float:
        """Until when a pause lasts that Redis shall be told of."""
        return self._unsaid_until

    def paused_until(self) -> float:
        """Until when no start is allowed; in the past: now."""
        return max(self._paused_until, self._unsaid_until)

    def is_void(self, reservation: Reservation) -> bool:
        """Tell whether a pause came since that does not let it start."""
        return reservation.at < self._unsaid_until or (
            reservation.said != self._said and reservation.at < self._paused_until
        )

    # -- starts

    def sleeps(self, ticket: Ticket) -> None:
        """Remember whom to wake when a pause comes."""
        with self._lock:
            self._sleeping.add(ticket)

    def awake(self, ticket: Ticket) -> None:
        """Forget it again."""
        with self._lock:
            self._sleeping.discard(ticket)

    def learn(self, answer: Answer, interval: float) -> None:
        """Take what a reservation tells of the others: how many, and how long they make us wait.

        Who asks half an interval before the turn keeps it without holding what others need.
        """
        with self._lock:
            self.is_known = True
            self.members = answer.members
            self._interval = interval
            if answer.pause == 0:
                later = self._ask_after + answer.wait - interval / 2
                self._ask_after = min(max(interval, later), interval * answer.members)

    def started(self, now: float, *, alone: bool) -> None:
        """Take that a request starts."""
        with self._lock:
            self.started_at = now
            if alone:
                self.started_alone_at = now

    def free_at(self) -> float:
        """When this process may start again, as far as is known."""
        return max(self.paused_until(), self.started_at + self._interval)

    def near_at(self) -> float:
        """When asking for a start is likely to be worth while."""
        return max(self.paused_until(), self.started_at + self._ask_after)

    def is_idle(self, now: float) -> bool:
        """Tell whether forgetting this lane would change little."""
        return not self._sleeping and self.free_at() + self._ask_after < now

    def _wake(self) -> None:
        with self._lock:
            sleeping = list(self._sleeping)
        for ticket in sleeping:
            ticket.wake()

    def renew(self) -> None:
        """Keep times in a forked child, and nobody who sleeps in its parent."""
        self._lock = threading.RLock()
        self._sleeping = set()
