"""What requests cost, and how much of a batch the day's budget still pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..values import Failure
from .health import PERCENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..platform import Target
    from .health import Health
    from .lane import Job, Lane
    from .reading import Answer
    from .setup import PlatformSetup

__all__ = ["affordable", "most_cost", "pay", "within_budget"]

_ROUNDING: Final = 1e-9


def within_budget(lane: Lane, job: Job, now: float) -> Job | None:
    """Cut a job down to what the day's budget still pays; None where that is nothing."""
    limit = lane.setup.limit
    if limit is None or lane.platform.budget is None:
        return job
    most = affordable(lane.setup, lane.health, job.targets, lane.health.left(now, limit), now)
    if not most:
        lane.put_back(job)
        # What is under way may fail, and cost nothing.
        lane.out_of_budget = not lane.under_way
        return None
    if most < len(job.targets):
        lane.put_back(attrs.evolve(job, targets=job.targets[most:]))
        job = attrs.evolve(job, targets=job.targets[:most])
    return job


def affordable(
    setup: PlatformSetup, health: Health, targets: Sequence[Target], left: float, now: float
) -> int:
    """Count the targets that one request may ask for with what is left of a day's budget.

    An account that was paid for today costs nothing more.
    """
    budget = setup.platform.budget
    if budget is None:
        return len(targets)
    left -= budget.per_request
    if left < -_ROUNDING:
        return 0
    if not budget.per_account:
        return len(targets)
    for number, target in enumerate(targets):
        if not health.is_paid(now, target.handle):
            left -= budget.per_account
            if left < -_ROUNDING:
                return number
    return len(targets)


def most_cost(lane: Lane, job: Job) -> float:
    """Give what a job costs if everybody in it has to be paid for."""
    budget = lane.platform.budget
    return 0.0 if budget is None else budget.per_request + budget.per_account * len(job.targets)


def pay(lane: Lane, answer: Answer, now: float) -> float:
    """Book what a request cost, and give it; in percent, what the platform says."""
    budget, health, signal = lane.platform.budget, lane.health, answer.signal
    if budget is None:
        return 0.0
    if budget.unit == PERCENT and signal is not None and signal.used is not None:
        health.percent = 100 * signal.used
    health.pay_request(now, budget.per_request)
    cost = budget.per_request
    if budget.per_account:
        for target, found in answer.found.items():
            if not isinstance(found, Failure):
                cost += health.pay_account(now, target.handle, budget.per_account)
    return cost
