"""Holds what was recorded against what a conformance scenario wants."""

from __future__ import annotations

from benchmarks.conformance import Scenario, Wanted
from hhs_perf import Monitor
from tests.web_calls import Series, series


def judge(scenario: Scenario, monitor: Monitor) -> list[str]:
    """List what is wrong: nothing, if the scenario is passed."""
    found = series(monitor)
    if len(found) != len(scenario.wanted):
        return [f"wanted {len(scenario.wanted)} series, got {found}"]
    return [
        f"wanted {wanted}, got {found}"
        for wanted in scenario.wanted
        if not any(_fits(wanted, row) for row in found)
    ]


def _fits(wanted: Wanted, row: Series) -> bool:
    return (
        row.status_class == wanted.status_class
        and row.count == wanted.count
        and wanted.method in (None, row.method)
        and wanted.route in (None, row.route)
        and row.shortest >= wanted.at_least
        and row.longest <= wanted.at_most
    )
