"""The work of one platform in one run, in the order in which it is to be done."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..platform import Reading, Target
    from ..transport import Transport
    from ..values import Failure
    from .health import Health
    from .selection import Selected

__all__ = ["Job", "Lane", "Spent"]


@attrs.define(eq=False)
class Job:
    """One request for some targets, sent until it is answered or has failed."""

    targets: tuple[Target, ...]
    resolves: bool = False
    attempts: int = 0
    tries: int = 0
    """Attempts for these targets, since the batch was split that they were in."""
    seconds: float = 0.0
    """Request and parse of all attempts."""
    waited: float = 0.0
    told: float = 0.0
    """What of `waited` has been told to who observes."""
    due: float = 0.0
    """Not before this moment of the monotonic clock."""

    def halves(self) -> tuple[Job, Job]:
        """Ask for each half apart: one of the targets spoils the answer for all."""
        middle = len(self.targets) // 2
        first, second = self.targets[:middle], self.targets[middle:]
        half = attrs.evolve(self, targets=first, tries=0)
        return half, attrs.evolve(half, targets=second)


@attrs.frozen
class Spent:
    """What finding out who an account is took already."""

    attempts: int
    seconds: float
    waited: float


_NOTHING = Spent(0, 0.0, 0.0)


class Lane:
    """Hands out the jobs of a platform, or of a host of it: those due again, core accounts first.

    A batch is filled up with the accounts that come next; it waits for those that are still being
    resolved, so that as few requests as possible are sent. Used in one event loop.
    """

    def __init__(self, selected: Selected, health: Health) -> None:
        self.setup = selected.setup
        self.platform = selected.setup.platform
        self.key = selected.key
        self.health = health
        self.breaker = health.breaker(selected.key)
        self.transport: Transport | None = None
        self.stopped: Failure | None = None
        """Why nobody is asked any more."""
        self.limit_wait: asyncio.Timeout | None = None
        self.is_proven = False
        """Whether it answered in this run, and be it that it is asked too often."""
        self.under_way = 0
        self.out_of_budget = False
        self.wake = asyncio.Event()
        self.total = self.left = len(selected)
        self.walls = 0
        """Replies in a row that were a challenge, or refused the credentials."""
        self.probes_failed = 0
        self._again: deque[Job] = deque()
        self._spent: dict[Target, Spent] = {}
        self._resolving = 0
        resolve = self.platform.resolve
        self._unknown: deque[Target] = deque()
        self._ready: deque[Target] = deque()
        for target in (*selected.core, *selected.rest):
            unknown = resolve is not None and resolve.needs(target)
            (self._unknown if unknown else self._ready).append(target)

    @property
    def is_empty(self) -> bool:
        """Whether all that is left is under way."""
        return not (self._again or self._unknown or self._ready)

    @property
    def can_resolve(self) -> bool:
        """Whether the platform can be asked who an account is."""
        return self.platform.resolve is not None

    def take(self, now: float) -> Job | None:
        """Take the next job; None where all that is left is under way or not due yet."""
        for job in self._again:
            if job.due <= now:
                self._again.remove(job)
                return job
        resolve = self.platform.resolve
        size = self.platform.batch_size
        if len(self._ready) >= size:
            return Job(self._batch(self._ready, size))
        if self._unknown and resolve is not None:
            batch = self._batch(self._unknown, resolve.batch_size)
            self._resolving += len(batch)
            return Job(batch, resolves=True)
        if self._ready and not self._resolving:
            return Job(self._batch(self._ready, size))
        return None

    def stop(self, failure: Failure) -> None:
        """Ask nobody any more; whoever waits for the limit need not."""
        if self.stopped is not None:
            return
        self.stopped = failure
        if self.limit_wait is not None and not self.limit_wait.expired():
            self.limit_wait.reschedule(0.0)
        self.wake.set()

    def put_back(self, job: Job) -> None:
        """Return a job that was not sent."""
        self._again.appendleft(job)

    def again(self, job: Job) -> None:
        """Do a job once more when it is due."""
        self._again.append(job)
        self.wake.set()

    def split(self, job: Job) -> None:
        """Do each half of a job, at once."""
        self._again.extendleft(reversed(job.halves()))
        self.wake.set()

    def resolved(self, job: Job, target: Target, reading: Reading) -> None:
        """Ask for the figures of a target, now that it is known who it is."""
        known = attrs.evolve(target, account_id=reading.account_id)
        self._spent[known] = self._spent_with(job, target)
        self._ready.append(known)

    def forget(self, job: Job, target: Target) -> None:
        """Find out anew who an account is, since the id that an earlier run found is of nobody."""
        anew = attrs.evolve(target, account_id=None, is_remembered=False)
        self._spent[anew] = self._spent_with(job, target)
        self._unknown.append(anew)

    def answered(self, job: Job) -> None:
        """Note that nothing more comes of a job that resolves."""
        if job.resolves:
            self._resolving -= len(job.targets)
        self.wake.set()

    def spent_on(self, target: Target) -> Spent:
        """Give what resolving a target took."""
        return self._spent.pop(target, _NOTHING) if self._spent else _NOTHING

    def _spent_with(self, job: Job, target: Target) -> Spent:
        before = self.spent_on(target)
        return Spent(
            before.attempts + job.attempts,
            before.seconds + job.seconds,
            before.waited + job.waited,
        )

    def next_due(self) -> float | None:
        """Give the moment when the next repeated job is due; None where there is none."""
        return min((job.due for job in self._again), default=None)

    def drain(self) -> Iterator[tuple[Target, Job | None]]:
        """Take all that has not been answered and is not under way."""
        for job in self._again:
            for target in job.targets:
                yield target, job
        self._again.clear()
        for waiting in (self._unknown, self._ready):
            for target in waiting:
                yield target, None
            waiting.clear()

    def _batch(self, waiting: deque[Target], most: int) -> tuple[Target, ...]:
        return tuple(waiting.popleft() for _ in range(min(most, len(waiting))))
