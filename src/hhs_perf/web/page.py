"""The figures as a page that needs no script and nothing from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from .figure_text import UNKNOWN, figure_text
from .tables import badge, cells, escaped, table

if TYPE_CHECKING:
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
            f"<p>{escaped(body.window.name)} up to <time>{escaped(body.generated_from)}</time>",
            f", as seen by one {escaped(body.scope)}</p>",
            _slas(body),
            _alerts(body),
            _routes(body),
            _other_work(body),
            more,
            "</main></body></html>",
        )
    )


def _slas(body: SummaryBody) -> str:
    def row(name: str, objective: ObjectiveVerdict) -> str:
        target = f"{escaped(objective.op)} {figure_text(objective.target, objective.unit)}"
        return cells(
            (escaped(name), escaped(objective.name), badge(objective.status)),
            (
                target,
                figure_text(objective.value, objective.unit),
                figure_text(objective.compliance, "ratio"),
                f"{objective.samples} of {objective.min_samples}",
                escaped(objective.window),
            ),
        )

    rows = (row(sla.name, objective) for sla in body.sla.slas for objective in sla.objectives)
    heads = ("SLA", "Objective", "Status", "Target", "Measured", "Compliance", "Samples", "Window")
    return table("SLAs", heads, rows, 3)


def _alerts(body: SummaryBody) -> str:
    def row(alert: AlertRow) -> str:
        tags = ", ".join(f"{escaped(k)}={escaped(v)}" for k, v in alert.tags.items())
        return cells(
            (
                escaped(alert.rule),
                badge(alert.severity),
                escaped(alert.state),
                escaped(alert.figure),
                tags or UNKNOWN,
                f"<time>{escaped(alert.since)}</time>",
            ),
            (
                figure_text(alert.value, alert.unit),
                f"{escaped(alert.op)} {figure_text(alert.threshold, alert.unit)}",
            ),
        )

    heads = ("Rule", "Severity", "State", "Figure", "Tags", "Since", "Value", "Threshold")
    return table("Active alerts", heads, map(row, body.alerts.active), 6)


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
        cells(
            (escaped(route.method), escaped(route.route), escaped(route.kind)),
            (*_figures(route), figure_text(route.share, "ratio")),
        )
        for route in body.api.routes
    )
    heads = ("Method", "Route", "Kind", *_LATENCY, "Share of time")
    return table("Routes", heads, rows, 3)


def _other_work(body: SummaryBody) -> str:
    rows: list[str] = []
    if body.database.observed:
        rows.append(cells(("Database queries",), _figures(body.database)))
    if body.cache.observed:
        rows.append(cells(("Cache operations",), _figures(body.cache.operations)))
    if body.scrapers.observed:
        rows.append(cells(("Scrapes",), _figures(body.scrapers)))
        rows += (
            cells((f"Scrapes of {escaped(row.platform)}",), _figures(row))
            for row in body.scrapers.platforms
        )
    if body.frontend.observed:
        rows.append(cells(("Page loads",), _figures(body.frontend)))
    return table("Other work", ("Kind of work", *_LATENCY), rows, 1)
