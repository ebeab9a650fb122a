"""Scrapers on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .figure_text import UNKNOWN, figure_text
from .tables import cells, escaped, table

if TYPE_CHECKING:
    from ..collectors.scrapers_detail import Cost
    from .scrapers_body import PlatformRow, ScrapersBody

__all__ = ["scrapers_section"]

_MOST: Final = 20
_LONGEST: Final = 300


def scrapers_section(body: ScrapersBody) -> str:
    """Write the tables of the scrapers; of empty ones the first alone."""
    parts = [_platforms(body)]
    if body.advice:
        parts.append(_advice(body))
    if any(row.failures for row in body.in_window.platforms):
        parts.append(_kinds(body))
    if body.in_window.skipped:
        parts.append(_skipped(body))
    if body.now:
        parts.append(_now(body))
    if any(row.slowest for row in body.now):
        parts.append(_slowest(body))
    if any(row.newest_failures for row in body.now):
        parts.append(_newest(body))
    return "".join(parts)


def _text(value: str | None) -> str:
    if value is None:
        return UNKNOWN
    return escaped(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")


def _cost(costs: tuple[Cost, ...]) -> str:
    return escaped(", ".join(f"{each.amount:.4g} {each.unit}" for each in costs)) or UNKNOWN


def _platforms(body: ScrapersBody) -> str:
    rows = (
        cells(
            (escaped(row.platform),),
            (
                figure_text(row.count, ""),
                figure_text(row.success_rate, "ratio"),
                figure_text(row.p50, "s"),
                figure_text(row.p95, "s"),
                figure_text(row.p99, "s"),
                figure_text(row.requests, ""),
                figure_text(row.throttled, ""),
                figure_text(row.network.avg, "s"),
                figure_text(row.wait.avg, "s"),
                figure_text(row.waiting_share, "ratio"),
                _cost(row.cost),
            ),
        )
        for row in body.in_window.platforms
    )
    figures = ("Accounts", "Success", "p50", "p95", "p99", "Requests", "Throttled")
    means = ("Mean request", "Mean wait", "Waiting", "Cost")
    return table(f"Scrapers, {body.window.name}", ("Platform", *figures, *means), rows, 1)


def _kinds(body: ScrapersBody) -> str:
    rows = (
        cells(
            (escaped(row.platform), escaped(each.kind)),
            (figure_text(each.count, ""), figure_text(each.share, "ratio")),
        )
        for row in body.in_window.platforms
        for each in row.failures
    )
    heads = ("Platform", "Kind of failure", "Accounts", "Share of failures")
    return table(f"Failed scrapes, {body.window.name}", heads, rows, 2)


def _skipped(body: ScrapersBody) -> str:
    rows = (
        cells((escaped(each.reason),), (figure_text(each.count, ""),))
        for each in body.in_window.skipped
    )
    caption = f"Accounts not asked for, {body.window.name}"
    return table(caption, ("Reason", "Accounts"), rows, 1)


def _now(body: ScrapersBody) -> str:
    rows = (
        cells(
            (
                escaped(row.title),
                escaped(row.breaker.state),
                _stamp(row.last_good),
                _stamp(row.next_allowed),
                escaped(", ".join(row.missing)) or UNKNOWN,
            ),
            (figure_text(row.interval, "s"), _spent(row)),
        )
        for row in body.now
    )
    heads = ("Platform", "Breaker", "Last good", "Next allowed", "Credentials missing")
    return table("Platforms now", (*heads, "Interval", "Spent today"), rows, 5)


def _stamp(at: str | None) -> str:
    return UNKNOWN if at is None else f"<time>{escaped(at)}</time>"


def _spent(row: PlatformRow) -> str:
    if row.spent_today is None:
        return UNKNOWN
    limit = "" if row.limit is None else f" of {row.limit:,.4g}"
    return escaped(f"{row.spent_today:,.4g}{limit} {row.unit}")


def _slowest(body: ScrapersBody) -> str:
    found = [(row.title, each) for row in body.now for each in row.slowest]
    found.sort(key=lambda pair: -pair[1].seconds)
    rows = (
        cells(
            (escaped(title), _text(each.handle), _text(each.url)),
            (figure_text(each.seconds, "s"),),
        )
        for title, each in found[:_MOST]
    )
    return table("Slowest accounts", ("Platform", "Account", "Address", "Took"), rows, 3)


def _newest(body: ScrapersBody) -> str:
    found = [(row.title, each) for row in body.now for each in row.newest_failures]
    found.sort(key=lambda pair: pair[1].at, reverse=True)
    rows = (
        cells(
            (
                _stamp(each.at),
                escaped(title),
                _text(each.handle),
                escaped(each.kind),
                _text(each.detail),
            ),
            (),
        )
        for title, each in found[:_MOST]
    )
    heads = ("When", "Platform", "Account", "Kind", "Detail")
    return table("Failed scrapes, the newest", heads, rows, 5)


def _advice(body: ScrapersBody) -> str:
    rows = (cells((escaped(each.rule), escaped(each.text)), ()) for each in body.advice)
    return table("Advice on scrapers", ("Rule", "What to change"), rows, 2)
