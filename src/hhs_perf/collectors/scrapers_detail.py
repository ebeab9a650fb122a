"""The figures of scrapers platform by platform, for those who look closer than the summary does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from .latency import Latency, ratio
from .scrapers import (
    COST,
    DURATION,
    NETWORK,
    OUTCOMES,
    REQUESTS,
    SKIPPED,
    THROTTLED,
    UNKNOWN,
    WAIT,
    PlatformFigures,
    ScraperFigures,
    block,
    failures,
    figures,
    names,
    of,
)

if TYPE_CHECKING:
    from ..metrics import Snapshot

__all__ = [
    "Cost",
    "FailureCount",
    "PlatformDetail",
    "ScraperDetail",
    "SkippedCount",
    "Traffic",
    "detail",
]


@attrs.frozen(kw_only=True, slots=False)
class FailureCount:
    """Accounts that failed in one way; `share` is their part of all failures."""

    kind: str
    count: int
    share: float | None


@attrs.frozen(kw_only=True, slots=False)
class SkippedCount:
    """Accounts that were not asked for, and why."""

    reason: str
    count: int


@attrs.frozen(kw_only=True, slots=False)
class Cost:
    """What the answers cost, in `unit`: USD, units, requests, percent."""

    unit: str
    amount: float


@attrs.frozen(kw_only=True, slots=False)
class Traffic:
    """Requests, what they waited for and what they cost; None is unknown, never zero.

    `wait` is over what requests waited for limits, pauses and retries before they were sent,
    `network` over what they took from then on; `waiting_share` is the part of both that was
    waiting. `throttled` are requests that were refused for their rate.
    """

    requests: int | None
    request_errors: int | None
    throttled: int | None
    wait: Latency
    network: Latency
    waiting_share: float | None
    cost: tuple[Cost, ...]
    failures: tuple[FailureCount, ...]
    skipped: tuple[SkippedCount, ...]


@attrs.frozen(kw_only=True, slots=False)
class PlatformDetail(PlatformFigures, Traffic):
    """One platform."""


@attrs.frozen(kw_only=True, slots=False)
class ScraperDetail(ScraperFigures, Traffic):
    """What the summary shows of scrapers, and how it came about."""

    platforms: tuple[PlatformDetail, ...]


def detail(snapshot: Snapshot) -> ScraperDetail:
    """Turn a snapshot into the figures of the scrapers, platform by platform."""
    whole = attrs.asdict(figures(snapshot), recurse=False)
    platforms = names(snapshot, DURATION, OUTCOMES, REQUESTS, SKIPPED)
    rows = tuple(
        PlatformDetail(
            **of(snapshot, name),
            **block(snapshot, platform=name),
            **_traffic(snapshot, platform=name),
        )
        for name in platforms
    )
    changed = {"observed": whole["observed"] or bool(rows), "platforms": rows}
    return ScraperDetail(**whole | changed, **_traffic(snapshot))


def _traffic(snapshot: Snapshot, **tags: str) -> dict[str, Any]:
    requests = snapshot.count(REQUESTS, **tags)
    wait, network = snapshot.timer(WAIT, **tags), snapshot.timer(NETWORK, **tags)
    counts = failures(snapshot, **tags)
    return {
        "requests": round(requests) if requests else None,
        "request_errors": (
            round(snapshot.count(REQUESTS, result="failure", **tags)) if requests else None
        ),
        "throttled": round(snapshot.count(THROTTLED, **tags)) if requests else None,
        "wait": Latency(**Latency.fields_of(snapshot, wait)),
        "network": Latency(**Latency.fields_of(snapshot, network)),
        "waiting_share": ratio(wait.sum, wait.sum + network.sum) if wait.count else None,
        "cost": tuple(
            Cost(unit=unit, amount=amount)
            for unit, amount in _added_up(snapshot, COST, "unit", tags).items()
        ),
        "failures": tuple(
            FailureCount(kind=kind, count=count, share=ratio(count, sum(counts.values())))
            for kind, count in counts.items()
        ),
        "skipped": tuple(
            SkippedCount(reason=reason, count=round(count))
            for reason, count in _added_up(snapshot, SKIPPED, "reason", tags).items()
        ),
    }


def _added_up(snapshot: Snapshot, name: str, tag: str, tags: dict[str, str]) -> dict[str, float]:
    counts: dict[str, float] = {}
    for held, count in snapshot.counters(name, **tags):
        if count:
            value = held.get(tag, UNKNOWN)
            counts[value] = counts.get(value, 0.0) + count
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
