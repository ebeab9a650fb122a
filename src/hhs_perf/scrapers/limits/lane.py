"""The queue of one platform, and when its next start is allowed."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

__all__ = ["Lane", "Ticket"]

# Whoever is not the next looks so often whether the next one still lives, in seconds.
_LOOK_EVERY: Final = 1.0
# An event loop that has not run for so long after a start was due loses its turn.
_ASLEEP_AFTER: Final = 1.0
# Sums of floats part by less than this, and a sleep that is shorter ends at once.
_NOTHING: Final = 1e-6


class Ticket:
    """A place in a queue; of one task, and woken from any thread."""

    __slots__ = ("_sleeper", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._sleeper: asyncio.Future[None] | None = None

    async def sleep(self, seconds: float) -> None:
        """Sleep so long, or until somebody calls `wake`."""
        sleeper = self._sleeper = self.loop.create_future()
        timer = self.loop.call_later(seconds, _end, sleeper)
        try:
            await sleeper
        finally:
            timer.cancel()

    def wake(self) -> bool:
        """End the sleep, unless there is none; False where the event loop is closed."""
        try:
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            return False
        return True

    def _wake(self) -> None:
        if self._sleeper is not None:
            _end(self._sleeper)


class Lane:
    """Any thread may call; times are readings of one monotonic clock."""

    def __init__(self) -> None:
        # Guards everything below; reentrant, as finalizers of tasks leave the queue, too.
        self._lock = threading.RLock()
        self._next_at = self.paused_until = float("-inf")
        self._interval = 0.0
        self._queue: deque[Ticket] = deque()

    def start_at_once(self, now: float, interval: float) -> bool:
        """Start, if nobody waits and it is time; tell whether that was so."""
        with self._lock:
            if self._queue or now < self._next_at - _NOTHING:
                return False
            self._start(now, interval)
        return True

    def join(self, ticket: Ticket) -> None:
        """Stand at the end of the queue."""
        with self._lock:
            self._queue.append(ticket)

    def start_in_turn(self, ticket: Ticket, now: float, interval: float) -> float:
        """Start and give 0, or give the seconds to sleep before asking again."""
        with self._lock:
            if self._first(ticket, now) is not ticket:
                return _LOOK_EVERY
            wait = self._next_at - now
            if wait > _NOTHING:
                return wait
            self._start(now, interval)
        return 0.0

    def leave(self, ticket: Ticket) -> None:
        """Leave the queue, having started or not; the next one is told."""
        with self._lock:
            was_first = bool(self._queue) and self._queue[0] is ticket
            try:
                self._queue.remove(ticket)
            except ValueError:  # a forked child has forgotten the queue
                return
            if was_first:
                self._call_first()

    def hold(self, until: float) -> None:
        """Let nobody start before `until`."""
        with self._lock:
            self._next_at = max(self._next_at, until)
            self.paused_until = max(self.paused_until, until)

    def free_at(self) -> float:
        """When somebody who asks now could start, behind those who wait."""
        with self._lock:
            return self._next_at + len(self._queue) * self._interval

    def is_idle(self, now: float) -> bool:
        """Tell whether forgetting this lane would change nothing."""
        with self._lock:
            return not self._queue and self._next_at <= now

    def renew(self) -> None:
        """Forget the queue, and a lock that a thread of the parent may have held."""
        self._lock = threading.RLock()
        self._queue = deque()

    def _first(self, asking: Ticket, now: float) -> Ticket:
        for _ in range(len(self._queue)):
            first = self._queue[0]
            if first.loop is asking.loop or now < self._next_at + _ASLEEP_AFTER:
                return first
            # It stays behind the others, for when its event loop runs again.
            self._queue.rotate(-1)
            self._call_first()
        return asking

    def _start(self, now: float, interval: float) -> None:
        self._next_at = now + interval
        self._interval = interval

    def _call_first(self) -> None:
        while self._queue and not self._queue[0].wake():
            self._queue.popleft()


def _end(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
