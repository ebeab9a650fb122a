"""Fetching the accounts of one task, within its time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import attrs

from ._celery_dealing import account_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import date

    from ..scrapers.engine.report import RunReport
    from ..scrapers.scrapers import Scrapers
    from ..scrapers.storage.sink import AccountKey, Sink
    from ..scrapers.values import Outcome

__all__ = ["Fetched", "Part", "fetch"]

# How often accounts are sent again for later, by what kept them from being fetched.
_TRIES: Final[Mapping[str, int]] = {"rate_limited": 8, "network": 3, "server": 3}
_TRIES_IN_TIME: Final = 8


class Part:
    """A sink for a part of the accounts: what is known of them came with the task.

    Reading what is known of all accounts would cost each task more than its own ones.
    """

    def __init__(self, sink: Sink, *, sees_done: bool) -> None:
        self._sink = sink
        self._sees_done = sees_done

    def account_ids(self) -> Mapping[AccountKey, str]:
        """Give nothing: the ids stand in the accounts."""
        return {}

    def done_on(self, day: date) -> AbstractSet[AccountKey]:
        """Give what has a snapshot of this day, where the task may have been done in part."""
        return self._sink.done_on(day) if self._sees_done else frozenset()

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the snapshots."""
        self._sink.write(outcomes)

    def close(self) -> None:
        """Let go of the database."""
        self._sink.close()


@attrs.frozen(kw_only=True)
class Fetched:
    """What came of the accounts of a task; None for those that its time was too short for."""

    report: RunReport
    outcomes: tuple[tuple[dict[str, Any], Outcome | None], ...]
    """Each account's row, with its outcome."""

    @property
    def was_cut_short(self) -> bool:
        """Tell whether the time was too short, so that snapshots may be there unheard of."""
        return any(outcome is None for _, outcome in self.outcomes)

    def rest(self, tries: int) -> list[dict[str, Any]]:
        """Give the rows that are worth another try, after so many."""
        return [row for row, outcome in self.outcomes if _is_worth_a_try(outcome, tries)]

    def settled(self, tries: int) -> list[Outcome]:
        """Give the outcomes of the others."""
        return [
            outcome
            for _, outcome in self.outcomes
            if outcome is not None and not _is_worth_a_try(outcome, tries)
        ]

    def wait(self, tries: int) -> float:
        """Give for how many seconds the platform wants to be left alone; 0: it did not say."""
        return max(
            (
                outcome.failure.wait or 0.0
                for _, outcome in self.outcomes
                if outcome is not None
                and outcome.failure is not None
                and _is_worth_a_try(outcome, tries)
            ),
            default=0.0,
        )


async def fetch(
    scrapers: Scrapers,
    rows: Sequence[dict[str, Any]],
    sink: Sink,
    *,
    resume: bool,
    within: float,
    max_wait: float,
) -> Fetched:
    """Fetch the accounts of `rows`, for `within` seconds at most. Raises StorageError."""
    accounts = [account_of(row) for row in rows]
    run = scrapers.run(accounts, to=sink, resume=resume, max_wait=max_wait)
    found: dict[int, Outcome] = {}
    outcomes: Any = aiter(run)
    try:
        async with aclosing(outcomes), asyncio.timeout(within) as timeout:
            async for outcome in outcomes:
                found[id(outcome.account)] = outcome
    except TimeoutError:
        if not timeout.expired():
            raise
    return Fetched(
        report=run.report,
        outcomes=tuple(
            (row, found.get(id(account))) for row, account in zip(rows, accounts, strict=True)
        ),
    )


def _is_worth_a_try(outcome: Outcome | None, tries: int) -> bool:
    if outcome is None:
        return tries < _TRIES_IN_TIME
    return outcome.failure is not None and tries < _TRIES.get(outcome.failure.kind, 0)
