"""From a list of accounts to the tasks that fetch them: whole batches, core accounts first."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..scrapers.accounts import Account
from ..scrapers.engine.outcomes import out_of_budget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..scrapers.engine.selection import Selected
    from ..scrapers.engine.setup import PlatformSetup
    from ..scrapers.platform import Target
    from ..scrapers.values import Outcome

__all__ = ["Chunk", "Dealt", "account_of", "deal", "row_of"]

# A task waits for its platform's pace, and keeps a worker busy with it: not for longer than this.
_LONGEST: Final = 60.0
_FIELDS: Final = tuple(each.name for each in attrs.fields(Account))


@attrs.frozen(kw_only=True)
class Chunk:
    """The accounts of one task, all of one platform; rows that are JSON."""

    platform: str
    rows: tuple[dict[str, Any], ...]


@attrs.frozen(kw_only=True)
class Dealt:
    """The tasks in the order in which they are to be sent, and what the budget left out."""

    chunks: tuple[Chunk, ...]
    skipped: tuple[Outcome, ...]
    costs: Mapping[str, float]
    """What the tasks will cost if no request is repeated, by platform."""


def deal(
    selected: Iterable[Selected], *, most: int, spent: Mapping[str, float], now: float
) -> Dealt:
    """Deal what was selected to tasks of `most` accounts, or of one batch where that is more.

    Core accounts come before all others. Tasks of different platforms alternate, so that the
    workers do not all wait for the pace of one. `spent` is what the UTC day has cost already.
    """
    first: list[list[Chunk]] = []
    then: list[list[Chunk]] = []
    skipped: list[Outcome] = []
    costs: dict[str, float] = {}
    for each in selected:
        name = each.setup.platform.name  # which may be here again, with another host
        before = costs.get(name, 0.0)
        paid, refused, cost = _within_budget(each, spent.get(name, 0.0) + before)
        costs[name] = before + cost
        skipped += [out_of_budget(each.setup, target, now) for target in refused]
        chunks = _chunks(each.setup, paid, len(each.core), _size(each.setup, most))
        with_core = -(-min(len(each.core), len(paid)) // _size(each.setup, most))
        first.append(chunks[:with_core])
        then.append(chunks[with_core:])
    alternating = chain(_in_turn(first), _in_turn(then))
    return Dealt(chunks=tuple(alternating), skipped=tuple(skipped), costs=costs)


def row_of(account: Account) -> dict[str, Any]:
    """Write an account as JSON can hold it."""
    return {name: value for name in _FIELDS if (value := getattr(account, name)) not in (None, "")}


def account_of(row: Mapping[str, Any]) -> Account:
    """Read such a row. Raises TypeError and ValueError for what is none."""
    return Account(**row)


def _size(setup: PlatformSetup, most: int) -> int:
    batch = setup.platform.batch_size
    batches = max(1, most // batch)
    if setup.interval > 0:
        batches = min(batches, max(1, int(_LONGEST / setup.interval)))
    return batches * batch


def _within_budget(selected: Selected, spent: float) -> tuple[list[Target], list[Target], float]:
    """Give the targets that the day's budget pays, those that it does not, and what they cost."""
    setup, targets = selected.setup, [*selected.core, *selected.rest]
    budget = setup.platform.budget
    if budget is None:
        return targets, [], 0.0
    each = budget.per_account + budget.per_request / setup.platform.batch_size
    paid = len(targets)
    if setup.limit is not None and each:
        left = setup.limit - spent
        paid = min(paid, max(0, int(left / each + 1e-9)))
    return targets[:paid], targets[paid:], each * paid


def _chunks(setup: PlatformSetup, targets: list[Target], core: int, size: int) -> list[Chunk]:
    rows = [
        row_of(attrs.evolve(each.account, account_id=each.account_id, is_core=at < core))
        for at, each in enumerate(targets)
    ]
    name = setup.platform.name
    return [
        Chunk(platform=name, rows=tuple(rows[at : at + size])) for at in range(0, len(rows), size)
    ]


def _in_turn(lists: list[list[Chunk]]) -> Iterator[Chunk]:
    for turn in zip_longest(*lists):
        yield from (each for each in turn if each is not None)
