"""Advice on scraping: credentials, failures, limits, order and workers.

Where the figures are thin there is none. The thresholds are constants.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from .scrape_remedies import remedy_of
from .values import Advice, Evidence, known, times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .._settings import ScraperSettings
    from ..collectors.scrapers_detail import PlatformDetail, ScraperDetail, Traffic
    from ..scrapers.engine.health import PlatformState

__all__ = [
    "FAILED_ACCOUNTS",
    "FAILED_SHARE",
    "LINES",
    "THROTTLED_REQUESTS",
    "THROTTLED_SHARE",
    "TIMED_REQUESTS",
    "scraper_advice",
]

FAILED_ACCOUNTS: Final = 3
"""Accounts that failed in one way, at least, for the platform's failures to be told of."""
FAILED_SHARE: Final = 0.05
"""Share of a platform's accounts that failed above which it is told of."""
THROTTLED_REQUESTS: Final = 3
THROTTLED_SHARE: Final = 0.01
"""Share of a platform's requests refused for their rate above which its pace is too fast."""
TIMED_REQUESTS: Final = 20
"""Requests of a platform from which on their mean time tells how many workers it keeps busy."""
LINES: Final = 3
"""The newest failures that are quoted."""

_ENDED_EARLY: Final = frozenset({"budget"})
_LONGEST: Final = 200


def scraper_advice(
    seen: ScraperDetail, states: Iterable[PlatformState], settings: ScraperSettings
) -> tuple[Advice, ...]:
    """Give the advice that the figures of a window bear out, the most urgent first."""
    by_name = {each.name: each for each in states}
    found: list[Advice] = []
    for row in seen.platforms:
        found += _credentials(row, by_name.get(row.platform))
    for row in sorted(seen.platforms, key=lambda each: -(each.errors or 0)):
        found += _failing(row, by_name.get(row.platform))
    for row in seen.platforms:
        found += _throttled(row, by_name.get(row.platform), settings)
    found += _addresses(seen)
    found += _order(seen)
    found += _workers(seen, by_name, settings)
    return tuple(found)


def _skipped(traffic: Traffic, reason: str) -> int:
    return sum(each.count for each in traffic.skipped if each.reason == reason)


def _credentials(row: PlatformDetail, state: PlatformState | None) -> Iterator[Advice]:
    left_out = _skipped(row, "no_credentials")
    if state is None or not state.missing or not left_out:
        return
    variables = " and ".join(state.missing)
    yield Advice(
        rule="scrape-credentials",
        about=row.platform,
        setting=", ".join(state.missing),
        text=(
            f"Set {variables}: {times(left_out, 'account')} of {state.title} {_were(left_out)} left"
            " out without. `hhs-perf platforms` says where to get credentials."
        ),
        evidence=(Evidence(figure="accounts left out", value=left_out),),
    )


def _failing(row: PlatformDetail, state: PlatformState | None) -> Iterator[Advice]:
    if not row.failures or (row.error_rate or 0.0) <= FAILED_SHARE:
        return
    worst = row.failures[0]
    if worst.count < FAILED_ACCOUNTS:
        return
    remedy, setting = remedy_of(row.platform, worst.kind)
    lines = _newest(state, worst.kind)
    quoted = f" Newest: {'; '.join(lines)}." if lines else ""
    yield Advice(
        rule="scrape-failures",
        about=row.platform,
        setting=setting,
        text=(
            f"{times(worst.count, 'account')} of {_title(row, state)} failed as {worst.kind}:"
            f" {remedy}.{quoted}"
        ),
        evidence=(
            Evidence(figure=worst.kind, value=worst.count),
            *known("share of failures", worst.share, "ratio"),
            *known("error rate", row.error_rate, "ratio"),
        ),
    )


def _newest(state: PlatformState | None, kind: str) -> list[str]:
    if state is None:
        return []
    lines = [f"{each.handle}: {each.detail}" for each in state.newest_failures if each.kind == kind]
    return [each if len(each) <= _LONGEST else f"{each[:_LONGEST]}…" for each in lines[:LINES]]


def _throttled(
    row: PlatformDetail, state: PlatformState | None, settings: ScraperSettings
) -> Iterator[Advice]:
    throttled, requests = row.throttled or 0, row.requests or 0
    if throttled < THROTTLED_REQUESTS or throttled <= THROTTLED_SHARE * requests:
        return
    interval = settings.interval if state is None else state.interval
    variable = f"HHS_PERF_{row.platform.upper()}_INTERVAL"
    yield Advice(
        rule="scrape-limit",
        about=row.platform,
        setting=variable,
        text=(
            f"Raise {variable} from {interval:g} s: {_title(row, state)} refused"
            f" {throttled} of {requests} requests for their rate, and each costs a pause."
        ),
        evidence=(
            Evidence(figure="throttled", value=throttled),
            Evidence(figure="requests", value=requests),
            Evidence(figure="interval", value=interval, unit="s"),
            *known("mean wait", row.wait.avg, "s"),
        ),
    )


def _addresses(seen: ScraperDetail) -> Iterator[Advice]:
    count = _skipped(seen, "unresolvable")
    if not count:
        return
    yield Advice(
        rule="scrape-address",
        about=None,
        setting="accounts",
        text=(
            f"Correct the addresses of {times(count, 'account')}: no platform can make an account"
            " of them. `hhs-perf scrape --dry-run` names each with the reason."
        ),
        evidence=(Evidence(figure="accounts left out", value=count),),
    )


def _order(seen: ScraperDetail) -> Iterator[Advice]:
    left_out = sum(each.count for each in seen.skipped if each.reason in _ENDED_EARLY)
    left_out += sum(each.count for each in seen.failures if each.kind == "quota_exhausted")
    if not left_out or seen.core_success_rate is not None:
        return
    yield Advice(
        rule="scrape-order",
        about=None,
        setting="--core",
        text=(
            f"{times(left_out, 'account')} {_were(left_out)} not reached, and none is marked as"
            " core. Mark those that matter most, by is_core_account in the list or by --core: they"
            " come first."
        ),
        evidence=(
            Evidence(figure="accounts left out", value=left_out),
            *known("accounts asked for", seen.count),
        ),
    )


def _workers(
    seen: ScraperDetail, states: Mapping[str, PlatformState], settings: ScraperSettings
) -> Iterator[Advice]:
    busy = 0.0
    for row in seen.platforms:
        state = states.get(row.platform)
        interval = settings.interval if state is None else state.interval
        if (row.requests or 0) >= TIMED_REQUESTS and row.network.avg is not None and interval > 0:
            # Little's law: one start each interval, each under way for its mean time.
            busy += row.network.avg / interval
    needed = math.ceil(busy)
    if needed <= settings.max_workers:
        return
    yield Advice(
        rule="scrape-workers",
        about=None,
        setting="HHS_PERF_SCRAPE_WORKERS",
        text=(
            f"Raise HHS_PERF_SCRAPE_WORKERS from {settings.max_workers} to {needed}: at their pace"
            f" the platforms keep {busy:.3g} requests under way, and with fewer workers they are"
            " asked less often than allowed."
        ),
        evidence=(
            Evidence(figure="workers kept busy", value=busy),
            Evidence(figure="workers", value=settings.max_workers),
            *known("mean time of a request", seen.network.avg, "s"),
        ),
    )


def _title(row: PlatformDetail, state: PlatformState | None) -> str:
    return row.platform if state is None else state.title


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
