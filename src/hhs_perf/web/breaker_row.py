"""A circuit breaker as the routes show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from .._clock import rfc3339

if TYPE_CHECKING:
    from .._breaker import BreakerReport

__all__ = ["BreakerRow", "breaker_row", "stamp"]


@attrs.frozen(kw_only=True, slots=False)
class BreakerRow:
    """Whether a server is asked."""

    state: Literal["closed", "open", "half_open"]
    since: str
    openings: int
    failures: int
    last_error: str | None
    last_error_at: str | None


def breaker_row(breaker: BreakerReport) -> BreakerRow:
    """Write a breaker with stamps; when it is tried again is an age, and left out."""
    return BreakerRow(
        state=breaker.state,
        since=rfc3339(breaker.since),
        openings=breaker.openings,
        failures=breaker.failures,
        last_error=breaker.last_error,
        last_error_at=stamp(breaker.last_error_at),
    )


def stamp(at: float | None) -> str | None:
    """Write a moment, seconds since 1970, where there is one."""
    return None if at is None else rfc3339(at)
