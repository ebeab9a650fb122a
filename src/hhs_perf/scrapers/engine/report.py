"""What a run did, platform by platform."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

import attrs

from ...metrics import nearest_rank

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..values import FailureKind, Outcome, SkipReason

__all__ = ["MEANT", "PlatformReport", "RunReport", "Tally"]

MEANT: Final = frozenset({"unresolvable", "no_credentials", "budget"})
"""Why accounts were skipped that were to be asked for: the run is not complete without them."""

_MOST_SHOWN: Final = 1000
_NOT_MEANT: Final = frozenset({"not_selected", "already_done"})


@attrs.frozen(kw_only=True)
class PlatformReport:
    """One platform's part of a run. Seconds; ratios 0..1; None is unknown."""

    platform: str
    succeeded: int
    failed: int
    skipped: int
    success_rate: float | None
    """Of the accounts that were asked for."""
    failures: Mapping[FailureKind, int]
    requests: int
    throttled: int
    """Requests that were refused for their rate."""
    p50: float | None
    p95: float | None
    p99: float | None
    """Of an account: request and parse of all attempts, without waits."""
    network: float
    """Seconds that requests took, all together."""
    waited: float
    """Seconds that requests waited for limits, pauses and retries, all together."""
    cost: float
    unit: str | None


@attrs.frozen(kw_only=True)
class RunReport:
    """A run after its end, or so far."""

    started_at: float
    """Seconds since 1970-01-01 UTC."""
    seconds: float
    succeeded: int
    failed: int
    skipped: Mapping[SkipReason, int]
    platforms: tuple[PlatformReport, ...]
    not_fetched: tuple[Outcome, ...]
    """The first thousand accounts without a snapshot, those merely not selected left out."""
    written: int
    """Snapshots that were kept where they should be."""
    unsaved: int
    """Snapshots that could not be; `spilled_to` is the file they are in."""
    spilled_to: Path | None
    storage_error: str | None
    left: int
    """Accounts that were not reached, since the run was stopped."""

    @property
    def requests(self) -> int:
        """Requests sent, repeated ones among them."""
        return sum(each.requests for each in self.platforms)

    @property
    def success_rate(self) -> float | None:
        """Of the accounts that were asked for; None where none was."""
        asked = self.succeeded + self.failed
        return self.succeeded / asked if asked else None

    @property
    def is_complete(self) -> bool:
        """Tell whether every account that was meant has its snapshot, and has it kept."""
        return not (self.failed or self.unsaved or self.left or MEANT & self.skipped.keys())


class _Platform:
    """The running totals of one platform."""

    def __init__(self, unit: str | None) -> None:
        self.unit = unit
        self.succeeded = self.failed = self.skipped = self.requests = self.throttled = 0
        self.network = self.waited = self.cost = 0.0
        self.failures: Counter[FailureKind] = Counter()
        self.seconds = array("d")


class Tally:
    """Adds up a run. Eight bytes are kept of each account, and the first thousand failures."""

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.succeeded = 0
        self.failed = 0
        self.skipped: Counter[SkipReason] = Counter()
        self._platforms: dict[str, _Platform] = {}
        self._not_fetched: deque[Outcome] = deque()

    def of(self, platform: str, unit: str | None = None) -> _Platform:
        """Get or create the totals of a platform."""
        held = self._platforms.get(platform)
        if held is None:
            held = self._platforms[platform] = _Platform(unit)
        if unit is not None:
            held.unit = unit
        return held

    def request(
        self,
        platform: str,
        unit: str | None,
        *,
        seconds: float,
        waited: float,
        failure: FailureKind | None,
    ) -> _Platform:
        """Add a request that was answered, or was not; give the totals of its platform."""
        held = self.of(platform, unit)
        held.requests += 1
        held.network += seconds
        held.waited += waited
        held.throttled += failure == "rate_limited"
        return held

    def take(self, outcome: Outcome) -> None:
        """Add what became of an account."""
        held = None if outcome.platform is None else self.of(outcome.platform)
        if outcome.status == "success":
            self.succeeded += 1
            if held is not None:
                held.succeeded += 1
        elif outcome.failure is not None:
            self.failed += 1
            if held is not None:
                held.failed += 1
                held.failures[outcome.failure.kind] += 1
        elif outcome.skipped is not None:
            self.skipped[outcome.skipped] += 1
            if held is not None:
                held.skipped += 1
        if held is not None and outcome.attempts:
            held.seconds.append(outcome.seconds)
        is_meant = outcome.snapshot is None and outcome.skipped not in _NOT_MEANT
        if is_meant and len(self._not_fetched) < _MOST_SHOWN:
            self._not_fetched.append(outcome)

    def report(
        self,
        *,
        seconds: float,
        written: int,
        unsaved: int,
        spilled_to: Path | None,
        storage_error: str | None,
        left: int,
    ) -> RunReport:
        """Give the report so far."""
        return RunReport(
            started_at=self.started_at,
            seconds=seconds,
            succeeded=self.succeeded,
            failed=self.failed,
            skipped=dict(self.skipped),
            platforms=tuple(_row(name, held) for name, held in sorted(self._platforms.items())),
            not_fetched=tuple(self._not_fetched),
            written=written,
            unsaved=unsaved,
            spilled_to=spilled_to,
            storage_error=storage_error,
            left=left,
        )


def _row(name: str, held: _Platform) -> PlatformReport:
    asked = held.succeeded + held.failed
    ordered = sorted(held.seconds)
    p50, p95, p99 = (_quantile(ordered, q) for q in (0.5, 0.95, 0.99))
    return PlatformReport(
        platform=name,
        succeeded=held.succeeded,
        failed=held.failed,
        skipped=held.skipped,
        success_rate=held.succeeded / asked if asked else None,
        failures=dict(held.failures),
        requests=held.requests,
        throttled=held.throttled,
        p50=p50,
        p95=p95,
        p99=p99,
        network=held.network,
        waited=held.waited,
        cost=held.cost,
        unit=held.unit,
    )


def _quantile(ordered: list[float], quantile: float) -> float | None:
    return ordered[nearest_rank(quantile, len(ordered)) - 1] if ordered else None
