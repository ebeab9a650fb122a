"""Limits within one process: one start after the other, for all its event loops and threads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ..._fork import renew_after_fork
from .lane import Lane, Ticket

if TYPE_CHECKING:
    from ..._clock import Clock

__all__ = ["LocalLimiter"]

# So long before a start is due whoever is ready may take what else the request needs.
_NEAR: Final = 0.005
_MOST_LANES: Final = 1024


class LocalLimiter:
    """Keeps a platform's starts `interval` seconds apart, counted between actual starts.

    Nothing is saved up: a pause of the caller earns no burst. Callers come in their order, from
    whatever event loop. One object for a process; a forked child goes on from its parent's starts.
    """

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._lanes: dict[str, Lane] = {}
        renew_after_fork(self)

    async def ready(self, platform: str, interval: float) -> None:  # noqa: ARG002 - the seam's
        """Return when the next start of those who wait already, or of nobody, is near."""
        while (wait := self.free_in(platform)) > _NEAR:  # noqa: ASYNC110 - for a time
            await asyncio.sleep(wait - _NEAR / 2)

    async def acquire(self, platform: str, interval: float) -> None:
        """Return at the moment when a request may start; it counts as started then."""
        lane = self._lanes.get(platform)
        if lane is None:
            if interval <= 0:
                return
            lane = self._lane(platform)
        if lane.start_at_once(self._monotonic(), interval):
            return
        ticket = Ticket(asyncio.get_running_loop())
        lane.join(ticket)
        try:
            while (wait := lane.start_in_turn(ticket, self._monotonic(), interval)) > 0:
                await ticket.sleep(wait)
        finally:
            lane.leave(ticket)

    async def pause(self, platform: str, seconds: float) -> None:
        """Let nobody start for so many seconds from now on; a longer pause stays."""
        self.hold(platform, seconds)

    def hold(self, platform: str, seconds: float) -> None:
        """Do what `pause` does, from any thread."""
        if seconds > 0:
            self._lane(platform).hold(self._monotonic() + seconds)

    def free_in(self, platform: str) -> float:
        """Seconds until somebody who asks now may start; 0: now."""
        lane = self._lanes.get(platform)
        return 0.0 if lane is None else max(0.0, lane.free_at() - self._monotonic())

    def paused_for(self, platform: str) -> float:
        """Seconds for which a pause still holds; 0: there is none."""
        lane = self._lanes.get(platform)
        return 0.0 if lane is None else max(0.0, lane.paused_until - self._monotonic())

    async def close(self) -> None:
        """Let go of nothing: there are no connections."""

    def _lane(self, platform: str) -> Lane:
        lane = self._lanes.get(platform)
        if lane is None:
            if len(self._lanes) >= _MOST_LANES:
                self._forget_idle()
            lane = self._lanes.setdefault(platform, Lane())
        return lane

    def _forget_idle(self) -> None:
        now = self._monotonic()
        for platform, lane in list(self._lanes.items()):
            if lane.is_idle(now):
                del self._lanes[platform]

    def after_fork_in_child(self) -> None:
        """Keep the times of starts; whoever waits waits in the parent."""
        for lane in self._lanes.values():
            lane.renew()
