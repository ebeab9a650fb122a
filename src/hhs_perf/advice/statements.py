"""Statements that are slow, or give more rows than a page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..database.verbs import QUERIES
from .values import Advice, Evidence, known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..database.report import StatementReport

__all__ = ["PAGE_ROWS", "SLOW_TIMES", "slow", "unpaged"]

SLOW_TIMES: Final = 3
"""Slow executions of a statement from which on it is worth a review."""
PAGE_ROWS: Final = 1000
"""Rows of one execution above which a request should page."""


def slow(statement: StatementReport) -> Iterator[Advice]:
    """Tell of a statement that is slow again and again."""
    if statement.slow < SLOW_TIMES:
        return
    line = statement.lines[0].line if statement.lines else None
    where = "" if line is None else f" at {line}"
    fetch = statement.fetch_seconds / statement.total if statement.total else 0.0
    hint = (
        "most of it fetching rows: ask for fewer rows or columns"
        if fetch > 1 / 2
        else "see its plan and the indexes of its tables"
    )
    yield Advice(
        rule="slow-statement",
        about=statement.statement,
        setting="HHS_PERF_SLOW_QUERY",
        text=(
            f"Review {statement.statement}{where}: {statement.slow} of {statement.count}"
            f" executions took longer than HHS_PERF_SLOW_QUERY, {hint}."
        ),
        line=line,
        evidence=(
            Evidence(figure="slow", value=statement.slow),
            Evidence(figure="count", value=statement.count),
            Evidence(figure="slowest", value=statement.slowest, unit="s"),
            *known("avg", statement.avg, "s"),
            *known("share", statement.share, "ratio"),
            Evidence(figure="share spent fetching", value=fetch, unit="ratio"),
        ),
    )


def unpaged(statement: StatementReport) -> Iterator[Advice]:
    """Tell of a statement that gives a route very many rows at once."""
    routes = [each.route for each in statement.routes if each.route.startswith("/")]
    is_small = statement.most_rows <= PAGE_ROWS
    # What is streamed is meant to be long, and is never held whole.
    if is_small or statement.streamed or not routes or statement.operation not in QUERIES:
        return
    line = statement.lines[0].line if statement.lines else None
    yield Advice(
        rule="pagination",
        about=statement.statement,
        setting="LIMIT",
        text=(
            f"Page {statement.statement}, which {routes[0]} asks: it gave {statement.most_rows:,}"
            " rows at once. Limit it, and go on from the last row's key."
        ),
        line=line,
        evidence=(
            Evidence(figure="most_rows", value=statement.most_rows),
            Evidence(figure="rows", value=statement.rows),
            Evidence(figure="count", value=statement.count),
            Evidence(figure="fetch_seconds", value=statement.fetch_seconds, unit="s"),
        ),
    )
