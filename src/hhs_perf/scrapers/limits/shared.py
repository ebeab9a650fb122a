"""Limits that all processes of all machines share: starts are reserved in Redis, on its clock.

One round trip reserves a start and tells when it is. The reservations of a platform follow each
other by the interval, as with the virtual scheduling of GCRA (ITU-T I.371) without a tolerance.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Final

from ..._breaker import Breaker
from ..._fork import renew_after_fork
from ..._redis import Address, Backplane, backend_errors, subscriber_client
from ...exceptions import ConfigurationError
from .lane import Ticket
from .links import Links
from .listening import Ears
from .local import LocalLimiter
from .scripts import Answer, Names
from .shared_lane import Reservation

if TYPE_CHECKING:
    from ..._breaker import BreakerReport, BreakerState
    from ..._clock import Clock
    from .links import Link
    from .shared_lane import SharedLane

__all__ = ["SharedLimiter"]

_NEAR: Final = 0.005
_LISTEN_TIMEOUT: Final = 1.0
# Messages come at once; this is how often the thread looks whether there is anything else to do.
_TURN: Final = 1.0
# Somebody who has not asked for so long after its start no longer counts as a member, in seconds.
_MEMBER_FOR: Final = 30.0
_LONGEST_PAUSE: Final = 30 * 86_400.0
# An answer so many times later than it may be says nothing of Redis: this process stood still.
_STOOD_STILL: Final = 5
# The part of an interval by which a start may be late and still use its reservation.
_LATE: Final = 0.2
_log: Final = logging.getLogger("hhs_perf")


class SharedLimiter:
    """Keeps a platform's starts `interval` seconds apart over all that use the same namespace.

    While Redis does not answer, this process keeps to its share alone: `interval` times as many
    processes as were last seen. Raises ConfigurationError for a URL that cannot be read, and
    without redis-py.
    """

    def __init__(self, url: str, clock: Clock, *, namespace: str, timeout: float = 0.1) -> None:
        try:
            address = Address.parse(url)
        except ValueError as exc:
            raise ConfigurationError(f"redis: {exc}") from None
        self._now = clock.monotonic
        self._errors = backend_errors()
        self._timeout = timeout
        self._names = Names(namespace)
        self._member = secrets.token_hex(8)
        self._local = LocalLimiter(clock)
        self._is_away = False
        self._breaker = Breaker(clock, on_change=self._changed)
        self._links = Links(address, timeout)
        self._ears = Ears(address, timeout, self._names, self._breaker, clock)
        self._backplane = Backplane(
            lambda: subscriber_client(address, timeout=_LISTEN_TIMEOUT),
            self._names.channel,
            self._ears,
            clock.monotonic,
            self._errors,
            name="hhs_perf-limits",
            turn=_TURN,
        )
        renew_after_fork(self)

    @property
    def report(self) -> BreakerReport:
        """Whether limits are shared now (`closed`) or kept by this process alone."""
        return self._breaker.report()

    @property
    def is_listening(self) -> bool:
        """Whether pauses of others are heard at once, and not only with the next start."""
        return self._backplane.is_linked

    async def ready(self, platform: str, interval: float) -> None:  # noqa: ARG002 - the seam's
        """Return when asking for a start is likely to be worth while."""
        while (wait := self._near_in(platform)) > _NEAR:  # noqa: ASYNC110 - for a time
            await asyncio.sleep(wait - _NEAR / 2)

    async def acquire(self, platform: str, interval: float) -> None:
        """Return at the moment when a request may start: when its reservation is due.

        A task that is cancelled leaves its reservation to the next one of its event loop.
        """
        lane = self._ears.lane(platform)
        if interval <= 0 and self._hears_of(lane) and lane.paused_until() <= self._now():
            return
        self._backplane.ensure_started()
        link = self._links.current()
        async with link.lock(platform):
            may_be_late = False
            while True:
                reservation = link.kept.pop(platform, None)
                if reservation is None or reservation.at < self._now():
                    reservation = await self._reserve(lane, link, platform, interval)
                if reservation is None:
                    await self._start_alone(lane, platform, interval)
                    return
                has_slept = reservation.at > self._now()
                link.kept[platform] = reservation
                await self._await_turn(lane, reservation)
                del link.kept[platform]
                now = self._now()
                # Somebody else's start may be near when this process did not run in time.
                is_late = has_slept and now > reservation.at + _LATE * interval
                if (may_be_late or not is_late) and not lane.is_void(reservation):
                    lane.started(now, alone=False)
                    return
                may_be_late = may_be_late or is_late

    async def pause(self, platform: str, seconds: float) -> None:
        """Let nobody start for so many seconds from now on, anywhere; a longer pause stays."""
        if not seconds > 0:
            return
        seconds = min(seconds, _LONGEST_PAUSE)
        lane = self._ears.lane(platform)
        lane.hold(self._now() + seconds)
        self._local.hold(platform, seconds)
        self._backplane.ensure_started()
        await self._ask(lane, self._links.current(), platform, -1e-6)

    def free_in(self, platform: str) -> float:
        """Seconds until this process may start, as far as it knows; 0: now."""
        alone = 0.0 if self._breaker.is_closed else self._local.free_in(platform)
        lane = self._ears.known(platform)
        return alone if lane is None else max(alone, lane.free_at() - self._now())

    def paused_for(self, platform: str) -> float:
        """Seconds for which a pause still holds, whoever made it; 0: none is known."""
        lane = self._ears.known(platform)
        return 0.0 if lane is None else max(0.0, lane.paused_until() - self._now())

    async def close(self) -> None:
        """Close the connections of the running event loop; the last one ends the thread, too."""
        await self._links.close()
        if not self._links:
            self._backplane.stop(wait=0)

    def after_fork_in_child(self) -> None:
        """Be a member of its own, with connections of its own."""
        self._member = secrets.token_hex(8)
        self._links.renew()
        self._ears.renew()
        self._backplane.restart()

    def _changed(self, state: BreakerState) -> None:
        # A probe that fails opens the breaker once more, and is no news.
        if state == "open" and not self._is_away:
            _log.warning("Redis is away: each process keeps to its share of the scrapers' limits")
        elif state == "closed":
            _log.info("Redis is back: the scrapers' limits are shared again")
        self._is_away = state != "closed"

    def _hears_of(self, lane: SharedLane) -> bool:
        return lane.is_known and self._backplane.is_linked

    def _near_in(self, platform: str) -> float:
        lane = self._ears.known(platform)
        if lane is None or not self._breaker.is_closed:
            return self.free_in(platform)
        return lane.near_at() - self._now()

    async def _await_turn(self, lane: SharedLane, reservation: Reservation) -> None:
        ticket = Ticket(asyncio.get_running_loop())
        lane.sleeps(ticket)
        try:
            while (wait := reservation.at - self._now()) > 0 and not lane.is_void(reservation):
                await ticket.sleep(wait)
        finally:
            lane.awake(ticket)

    async def _start_alone(self, lane: SharedLane, platform: str, interval: float) -> None:
        share = interval * lane.members
        earliest = max(lane.started_at + share, lane.paused_until())
        self._local.hold(platform, earliest - self._now())
        await self._local.acquire(platform, share)
        lane.started(self._now(), alone=True)

    async def _reserve(
        self, lane: SharedLane, link: Link, platform: str, interval: float
    ) -> Reservation | None:
        """Reserve the next start; None while Redis is away."""
        answer = await self._ask(lane, link, platform, interval)
        if answer is None:
            return None
        lane.learn(answer, interval)
        due = self._ears.time.local(answer.now + answer.wait)
        return Reservation(at=due, said=answer.said)

    async def _ask(
        self, lane: SharedLane, link: Link, platform: str, interval: float
    ) -> Answer | None:
        for _ in range(2):
            if not self._breaker.is_closed:
                return None
            asked = self._now()
            pause_until = lane.unsaid_until
            arguments = self._arguments(lane, platform, interval, asked)
            try:
                told = await link.reserve(self._names.keys(platform), arguments)
            except self._errors as exc:
                if self._now() - asked > _STOOD_STILL * self._timeout:
                    continue
                self._breaker.failed(exc)
                return None
            answered = self._now()
            answer = Answer.read(*told)
            self._breaker.succeeded()
            self._ears.time.learn(answer.now, asked, answered)
            until = self._ears.time.local(answer.now + answer.pause)
            lane.answered(answer.said, until, told=pause_until, now=answered)
            return answer
        return None

    def _arguments(
        self, lane: SharedLane, platform: str, interval: float, now: float
    ) -> tuple[int | str, ...]:
        since = now - lane.started_at
        # Others may be about to start alone, too, each within its share of the time.
        quiet = lane.started_alone_at + interval * lane.members - now
        return (
            _micros(interval),
            _micros(since) if since < _LONGEST_PAUSE else -1,
            _micros(max(0.0, lane.unsaid_until - now)),
            _micros(max(0.0, quiet)),
            self._member,
            _micros(max(_MEMBER_FOR, 4 * interval)),
            self._names.channel,
            platform,
        )


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)
