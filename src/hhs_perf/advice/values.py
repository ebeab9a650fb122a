"""What an advice says, and the figures that speak for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from ..database.lines import Line  # noqa: TC001 - the route's schema resolves it

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Advice", "Evidence", "Rule", "are", "known", "times"]

Rule = Literal[
    "pool-timeout",
    "held-connection",
    "replica",
    "n-plus-one",
    "missing-index",
    "slow-statement",
    "pool-size",
    "pagination",
    "partition-pruning",
    "read-replica",
    "needless-index",
    "scrape-credentials",
    "scrape-failures",
    "scrape-limit",
    "scrape-address",
    "scrape-order",
    "scrape-workers",
]


@attrs.frozen(kw_only=True, slots=False)
class Evidence:
    """A figure that speaks for an advice; a `unit` of `s` is seconds, of `ratio` a share."""

    figure: str
    value: float
    unit: Literal["", "s", "ratio"] = ""


@attrs.frozen(kw_only=True, slots=False)
class Advice:
    """What to change, by which rule, and why.

    `about` is the statement, table, pool, replica or platform that it concerns, `line` the line of
    the application, None where it is not known. `setting` names what changes it.
    """

    rule: Rule
    about: str | None
    setting: str
    text: str
    line: Line | None = None
    evidence: tuple[Evidence, ...]


def known(
    figure: str, value: float | None, unit: Literal["", "s", "ratio"] = ""
) -> Iterator[Evidence]:
    """Give a figure where it is known."""
    if value is not None:
        yield Evidence(figure=figure, value=value, unit=unit)


def times(count: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def are(count: int) -> str:
    """Give the verb for so many."""
    return "is" if count == 1 else "are"
