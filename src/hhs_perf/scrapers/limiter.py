"""The seam between the engine and what keeps a platform's limits: here, on this machine, or all."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Limiter"]


class Limiter(Protocol):
    """Says when a request to a platform may start, one after the other and never in bursts.

    `platform` is the name that limits go by; `interval` the seconds between two starts, 0 for as
    many as there are. Used by the tasks of one event loop at a time; limiters that are shared
    between loops, threads, processes or machines hold across them.
    """

    async def ready(self, platform: str, interval: float) -> None:
        """Return when a start is likely to be near. Reserves nothing: `acquire` decides."""
        ...

    async def acquire(self, platform: str, interval: float) -> None:
        """Return at the moment when a request may start; callers come in their order."""
        ...

    async def pause(self, platform: str, seconds: float) -> None:
        """Let nobody start for so many seconds from now on; a longer pause stays."""
        ...

    def free_in(self, platform: str) -> float:
        """Seconds until the next start is allowed, as far as is known here; 0: now."""
        ...

    def paused_for(self, platform: str) -> float:
        """Seconds for which `pause` still holds, as far as is known here; 0: there is none."""
        ...

    async def close(self) -> None:
        """Let go of connections of the running event loop."""
        ...
