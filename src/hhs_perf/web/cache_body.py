"""What `/api/performance/cache` answers, and how it is put together.

A file of its own, imported when somebody asks: its classes take longer to make than the rest of
the routes takes to mount.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from .._clock import rfc3339
from ..cache.observed.advice import Advice
from ..cache.observed.report import CacheTotals, LinkReport, MemoryReport
from ..cache.observed.reporting import state_of
from ..collectors.cache_detail import CacheDetail, detail
from .bodies import Header
from .breaker_row import BreakerRow, breaker_row, stamp
from .build import header_of

if TYPE_CHECKING:
    from .._monitor import Monitor
    from ..cache.observed.report import CacheReport
    from ..cache.warm.warm_ups import WarmResult

__all__ = ["CacheBody", "cache_body", "cache_state"]


@attrs.frozen(kw_only=True, slots=False)
class SinceStart(CacheTotals):
    """What the cache of this process counted since `since`."""

    since: str
    errors: int


@attrs.frozen(kw_only=True, slots=False)
class RedisRow:
    """L2 as it stands; the address has no passwords."""

    address: str
    breaker: BreakerRow
    link: LinkReport


@attrs.frozen(kw_only=True, slots=False)
class CacheNow:
    """Both levels as they stand."""

    namespace: str
    l1: MemoryReport
    l2: RedisRow | None


@attrs.frozen(kw_only=True, slots=False)
class ErrorRow:
    """An error that was kept from callers."""

    at: str
    where: str
    error: str


@attrs.frozen(kw_only=True, slots=False)
class WarmUpRow:
    """How a warm-up stands in this process."""

    name: str
    state: Literal["waiting", "running", "done", "failed", "off"]
    seconds: float | None
    error: str | None
    finished_at: str | None
    every: float | None
    note: str | None
    runs: int
    failures: int


@attrs.frozen(kw_only=True, slots=False)
class CacheBody(Header):
    """`/api/performance/cache`.

    `in_window` is what was recorded in the window; `since_start` what this process has counted
    since it began, `now` how the cache stands. Both are null while nobody has asked for it.
    """

    observed: bool
    in_window: CacheDetail
    since_start: SinceStart | None
    now: CacheNow | None
    advice: tuple[Advice, ...]
    recent_errors: tuple[ErrorRow, ...]
    warm_ups: tuple[WarmUpRow, ...]


def cache_body(monitor: Monitor, window: str) -> CacheBody:
    """Build `/cache` over `window`; makes no cache where there is none."""
    snapshot = monitor.reader.read(window)
    report = monitor.cache.report() if monitor.has_cache else None
    in_window = detail(snapshot)
    return CacheBody(
        **header_of(snapshot),
        observed=in_window.observed or (report is not None and report.is_used),
        in_window=in_window,
        since_start=None if report is None else _since_start(report),
        now=None if report is None else _now(report),
        advice=() if report is None else report.advice,
        recent_errors=() if report is None else _errors(report),
        warm_ups=() if report is None else tuple(map(_warm_up, report.warm_ups)),
    )


def cache_state(monitor: Monitor) -> int:
    """Give a number that changes with what is shown of the cache besides the metrics."""
    cache = monitor.cache
    return state_of(cache.core, cache.warming.results())


def _since_start(report: CacheReport) -> SinceStart:
    totals: dict[str, Any] = {
        field.name: getattr(report, field.name) for field in attrs.fields(CacheTotals)
    }
    return SinceStart(**totals, since=rfc3339(report.since), errors=report.errors)


def _now(report: CacheReport) -> CacheNow:
    below = None
    if report.address is not None and report.breaker is not None and report.link is not None:
        breaker = breaker_row(report.breaker)
        below = RedisRow(address=report.address, breaker=breaker, link=report.link)
    return CacheNow(namespace=report.namespace, l1=report.memory, l2=below)


def _errors(report: CacheReport) -> tuple[ErrorRow, ...]:
    return tuple(
        ErrorRow(at=rfc3339(each.at), where=each.where, error=each.error)
        for each in report.recent_errors
    )


def _warm_up(result: WarmResult) -> WarmUpRow:
    return WarmUpRow(
        name=result.name,
        state=result.state,
        seconds=result.seconds,
        error=result.error,
        finished_at=stamp(result.finished_at),
        every=result.every,
        note=result.note,
        runs=result.runs,
        failures=result.failures,
    )
