"""The outcomes of accounts that were asked for, or were to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..values import Outcome, Snapshot

if TYPE_CHECKING:
    from ..platform import Reading, Target
    from ..values import Failure
    from .lane import Job, Lane
    from .setup import PlatformSetup

__all__ = ["failed", "out_of_budget", "succeeded"]


def succeeded(lane: Lane, job: Job, target: Target, reading: Reading, now: float) -> Outcome:
    """Make the outcome of an account with figures."""
    spent = lane.spent_on(target)
    account_id = reading.account_id or target.account_id
    return Outcome(
        account=target.account,
        platform=lane.platform.name,
        handle=target.handle,
        status="success",
        snapshot=Snapshot(
            account=target.account,
            platform=lane.platform.name,
            handle=target.handle,
            account_id=account_id,
            display_name=reading.display_name,
            taken_at=now,
            figures=reading.figures or {},
        ),
        account_id=account_id,
        seconds=job.seconds + spent.seconds,
        waited=job.waited + spent.waited,
        attempts=job.attempts + spent.attempts,
        at=now,
    )


def failed(lane: Lane, job: Job | None, target: Target, failure: Failure, now: float) -> Outcome:
    """Make the outcome of an account without."""
    spent = lane.spent_on(target)
    return Outcome(
        account=target.account,
        platform=lane.platform.name,
        handle=target.handle,
        status="failure",
        failure=failure,
        account_id=target.account_id,
        seconds=spent.seconds + (job.seconds if job else 0.0),
        waited=spent.waited + (job.waited if job else 0.0),
        attempts=spent.attempts + (job.attempts if job else 0),
        at=now,
    )


def out_of_budget(setup: PlatformSetup, target: Target, now: float) -> Outcome:
    """Make the outcome of an account that would cost too much."""
    return Outcome(
        account=target.account,
        platform=setup.platform.name,
        handle=target.handle,
        status="skipped",
        skipped="budget",
        detail=f"the day's budget of {setup.limit:g} would be exceeded",
        account_id=target.account_id,
        at=now,
    )
