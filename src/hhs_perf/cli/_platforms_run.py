"""What `hhs-perf platforms` shows: names of variables, never what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .._monitor import Monitor
from ..web.figure_text import UNKNOWN, figure_text
from . import _exits
from ._console import cell, console, write_json
from ._scrape_tables import cost_text
from ._tables import new_table

if TYPE_CHECKING:
    from rich.table import Table

    from ..scrapers.engine.health import PlatformState
    from ..scrapers.platform import Platform
    from ..scrapers.scrapers import Scrapers

__all__ = ["run_platforms"]


@attrs.frozen(kw_only=True)
class _Needed:
    """A credential, and whether the environment has it."""

    variable: str
    required: bool
    present: bool
    how: str


def run_platforms(*, as_json: bool) -> int:
    """List the platforms; gives the exit status."""
    monitor = Monitor.from_env()
    try:
        scrapers = monitor.scrapers
        variables = monitor.settings.platform_variables
        rows = [
            (platform, state, _needed(platform, frozenset(variables)))
            for platform, state in _paired(scrapers)
        ]
        if as_json:
            write_json([_row_json(*row) for row in rows])
        else:
            screen = console()
            screen.print(_table(rows), "")
            ready = sum(not state.missing for _, state, _ in rows)
            screen.print(cell(f"{ready} of {len(rows)} have the credentials that they need."))
    finally:
        monitor.close()
    return _exits.MET


def _paired(scrapers: Scrapers) -> list[tuple[Platform, PlatformState]]:
    states = {each.name: each for each in scrapers.state()}
    return [
        (each, states[each.name])
        for each in sorted(scrapers.platforms, key=lambda each: each.title.casefold())
    ]


def _needed(platform: Platform, present: frozenset[str]) -> tuple[_Needed, ...]:
    return tuple(
        _Needed(
            variable=each.variable(platform.name),
            required=each.required,
            present=each.variable(platform.name) in present,
            how=each.how,
        )
        for each in platform.credentials
    )


def _table(rows: list[tuple[Platform, PlatformState, tuple[_Needed, ...]]]) -> Table:
    shown = new_table("Platforms", texts=("platform", "state"))
    shown.add_column("credentials", overflow="fold")
    for name in ("a request every", "accounts at once", "cost", "a day at most"):
        shown.add_column(name, justify="right")
    for platform, state, needed in rows:
        ready = not state.missing
        shown.add_row(
            cell(platform.title),
            cell("ready" if ready else "missing", "green" if ready else "yellow"),
            cell(", ".join(map(_needed_text, needed)) or "none needed"),
            cell(figure_text(state.interval, "s")),
            cell(f"{platform.batch_size:,}"),
            cell(_cost(platform)),
            cell(cost_text(state.limit, state.unit)),
        )
    return shown


def _needed_text(needed: _Needed) -> str:
    if needed.present:
        return f"{needed.variable} set"
    return f"{needed.variable} {'missing' if needed.required else 'not set, optional'}"


def _cost(platform: Platform) -> str:
    budget = platform.budget
    if budget is None:
        return UNKNOWN
    if budget.per_account:
        return f"{cost_text(budget.per_account, budget.unit)} an account"
    if budget.per_request:
        return f"{cost_text(budget.per_request, budget.unit)} a request"
    return f"counted in {budget.unit}"


def _row_json(
    platform: Platform, state: PlatformState, needed: tuple[_Needed, ...]
) -> dict[str, object]:
    budget = platform.budget
    return {
        "name": platform.name,
        "title": platform.title,
        "aliases": list(platform.aliases),
        "is_ready": not state.missing,
        "credentials": [attrs.asdict(each) for each in needed],
        "interval": state.interval,
        "batch_size": platform.batch_size,
        "budget": None if budget is None else {**attrs.asdict(budget), "limit": state.limit},
        "figures": list(platform.figures),
        "notes": platform.notes,
    }
