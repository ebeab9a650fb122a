"""The figures as a page that needs no script and nothing from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Final

from .figure_text import UNKNOWN, figure_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..collectors.latency import Latency
    from ..sla import ObjectiveVerdict
    from .bodies import AlertRow, SummaryBody

__all__ = ["dashboard_page", "page_headers"]

_STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 0 0 2rem; width: 100%; }
caption { font-size: 1.15rem; font-weight: 600; padding: .5rem 0; text-align: left; }
th, td { border-bottom: 1px solid #8884; padding: .3rem .6rem; text-align: left; }
td.n, th.n { font-variant-numeric: tabular-nums; text-align: right; }
.scroll { overflow-x: auto; }
.met { color: #1a7f37; } .warning { color: #9a6700; }
.violated, .critical { color: #cf222e; } .unknown { color: #6e7781; }
@media (prefers-color-scheme: dark) {
  .met { color: #3fb950; } .warning { color: #d29922; }
  .violated, .critical { color: #ff7b72; } .unknown { color: #9aa4af; }
}
"""
_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()
_LATENCY: Final = (
    "Requests", "Per second", "Average", "p50", "p95", "p99", "Largest", "Errors", "Client errors",
)  # fmt: skip


def page_headers() -> list[tuple[str, str]]:
    """Give the headers that keep the page from doing anything but being read."""
    return [
        (
            "Content-Security-Policy",
            (
                f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
                "form-action 'none'; frame-ancestors 'none'"
            ),
        ),
        ("Referrer-Policy", "no-referrer"),
    ]


def dashboard_page(body: SummaryBody, more: str = "") -> str:
    """Write the page, with `more` sections below; everything that came from outside is escaped."""
    known = [row for row in body.sla.slas if row.status != "unknown"]
    met = sum(row.status == "met" for row in known)
    verdict = f"{met} of {len(known)} SLAs met" if known else "No SLA can be judged yet"
    return "".join(
        (
            "<!doctype html><html lang=en><head><meta charset=utf-8>",
            "<meta name=viewport content='width=device-width, initial-scale=1'>",
            f"<title>{verdict} · performance</title><style>{_STYLE}</style></head><body><main>",
            f"<h1>{verdict}</h1>",
            f"<p>{_text(body.window.name)} up to <time>{_text(body.generated_from)}</time>",
            f", as seen by one {_text(body.scope)}</p>",
            _slas(body),
            _alerts(body),
            _routes(body),
            _other_work(body),
            more,
            "</main></body></html>",
        )
    )


def _text(value: object) -> str:
    return escape(str(value), quote=True)


def _table(caption: str, heads: Sequence[str], rows: Iterable[str], words: int) -> str:
    """Write a table whose first `words` columns are text, and the others numbers."""
    body = "".join(rows)
    if not body:
        body = f"<tr><td colspan={len(heads)}>Nothing observed yet</td></tr>"
    head = "".join(
        f"<th scope=col{' class=n' * (column >= words)}>{_text(name)}</th>"
        for column, name in enumerate(heads)
    )
    return (
        f"<div class=scroll><table><caption>{_text(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(words: Iterable[str], numbers: Iterable[str]) -> str:
    cells = "".join(f"<td>{word}</td>" for word in words)
    return f"<tr>{cells}{''.join(f'<td class=n>{number}</td>' for number in numbers)}</tr>"


def _status(status: str) -> str:
    return f"<span class='{_text(status)}'>{_text(status)}</span>"


def _slas(body: SummaryBody) -> str:
    def row(name: str, objective: ObjectiveVerdict) -> str:
        target = f"{_text(objective.op)} {figure_text(objective.target, objective.unit)}"
        return _row(
            (_text(name), _text(objective.name), _status(objective.status)),
            (
                target,
                figure_text(objective.value, objective.unit),
                figure_text(objective.compliance, "ratio"),
                f"{objective.samples} of {objective.min_samples}",
                _text(objective.window),
            ),
        )

    rows = (row(sla.name, objective) for sla in body.sla.slas for objective in sla.objectives)
    heads = ("SLA", "Objective", "Status", "Target", "Measured", "Compliance", "Samples", "Window")
    return _table("SLAs", heads, rows, 3)


def _alerts(body: SummaryBody) -> str:
    def row(alert: AlertRow) -> str:
        tags = ", ".join(f"{_text(k)}={_text(v)}" for k, v in alert.tags.items())
        return _row(
            (
                _text(alert.rule),
                _status(alert.severity),
                _text(alert.state),
                _text(alert.figure),
                tags or UNKNOWN,
                f"<time>{_text(alert.since)}</time>",
            ),
            (
                figure_text(alert.value, alert.unit),
                f"{_text(alert.op)} {figure_text(alert.threshold, alert.unit)}",
            ),
        )

    heads = ("Rule", "Severity", "State", "Figure", "Tags", "Since", "Value", "Threshold")
    return _table("Active alerts", heads, map(row, body.alerts.active), 6)


def _figures(block: Latency) -> tuple[str, ...]:
    return (
        figure_text(block.count, ""),
        figure_text(block.rate, ""),
        figure_text(block.avg, "s"),
        figure_text(block.p50, "s"),
        figure_text(block.p95, "s"),
        figure_text(block.p99, "s"),
        figure_text(block.max, "s"),
        figure_text(block.error_rate, "ratio"),
        figure_text(block.client_error_rate, "ratio"),
    )


def _routes(body: SummaryBody) -> str:
    rows = (
        _row(
            (_text(route.method), _text(route.route), _text(route.kind)),
            (*_figures(route), figure_text(route.share, "ratio")),
        )
        for route in body.api.routes
    )
    heads = ("Method", "Route", "Kind", *_LATENCY, "Share of time")
    return _table("Routes", heads, rows, 3)


def _other_work(body: SummaryBody) -> str:
    rows: list[str] = []
    if body.database.observed:
        rows.append(_row(("Database queries",), _figures(body.database)))
    if body.cache.observed:
        rows.append(_row(("Cache operations",), _figures(body.cache.operations)))
    if body.scrapers.observed:
        rows.append(_row(("Scrapes",), _figures(body.scrapers)))
        rows += (
            _row((f"Scrapes of {_text(row.platform)}",), _figures(row))
            for row in body.scrapers.platforms
        )
    if body.frontend.observed:
        rows.append(_row(("Page loads",), _figures(body.frontend)))
    return _table("Other work", ("Kind of work", *_LATENCY), rows, 1)
