"""What `/api/performance/scrapers` answers, and how it is put together.

A file of its own, imported when somebody asks, as those of the cache and of databases are. It
needs no HTTP library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from .._clock import rfc3339
from ..advice import Advice, scraper_advice
from ..collectors.scrapers_detail import ScraperDetail, detail
from .bodies import Header
from .breaker_row import BreakerRow, breaker_row, stamp
from .build import header_of

if TYPE_CHECKING:
    from .._monitor import Monitor
    from ..scrapers.engine.health import PlatformState

__all__ = ["ScrapersBody", "scrapers_body", "scrapers_state"]

_ADVISED_OVER: Final = "24h"


@attrs.frozen(kw_only=True, slots=False)
class SlowAccountRow:
    """An account that took long in the newest run; `seconds` of all attempts, without waits."""

    handle: str
    url: str | None
    seconds: float


@attrs.frozen(kw_only=True, slots=False)
class FailureRow:
    """A failure: when, of which account, of which kind, and what was said."""

    at: str
    handle: str
    kind: str
    detail: str


@attrs.frozen(kw_only=True, slots=False)
class PlatformRow:
    """How a platform stands; `missing` are variables without which it cannot be asked.

    `next_allowed` is when the next request may start, null where it may now. `spent_today` is what
    this process spent since midnight UTC, in `unit`, of `limit`; null where only the platform
    knows.
    """

    platform: str
    title: str
    missing: tuple[str, ...]
    interval: float
    breaker: BreakerRow
    next_allowed: str | None
    last_good: str | None
    spent_today: float | None
    unit: str | None
    limit: float | None
    slowest: tuple[SlowAccountRow, ...]
    newest_failures: tuple[FailureRow, ...]


@attrs.frozen(kw_only=True, slots=False)
class ScrapersBody(Header):
    """`/api/performance/scrapers`.

    `in_window` is what was recorded in the window, `now` how each platform stands in this process;
    it is empty while nobody has asked for `monitor.scrapers`. `advice` is over 24 hours.
    """

    observed: bool
    in_window: ScraperDetail
    now: tuple[PlatformRow, ...]
    max_workers: int
    advice: tuple[Advice, ...]


def scrapers_body(monitor: Monitor, window: str) -> ScrapersBody:
    """Build `/scrapers` over `window`; makes no scraper part where there is none."""
    snapshot = monitor.reader.read(window)
    in_window = detail(snapshot)
    states = _states(monitor)
    day = in_window if window == _ADVISED_OVER else detail(monitor.reader.read(_ADVISED_OVER))
    settings = monitor.settings.scrapers
    return ScrapersBody(
        **header_of(snapshot),
        observed=in_window.observed or any(map(_was_used, states)),
        in_window=in_window,
        now=tuple(map(_row, states)),
        max_workers=settings.max_workers,
        advice=scraper_advice(day, states, settings),
    )


def scrapers_state(monitor: Monitor) -> int:
    """Give a number that changes with what is shown of platforms besides the metrics."""
    return hash(tuple(map(_row, _states(monitor))))


def _states(monitor: Monitor) -> tuple[PlatformState, ...]:
    return monitor.scrapers.state() if monitor.has_scrapers else ()


def _was_used(state: PlatformState) -> bool:
    return state.last_good is not None or bool(state.newest_failures)


def _row(state: PlatformState) -> PlatformRow:
    return PlatformRow(
        platform=state.name,
        title=state.title,
        missing=state.missing,
        interval=state.interval,
        breaker=breaker_row(state.breaker),
        next_allowed=stamp(state.next_allowed),
        last_good=stamp(state.last_good),
        spent_today=None if state.unit is None else state.spent_today,
        unit=state.unit,
        limit=state.limit,
        slowest=tuple(
            SlowAccountRow(handle=each.handle, url=each.url, seconds=each.seconds)
            for each in state.slowest
        ),
        newest_failures=tuple(
            FailureRow(at=rfc3339(each.at), handle=each.handle, kind=each.kind, detail=each.detail)
            for each in state.newest_failures
        ),
    )
