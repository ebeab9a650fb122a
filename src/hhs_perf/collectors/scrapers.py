"""Scrapes of accounts, by platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from .latency import Latency, ratio

if TYPE_CHECKING:
    from ..metrics import Registry, Snapshot

__all__ = ["PlatformFigures", "ScraperCollector", "ScraperFigures"]

DURATION: Final = "scrape.duration"
OUTCOMES: Final = "scrape.outcomes"


@attrs.frozen(kw_only=True, slots=False)
class PlatformFigures(Latency):
    """One platform."""

    platform: str
    success_rate: float | None


@attrs.frozen(kw_only=True, slots=False)
class ScraperFigures(Latency):
    """All scrapes, and each platform by name."""

    observed: bool
    success_rate: float | None
    platforms: tuple[PlatformFigures, ...]


class ScraperCollector:
    """Takes scrapes into `scrape.duration{platform}` and `scrape.outcomes{platform, result}`."""

    def __init__(self, metrics: Registry) -> None:
        self._metrics = metrics

    def record_scrape(self, platform: str, seconds: float, *, succeeded: bool) -> None:
        """Take the scrape of one account: request and parse, without waiting for limits."""
        result = "success" if succeeded else "failure"
        self._metrics.timer(DURATION, platform=platform).record(seconds)
        self._metrics.counter(OUTCOMES, platform=platform, result=result).add(1)


def figures(snapshot: Snapshot) -> ScraperFigures:
    """Turn a snapshot into the figures of the scrapers."""
    seen = snapshot.timer(DURATION)
    return ScraperFigures(
        observed=bool(seen.count),
        success_rate=_success_rate(snapshot),
        platforms=tuple(
            _platform(snapshot, name) for name in snapshot.tag_values(DURATION, "platform")
        ),
        **Latency.fields_of(snapshot, seen, errors=snapshot.count(OUTCOMES, result="failure")),
    )


def _success_rate(snapshot: Snapshot, **tags: str) -> float | None:
    succeeded = snapshot.count(OUTCOMES, result="success", **tags)
    return ratio(succeeded, snapshot.count(OUTCOMES, **tags))


def _platform(snapshot: Snapshot, platform: str) -> PlatformFigures:
    errors = snapshot.count(OUTCOMES, platform=platform, result="failure")
    seen = snapshot.timer(DURATION, platform=platform)
    return PlatformFigures(
        platform=platform,
        success_rate=_success_rate(snapshot, platform=platform),
        **Latency.fields_of(snapshot, seen, errors=errors),
    )
