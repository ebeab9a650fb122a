"""How a platform is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .engine.health import PERCENT, PlatformState

if TYPE_CHECKING:
    from .engine.health import Health
    from .engine.setup import PlatformSetup
    from .limiter import Limiter

__all__ = ["state_of"]


def state_of(setup: PlatformSetup, health: Health, limiter: Limiter, now: float) -> PlatformState:
    """Tell how a platform is doing at `now`, a Unix time in seconds."""
    platform = setup.platform
    unit = None if platform.budget is None else platform.budget.unit
    free_in = max(map(limiter.free_in, health.keys() or (platform.name,)))
    return PlatformState(
        name=platform.name,
        title=platform.title,
        missing=setup.missing,
        interval=setup.interval,
        breaker=health.worst(platform.name),
        next_allowed=now + free_in if free_in > 0 else None,
        last_good=health.last_good,
        spent_today=health.percent if unit == PERCENT else health.spent(now),
        unit=unit,
        limit=setup.limit,
        slowest=health.slowest(),
        newest_failures=health.newest_failures(),
    )
