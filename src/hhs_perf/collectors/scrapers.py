"""Scrapes of accounts, by platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from ..metrics.merging import merge
from .latency import Latency, ratio

if TYPE_CHECKING:
    from ..metrics import Counter, Distribution, Registry, Snapshot

__all__ = ["PlatformFigures", "ScrapeResult", "ScraperCollector", "ScraperFigures", "names", "of"]

DURATION: Final = "scrape.duration"
OUTCOMES: Final = "scrape.outcomes"
CORE: Final = "scrape.core.outcomes"
SKIPPED: Final = "scrape.skipped"
REQUESTS: Final = "scrape.requests"
THROTTLED: Final = "scrape.throttled"
NETWORK: Final = "scrape.network.duration"
WAIT: Final = "scrape.wait.duration"
COST: Final = "scrape.cost"

ScrapeResult = Literal["success", "failure", "skipped"]

UNKNOWN: Final = "unknown"
_THROTTLE: Final = "rate_limited"
# A host may make up names without end; the registry bounds what is held of them.
_MOST_BOUND: Final = 1000


@attrs.frozen(kw_only=True, slots=False)
class PlatformFigures(Latency):
    """One platform; `dominant_failure` is the kind of failure that most of its failures are of."""

    platform: str
    success_rate: float | None
    dominant_failure: str | None


@attrs.frozen(kw_only=True, slots=False)
class ScraperFigures(Latency):
    """All scrapes, and each platform by name; `core_success_rate` is that of core accounts."""

    observed: bool
    success_rate: float | None
    core_success_rate: float | None
    platforms: tuple[PlatformFigures, ...]


class _Series:
    """The series of one platform that every request and every account goes to."""

    __slots__ = (
        "duration", "failed", "metrics", "network", "platform", "seldom", "succeeded", "success",
        "wait",
    )  # fmt: skip

    def __init__(self, metrics: Registry, platform: str) -> None:
        self.metrics = metrics
        self.platform = platform
        self.duration = metrics.timer(DURATION, platform=platform)
        self.network = metrics.timer(NETWORK, platform=platform)
        self.wait = metrics.timer(WAIT, platform=platform)
        self.succeeded = metrics.counter(REQUESTS, platform=platform, result="success")
        self.failed = metrics.counter(REQUESTS, platform=platform, result="failure")
        self.success = metrics.counter(OUTCOMES, platform=platform, result="success")
        self.seldom: dict[tuple[str, str, str | None], Counter] = {}

    def counter(self, name: str, tag: str, value: str | None) -> Counter:
        """Give a counter that has one more tag."""
        key = (name, tag, value)
        counter = self.seldom.get(key)
        if counter is None:
            tags = {"platform": self.platform, tag: value or UNKNOWN}
            if name == OUTCOMES:
                tags["result"] = "failure"
            if len(self.seldom) >= _MOST_BOUND:
                self.seldom.clear()
            counter = self.seldom[key] = self.metrics.counter(name, **tags)
        return counter


class ScraperCollector:
    """Takes accounts into `scrape.duration{platform}` and `scrape.outcomes{platform,result,kind}`.

    Requests go to `scrape.requests{platform,result}`, `scrape.network.duration{platform}` and
    `scrape.wait.duration{platform}`; those refused for their rate are counted in
    `scrape.throttled{platform}` too, and what they cost in `scrape.cost{platform,unit}`.
    """

    def __init__(self, metrics: Registry) -> None:
        self._metrics = metrics
        self._bound: dict[str, _Series] = {}

    def request(
        self,
        platform: str,
        *,
        seconds: float,
        waited: float,
        failure: str | None = None,
        cost: float = 0.0,
        unit: str | None = None,
    ) -> None:
        """Take one request: its seconds on the network and in parsing, and those it waited before.

        `failure` is the kind of failure, where the request as a whole failed; `cost` is in `unit`.
        """
        series = self._bound.get(platform) or self._bind(platform)
        series.network.record(seconds)
        series.wait.record(waited)
        if failure is None:
            series.succeeded.record(1.0)
        else:
            series.failed.record(1.0)
            if failure == _THROTTLE:
                self._metrics.counter(THROTTLED, platform=platform).add(1)
        if cost:
            series.counter(COST, "unit", unit).record(cost)

    def outcome(
        self,
        platform: str | None,
        result: ScrapeResult,
        seconds: float | None,
        *,
        kind: str | None = None,
        reason: str | None = None,
        is_core: bool = False,
    ) -> None:
        """Take what became of one account.

        `seconds` are those of all attempts without waits, None where nothing was sent. `kind` is
        that of a failure, `reason` why it was skipped; what was skipped counts neither as a
        success nor as a failure.
        """
        platform = platform or UNKNOWN
        series = self._bound.get(platform) or self._bind(platform)
        if is_core:
            series.counter(CORE, "result", result).record(1.0)
        if result == "skipped":
            series.counter(SKIPPED, "reason", reason).record(1.0)
            return
        if seconds is not None:
            series.duration.record(seconds)
        if result == "success":
            series.success.record(1.0)
        else:
            series.counter(OUTCOMES, "kind", kind).record(1.0)

    def record_scrape(
        self, platform: str, seconds: float, *, succeeded: bool, kind: str | None = None
    ) -> None:
        """Take the scrape of one account by an engine of the host's own.

        `seconds` are those of request and parse, without waiting for limits.
        """
        self.outcome(platform, "success" if succeeded else "failure", seconds, kind=kind)

    def _bind(self, platform: str) -> _Series:
        if len(self._bound) >= _MOST_BOUND:
            self._bound.clear()
        series = self._bound[platform] = _Series(self._metrics, platform)
        return series


def figures(snapshot: Snapshot) -> ScraperFigures:
    """Turn a snapshot into the figures of the scrapers."""
    platforms = names(snapshot, DURATION, OUTCOMES)
    whole = block(snapshot)
    return ScraperFigures(
        observed=bool(whole),
        success_rate=success_rate(snapshot, OUTCOMES),
        core_success_rate=success_rate(snapshot, CORE),
        platforms=tuple(
            PlatformFigures(**of(snapshot, name), **block(snapshot, platform=name))
            for name in platforms
        ),
        **whole,
    )


def names(snapshot: Snapshot, *series: str) -> list[str]:
    """Name the platforms that have something in these series, sorted."""
    # A host may record under our names, too, with tags of its own.
    found = {""}
    for each in series:
        timers, counters = snapshot.timers(each), snapshot.counters(each)
        found |= {tags.get("platform", "") for tags, seen in timers if seen.count}
        found |= {tags.get("platform", "") for tags, count in counters if count}
    return sorted(found - {""})


def of(snapshot: Snapshot, platform: str) -> dict[str, Any]:
    """Give the fields that PlatformFigures adds to a latency block."""
    return {
        "platform": platform,
        "success_rate": success_rate(snapshot, OUTCOMES, platform=platform),
        "dominant_failure": next(iter(failures(snapshot, platform=platform)), None),
    }


def block(snapshot: Snapshot, **tags: str) -> dict[str, Any]:
    """Give the fields of a latency block.

    Accounts that failed before anything was sent are counted, and have no duration.
    """
    outcomes = snapshot.count(OUTCOMES, **tags)
    failed = snapshot.count(OUTCOMES, result="failure", **tags)
    fields = Latency.fields_of(snapshot, _seen(snapshot, tags), errors=failed)
    if not outcomes:
        return fields
    return fields | {
        "count": round(outcomes),
        "rate": snapshot.rate(outcomes),
        "errors": round(failed),
        "error_rate": ratio(failed, outcomes),
    }


def failures(snapshot: Snapshot, **tags: str) -> dict[str, int]:
    """Count failures by kind, those of the most frequent kind first."""
    counts: dict[str, float] = {}
    for held, count in snapshot.counters(OUTCOMES, result="failure", **tags):
        kind = held.get("kind", UNKNOWN)
        counts[kind] = counts.get(kind, 0.0) + count
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {kind: round(count) for kind, count in ordered if count}


def success_rate(snapshot: Snapshot, name: str, **tags: str) -> float | None:
    """Give the share of the accounts asked for that have a snapshot; None where none was."""
    succeeded = snapshot.count(name, result="success", **tags)
    return ratio(succeeded, succeeded + snapshot.count(name, result="failure", **tags))


def _seen(snapshot: Snapshot, tags: dict[str, str]) -> Distribution:
    seen = snapshot.timer(DURATION, **tags)
    if not seen.count or seen.quantile(1 / 2) is not None:
        return seen
    # A daily run is in one slot of an hour, where a total keeps no values that its parts do.
    parts = merge((each for _, each in snapshot.timers(DURATION, **tags)), snapshot.engine)
    return parts if parts.count == seen.count else seen
