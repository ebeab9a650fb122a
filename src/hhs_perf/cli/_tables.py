"""The tables of SLAs, alerts and routes, for every command that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from ..web.figure_text import UNKNOWN, figure_text
from ._console import cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._report import Report

__all__ = ["alert_table", "judged", "new_table", "route_table", "sla_table"]

_STYLES: Final[Mapping[str, str]] = {
    "met": "green",
    "warning": "yellow",
    "violated": "bold red",
    "critical": "bold red",
    "unknown": "dim",
    "done": "green",
    "failed": "bold red",
    "no answer": "yellow",
}
# Columns; below this the figures would leave no room for the routes.
_WIDE: Final = 116
_ROUTE_COLUMNS: Final[tuple[str, ...]] = (
    "kind",
    "requests",
    "p50",
    "p95",
    "p99",
    "errors",
    "4xx",
    "time",
)


def sla_table(report: Report) -> Table:
    """Lay out every objective of every SLA with its verdict."""
    table = new_table("SLAs", texts=("SLA", "objective", "status"))
    for name in ("value", "target", "samples", "window"):
        table.add_column(name, justify="right", no_wrap=True)
    for sla in report.sla.slas:
        for objective in sla.objectives:
            table.add_row(
                cell(sla.name),
                cell(objective.name),
                judged(objective.status),
                cell(figure_text(objective.value, objective.unit)),
                cell(f"{objective.op} {figure_text(objective.target, objective.unit)}"),
                cell(f"{objective.samples:,}"),
                cell(objective.window or UNKNOWN),
            )
        if not sla.objectives:
            table.add_row(cell(sla.name), "", judged(sla.status))
    return table


def alert_table(report: Report, width: int) -> Table | Text:
    """Lay out the active alerts, or say that there are none; `width` is the screen's."""
    if not report.alerts.active:
        return Text("No active alerts.")
    table = new_table("Active alerts", texts=("alert", "severity", "state"))
    for name in ("value", "threshold"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("tags", overflow="fold")
    more = ("since", "figure") if width >= _WIDE else ()
    for name in more:
        table.add_column(name, overflow="fold")
    for alert in report.alerts.active:
        row = [
            cell(alert.rule),
            judged(alert.severity),
            cell(alert.state),
            cell(figure_text(alert.value, alert.unit)),
            cell(f"{alert.op} {figure_text(alert.threshold, alert.unit)}"),
            cell(" ".join(f"{name}={value}" for name, value in alert.tags.items())),
            cell(alert.since or UNKNOWN),
            cell(alert.figure),
        ]
        table.add_row(*row[: len(table.columns)])
    return table


def route_table(report: Report, width: int) -> Table:
    """Lay out what was measured of each route, the busiest first; `width` is the screen's."""
    table = new_table("Routes", texts=())
    table.add_column("route", overflow="fold")
    columns = _ROUTE_COLUMNS if width >= _WIDE else ("requests", "p95", "errors", "time")
    for name in columns:
        table.add_column(name, justify="left" if name == "kind" else "right", no_wrap=True)
    for route in sorted(report.api.routes, key=lambda route: -route.count):
        cells = {
            "kind": cell(route.kind),
            "requests": cell(f"{route.count:,}"),
            "p50": cell(figure_text(route.p50, "s")),
            "p95": cell(figure_text(route.p95, "s")),
            "p99": cell(figure_text(route.p99, "s")),
            "errors": cell(f"{route.errors:,}", "red" if route.errors else ""),
            "4xx": cell(f"{route.client_errors:,}"),
            "time": cell(UNKNOWN if route.share is None else figure_text(route.share, "ratio")),
        }
        table.add_row(cell(f"{route.method} {route.route}"), *(cells[name] for name in columns))
    return table


def new_table(title: str, *, texts: tuple[str, ...]) -> Table:
    """Make a table without lines, with a column for each of `texts`."""
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for name in texts:
        table.add_column(name, no_wrap=True)
    return table


def judged(word: str) -> Text:
    """Write a verdict or a state in its colour."""
    return cell(word, _STYLES.get(word, ""))
