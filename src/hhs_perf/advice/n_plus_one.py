"""N+1 queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .values import Advice, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..database.report import DatabaseReport

__all__ = ["N_PLUS_ONE_QUERIES", "n_plus_one"]

N_PLUS_ONE_QUERIES: Final = 10
"""Queries of one N+1 finding, over all scopes, from which on it is worth a change."""


def n_plus_one(report: DatabaseReport) -> Iterator[Advice]:
    """Tell of N+1 queries."""
    for found in report.n_plus_one:
        if found.queries < N_PLUS_ONE_QUERIES:
            continue
        where = "an unknown line" if found.line is None else str(found.line)
        yield Advice(
            rule="n-plus-one",
            about=found.statement,
            setting=found.advice,
            text=(
                f"{found.about} is loaded one at a time at {where}, {found.most} times in one scope"
                f": load all at once with {found.advice}."
            ),
            line=found.line,
            evidence=(
                Evidence(figure="queries", value=found.queries),
                Evidence(figure="most", value=found.most),
                Evidence(figure="times", value=found.times),
                Evidence(figure="seconds", value=found.seconds, unit="s"),
            ),
        )
