"""What a run would do: requests, seconds and cost of each platform, without asking anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..values import Outcome
    from .selection import Selected, Selector
    from .setup import PlatformSetup

__all__ = ["PlatformPlan", "RunPlan", "plan"]

_ROUNDING: Final = 1e-9


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
    is_within_budget: bool
    """Whether what is left of today's budget pays for all of it; else some will be skipped."""


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
        """Seconds until the last start, as platforms are asked side by side."""
        return max((each.seconds for each in self.platforms), default=0.0)


def plan(selector: Selector, left_of: Callable[[PlatformSetup], float | None]) -> RunPlan:
    """Work out what a selection leads to; `left_of` tells what today's budget still has."""
    by_platform: dict[str, list[Selected]] = {}
    for selected in selector.selected.values():
        by_platform.setdefault(selected.setup.platform.name, []).append(selected)
    rows = (_of(lanes, left_of(lanes[0].setup)) for _, lanes in sorted(by_platform.items()))
    return RunPlan(platforms=tuple(rows), skipped=tuple(selector.skipped))


def _of(lanes: list[Selected], left: float | None) -> PlatformPlan:
    setup = lanes[0].setup
    platform = setup.platform
    accounts = sum(map(len, lanes))
    requests = [_requests(each) for each in lanes]
    budget = platform.budget
    cost = None
    if budget is not None:
        cost = accounts * budget.per_account + sum(requests) * budget.per_request
    return PlatformPlan(
        platform=platform.name,
        title=platform.title,
        accounts=accounts,
        core=sum(len(each.core) for each in lanes),
        requests=sum(requests),
        seconds=max(0, max(requests) - 1) * setup.interval,
        cost=cost,
        unit=None if budget is None else budget.unit,
        limit=setup.limit,
        is_within_budget=cost is None or left is None or cost <= left + _ROUNDING,
    )


def _requests(selected: Selected) -> int:
    platform = selected.setup.platform
    fetched = len(selected)
    requests = 0
    if platform.resolve is not None:
        needs = platform.resolve.needs
        unknown = sum(map(needs, (*selected.core, *selected.rest)))
        requests += -(-unknown // platform.resolve.batch_size)
        if platform.resolve.gives_figures:
            fetched -= unknown
    return requests + -(-fetched // platform.batch_size)
