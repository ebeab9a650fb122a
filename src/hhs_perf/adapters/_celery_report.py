"""What the tasks of one run did, added up: values that travel as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import attrs

from ..scrapers.engine.report import MEANT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..scrapers.engine.report import RunReport
    from ..scrapers.values import Outcome

__all__ = ["ChunkReport", "GatheredRun", "Missed", "PlatformShare", "gathered", "report_of"]

_MOST_MISSED: Final = 20
_MOST_SHOWN: Final = 1000
_UNINTERESTING: Final = frozenset({"not_selected", "already_done", "duplicate"})


@attrs.frozen(kw_only=True)
class Missed:
    """An account without a snapshot."""

    platform: str | None
    account: str
    """Its address, or its platform and handle."""
    why: str
    """The kind of failure, or why it was not asked for."""
    told: str


@attrs.frozen(kw_only=True)
class PlatformShare:
    """What was done on one platform. `network` and `waited` are seconds."""

    platform: str
    succeeded: int = 0
    failed: dict[str, int] = attrs.field(factory=dict)
    """By kind of failure."""
    requests: int = 0
    throttled: int = 0
    network: float = 0.0
    waited: float = 0.0
    cost: float = 0.0
    unit: str | None = None

    def plus(self, other: PlatformShare) -> PlatformShare:
        """Add what was done on the same platform elsewhere."""
        return PlatformShare(
            platform=self.platform,
            succeeded=self.succeeded + other.succeeded,
            failed=_sum(self.failed, other.failed),
            requests=self.requests + other.requests,
            throttled=self.throttled + other.throttled,
            network=self.network + other.network,
            waited=self.waited + other.waited,
            cost=self.cost + other.cost,
            unit=self.unit or other.unit,
        )


@attrs.frozen(kw_only=True)
class ChunkReport:
    """What a task did, and the tasks before it that it goes on from."""

    platforms: tuple[PlatformShare, ...] = ()
    skipped: dict[str, int] = attrs.field(factory=dict)
    """By reason."""
    missed: tuple[Missed, ...] = ()
    """The first of the accounts without a snapshot."""
    unsaved: int = 0
    """Snapshots that the database did not take; they are in a file on the worker's machine."""
    lost: int = 0
    """Accounts whose task was given up, since it ended in a fault, or its workers died."""

    def plus(self, other: ChunkReport) -> ChunkReport:
        """Add another one."""
        return ChunkReport(
            platforms=_shares((*self.platforms, *other.platforms)),
            skipped=_sum(self.skipped, other.skipped),
            missed=(*self.missed, *other.missed)[:_MOST_SHOWN],
            unsaved=self.unsaved + other.unsaved,
            lost=self.lost + other.lost,
        )


@attrs.frozen(kw_only=True)
class GatheredRun:
    """A run on any number of workers, so far or in all."""

    run: str
    started_at: float
    """Seconds since 1970-01-01 UTC, by the clock of the worker that began it."""
    chunks: int
    """Tasks that the accounts were dealt to."""
    chunks_done: int
    platforms: tuple[PlatformShare, ...]
    skipped: dict[str, int]
    missed: tuple[Missed, ...]
    """The first thousand accounts without a snapshot, and not more than 20 of a task."""
    unsaved: int
    """Snapshots that the database did not take; they are in files on the workers' machines."""
    lost: int
    """Accounts whose task was given up, since it ended in a fault, or its workers died."""

    @property
    def is_finished(self) -> bool:
        """Tell whether every task has told what it did."""
        return self.chunks_done >= self.chunks

    @property
    def succeeded(self) -> int:
        """Accounts that got their snapshot."""
        return sum(each.succeeded for each in self.platforms)

    @property
    def failed(self) -> int:
        """Accounts that were asked for and got none."""
        return sum(sum(each.failed.values()) for each in self.platforms)

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
        return self.is_finished and not (
            self.failed or self.unsaved or self.lost or MEANT & self.skipped.keys()
        )


def report_of(report: RunReport | None, outcomes: Iterable[Outcome]) -> ChunkReport:
    """Tell what a run did, if there was one, counting of its accounts those of `outcomes`."""
    shares = {
        each.platform: PlatformShare(
            platform=each.platform,
            requests=each.requests,
            throttled=each.throttled,
            network=each.network,
            waited=each.waited,
            cost=each.cost,
            unit=each.unit,
        )
        for each in (() if report is None else report.platforms)
    }
    skipped: Counter[str] = Counter()
    missed: list[Missed] = []
    for each in outcomes:
        why: str = each.skipped or ""
        if each.skipped is not None:
            skipped[each.skipped] += 1
        else:
            name = each.platform or ""
            share = PlatformShare(platform=name, succeeded=int(each.failure is None))
            if each.failure is not None:
                why = each.failure.kind
                share = PlatformShare(platform=name, failed={why: 1})
            shares[name] = shares.get(name, PlatformShare(platform=name)).plus(share)
        if each.snapshot is None and why not in _UNINTERESTING and len(missed) < _MOST_MISSED:
            missed.append(_missed(each, why))
    return ChunkReport(
        platforms=tuple(each for each in shares.values() if each.requests or _asked(each)),
        skipped=dict(skipped),
        missed=tuple(missed),
        unsaved=0 if report is None else report.unsaved,
    )


def gathered(
    run: str, *, started_at: float, chunks: int, reports: Iterable[ChunkReport], first: ChunkReport
) -> GatheredRun:
    """Add up a run: what the dealing left out, and what each task told."""
    whole, done = first, 0
    for each in reports:
        whole = whole.plus(each)
        done += 1
    return GatheredRun(
        run=run,
        started_at=started_at,
        chunks=chunks,
        chunks_done=done,
        platforms=whole.platforms,
        skipped=whole.skipped,
        missed=whole.missed,
        unsaved=whole.unsaved,
        lost=whole.lost,
    )


def _asked(share: PlatformShare) -> int:
    return share.succeeded + sum(share.failed.values())


def _missed(outcome: Outcome, why: str) -> Missed:
    told = outcome.detail if outcome.failure is None else outcome.failure.detail
    return Missed(platform=outcome.platform, account=outcome.account.name, why=why, told=told)


def _shares(shares: Iterable[PlatformShare]) -> tuple[PlatformShare, ...]:
    added: dict[str, PlatformShare] = {}
    for each in shares:
        held = added.get(each.platform)
        added[each.platform] = each if held is None else held.plus(each)
    return tuple(each for _, each in sorted(added.items()))


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return dict(Counter(one) + Counter(other))
