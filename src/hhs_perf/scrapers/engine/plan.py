"""What a run would do: requests, seconds and cost of each platform, without asking anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from ..values import Outcome
    from .selection import Selected, Selector

__all__ = ["PlatformPlan", "RunPlan", "plan"]


@attrs.frozen(kw_only=True)
class PlatformPlan:
    """One platform's part of a run."""

    platform: str
    title: str
    accounts: int
    core: int
    requests: int
    """If none has to be repeated."""
    seconds: float
    """Between its first start and its last one, by its pace."""
    cost: float | None
    """In `unit`; None where its answers cost nothing that is counted."""
    unit: str | None
    limit: float | None
    """The most that a UTC day may cost."""


@attrs.frozen(kw_only=True)
class RunPlan:
    """A run before it begins; platforms by name, and the accounts that would be left out."""

    platforms: tuple[PlatformPlan, ...]
    skipped: tuple[Outcome, ...]

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(each.requests for each in self.platforms)

    @property
    def seconds(self) -> float:
        """Seconds until the last start: the platforms' own run side by side."""
        return max((each.seconds for each in self.platforms), default=0.0)


def plan(selector: Selector) -> RunPlan:
    """Work out what a selection leads to."""
    rows = (_of(each) for _, each in sorted(selector.selected.items()))
    return RunPlan(platforms=tuple(rows), skipped=tuple(selector.skipped))


def _of(selected: Selected) -> PlatformPlan:
    setup, platform = selected.setup, selected.setup.platform
    count = fetched = len(selected)
    requests = 0
    if platform.resolve is not None:
        needs = platform.resolve.needs
        unknown = sum(map(needs, (*selected.core, *selected.rest)))
        requests += -(-unknown // platform.resolve.batch_size)
        if platform.resolve.gives_figures:
            fetched -= unknown
    requests += -(-fetched // platform.batch_size)
    budget = platform.budget
    cost = None
    if budget is not None:
        cost = count * budget.per_account + requests * budget.per_request
    return PlatformPlan(
        platform=platform.name,
        title=platform.title,
        accounts=count,
        core=len(selected.core),
        requests=requests,
        seconds=max(0, requests - 1) * setup.interval,
        cost=cost,
        unit=None if budget is None else budget.unit,
        limit=setup.limit,
    )
