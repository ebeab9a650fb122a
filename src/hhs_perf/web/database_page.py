"""Databases on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .figure_text import UNKNOWN, figure_text
from .tables import cells, escaped, table

if TYPE_CHECKING:
    from ..database.lines import Line
    from ..database.pools.report import Spent
    from ..database.report import StatementReport
    from .database_body import DatabaseBody

__all__ = ["database_section"]

_MOST: Final = 20
_LONGEST: Final = 300


def database_section(body: DatabaseBody) -> str:
    """Write the tables of the databases; of empty ones the first alone."""
    parts = [_statements(body)]
    if body.advice:
        parts.append(_advice(body))
    if body.slow_latest:
        parts.append(_slow(body))
    if body.n_plus_one:
        parts.append(_n_plus_one(body))
    if body.pools:
        parts.append(_pools(body))
    if body.replicas:
        parts.append(_replicas(body))
    if any(each.advice or each.waste for each in body.indexes):
        parts.append(_indexes(body))
    return "".join(parts)


def _line(line: Line | None) -> str:
    return UNKNOWN if line is None else escaped(line)


def _mean(spent: Spent | None) -> str:
    return figure_text(None if spent is None else spent.mean, "s")


def _sql(sql: str) -> str:
    return escaped(sql if len(sql) <= _LONGEST else f"{sql[:_LONGEST]}…")


def _statements(body: DatabaseBody) -> str:
    since_start = () if body.since_start is None else body.since_start.statements
    known = {each.statement: each for each in since_start}

    def texts(name: str) -> tuple[str, str]:
        statement: StatementReport | None = known.get(name)
        if statement is None or not statement.sql:
            return escaped(name), UNKNOWN
        lines = statement.lines
        return _sql(statement.sql), _line(lines[0].line if lines else None)

    rows = (
        cells(
            texts(each.statement),
            (
                figure_text(each.count, ""),
                figure_text(each.share, "ratio"),
                figure_text(each.avg, "s"),
                figure_text(each.p50, "s"),
                figure_text(each.p95, "s"),
                figure_text(each.p99, "s"),
                figure_text(each.slow, ""),
            ),
        )
        for each in body.in_window.statements[:_MOST]
    )
    figures = ("Queries", "Share of time", "Average", "p50", "p95", "p99", "Slow")
    heads = ("Statement", "Line", *figures)
    return table(f"Statements, {body.window.name}", heads, rows, 2)


def _slow(body: DatabaseBody) -> str:
    rows = (
        cells(
            (
                f"<time>{escaped(each.at)}</time>",
                _sql(each.sql),
                _line(each.line),
                UNKNOWN if each.route is None else escaped(each.route),
            ),
            (
                figure_text(each.seconds, "s"),
                figure_text(each.fetch_seconds, "s"),
                figure_text(each.rows, ""),
            ),
        )
        for each in body.slow_latest[:_MOST]
    )
    heads = ("When", "Statement", "Line", "Route", "Took", "Fetching", "Rows")
    return table("Slow queries, the latest", heads, rows, 4)


def _n_plus_one(body: DatabaseBody) -> str:
    rows = (
        cells(
            (escaped(each.about), _line(each.line), escaped(each.advice)),
            (
                figure_text(each.queries, ""),
                figure_text(each.most, ""),
                figure_text(each.times, ""),
                figure_text(each.seconds, "s"),
            ),
        )
        for each in body.n_plus_one[:_MOST]
    )
    heads = ("What", "Line", "Instead", "Queries", "Most at once", "Times", "Took")
    return table("N+1 queries", heads, rows, 3)


def _pools(body: DatabaseBody) -> str:
    rows = (
        cells(
            (escaped(each.name), escaped(each.kind)),
            (
                figure_text(each.in_use, ""),
                figure_text(each.capacity, ""),
                figure_text(each.utilisation, "ratio"),
                figure_text(each.waiting, ""),
                _mean(each.wait),
                _mean(each.connect),
                _mean(each.hold),
                figure_text(each.timeouts, ""),
                figure_text(len(each.holders), ""),
            ),
        )
        for each in body.pools
    )
    figures = ("In use", "Of", "Utilisation", "Waiting", "Mean wait", "Mean connect", "Mean hold")
    heads = ("Pool", "Kind", *figures, "Time-outs", "Held too long")
    return table("Connection pools", heads, rows, 2)


def _replicas(body: DatabaseBody) -> str:
    rows = (
        cells(
            (escaped(each.address), escaped(each.state), f"<time>{escaped(each.since)}</time>"),
            (figure_text(each.lag, "s"), figure_text(each.transactions, "")),
        )
        for router in body.replicas
        for each in router.replicas
    )
    return table("Replicas", ("Replica", "State", "Since", "Lag", "Transactions"), rows, 3)


def _indexes(body: DatabaseBody) -> str:
    rows = [
        cells(
            ("missing", escaped(each.table), escaped(each.reason), escaped(each.migration)),
            (figure_text(each.gain, ""),),
        )
        for database in body.indexes
        for each in database.advice
    ]
    rows += (
        cells(
            (escaped(each.kind), escaped(each.table), escaped(each.reason), escaped(each.sql)),
            (UNKNOWN,),
        )
        for database in body.indexes
        for each in database.waste
    )
    looked_at = None if body.look is None else body.look.looked_at
    caption = "Indexes" if looked_at is None else f"Indexes, looked at {looked_at}"
    return table(caption, ("Kind", "Table", "Why", "To do", "Times cheaper"), rows, 4)


def _advice(body: DatabaseBody) -> str:
    rows = (
        cells((escaped(each.rule), _line(each.line), escaped(each.text)), ())
        for each in body.advice
    )
    return table("Advice on databases", ("Rule", "Line", "What to change"), rows, 3)
