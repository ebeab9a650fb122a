"""The tables and the JSON of `hhs-perf scrape`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import attrs
from rich.text import Text

from .._clock import rfc3339
from ..web.figure_text import UNKNOWN, figure_text
from ._console import cell
from ._tables import new_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.table import Table

    from ..scrapers.engine.plan import RunPlan
    from ..scrapers.engine.report import RunReport
    from ..scrapers.values import Outcome, SkipReason

__all__ = [
    "closing_lines",
    "cost_text",
    "missing_table",
    "plan_json",
    "plan_lines",
    "plan_table",
    "report_json",
    "report_table",
]

_MOST_SHOWN: Final = 50
_WIDE: Final = 116
# Said once with their number: what ails these is not the account.
_COMMON: Final = frozenset({"no_credentials", "budget"})
_QUIET: Final[Mapping[SkipReason, str]] = {
    "not_selected": "not selected",
    "already_done": "with a snapshot of today",
    "duplicate": "listed before",
}


def cost_text(cost: float | None, unit: str | None) -> str:
    """Write what something costs, in the unit of a platform's budget."""
    if cost is None or unit is None:
        return UNKNOWN
    if unit == "USD":
        return f"${cost:,.2f}"
    return figure_text(cost / 100, "ratio") if unit == "percent" else f"{cost:,.6g} {unit}"


def plan_table(plan: RunPlan) -> Table | Text:
    """Lay out what a run would ask of each platform."""
    if not plan.platforms:
        return Text("Nobody would be asked.")
    shown = new_table("Plan", texts=("platform",))
    for name in ("accounts", "core", "requests", "at least", "cost", "a day at most"):
        shown.add_column(name, justify="right", no_wrap=True)
    for each in plan.platforms:
        shown.add_row(
            cell(each.title),
            cell(f"{each.accounts:,}"),
            cell(f"{each.core:,}"),
            cell(f"{each.requests:,}"),
            cell(figure_text(each.seconds, "s")),
            cell(cost_text(each.cost, each.unit)),
            cell(cost_text(each.limit, each.unit)),
        )
    return shown


def plan_lines(plan: RunPlan) -> Iterator[Text]:
    """Say in a few lines what a run would be in all."""
    accounts = sum(each.accounts for each in plan.platforms)
    yield cell(
        f"{accounts:,} accounts in {plan.requests:,} requests, "
        f"{figure_text(plan.seconds, 's')} at least. Nobody was asked."
    )
    for each in plan.platforms:
        if not each.is_within_budget:
            yield cell(
                f"{each.title}: the cost is above what is left of the day's budget;"
                " the run would end there.",
                "yellow",
            )


def report_table(report: RunReport, width: int) -> Table | Text:
    """Lay out what a run did, platform by platform; `width` is the screen's."""
    asked = [each for each in report.platforms if each.requests or each.succeeded or each.failed]
    if not asked:
        return Text("Nobody was asked.")
    shown = new_table("Platforms", texts=("platform",))
    wide = ("p50", "network", "waited") if width >= _WIDE else ()
    names = ("fetched", "failed", "success", "p95", "requests", "refused", "cost", *wide)
    for name in names:
        shown.add_column(name, justify="right", no_wrap=True)
    for each in asked:
        cells = {
            "fetched": cell(f"{each.succeeded:,}"),
            "failed": cell(f"{each.failed:,}", "red" if each.failed else ""),
            "success": cell(figure_text(each.success_rate, "ratio")),
            "p95": cell(figure_text(each.p95, "s")),
            "requests": cell(f"{each.requests:,}"),
            "refused": cell(f"{each.throttled:,}"),
            "cost": cell(cost_text(each.cost or None, each.unit)),
            "p50": cell(figure_text(each.p50, "s")),
            "network": cell(figure_text(each.network, "s")),
            "waited": cell(figure_text(each.waited, "s")),
        }
        shown.add_row(cell(each.platform), *(cells[name] for name in names))
    return shown


def missing_table(outcomes: Sequence[Outcome]) -> Table | None:
    """Lay out which accounts have no snapshot and why, what ails many of them once."""
    rows = list(_missing(outcomes))
    if not rows:
        return None
    shown = new_table("Without a snapshot", texts=("platform", "why"))
    shown.add_column("account", overflow="fold")
    shown.add_column("told", overflow="fold")
    for platform, why, account, told in rows[:_MOST_SHOWN]:
        shown.add_row(cell(platform or UNKNOWN), cell(why), cell(account), cell(told))
    if len(rows) > _MOST_SHOWN:
        shown.caption = f"and {len(rows) - _MOST_SHOWN:,} more: --json has them"
        shown.caption_justify = "left"
    return shown


def _missing(outcomes: Iterable[Outcome]) -> Iterator[tuple[str, str, str, str]]:
    common: Counter[tuple[str, str, str]] = Counter()
    single = []
    for each in outcomes:
        why = _why(each)
        if why in _QUIET:
            continue
        if why in _COMMON:
            common[each.platform or "", why, _told(each)] += 1
        else:
            single.append((each.platform or "", why, each.account.name, _told(each)))
    for (platform, why, told), count in sorted(common.items()):
        yield platform, why, f"{count:,} accounts", told
    yield from sorted(single)


def closing_lines(report: RunReport, place: str) -> Iterator[Text]:
    """Say in a few lines how a run ended; `place` is where snapshots go, without a password."""
    yield cell(
        f"{report.succeeded:,} fetched, {report.failed:,} failed, "
        f"{sum(report.skipped.values()):,} not asked for; {report.requests:,} requests in "
        f"{figure_text(report.seconds, 's')}."
    )
    quiet = ", ".join(
        f"{report.skipped[reason]:,} {text}"
        for reason, text in _QUIET.items()
        if report.skipped.get(reason)
    )
    if quiet:
        yield cell(f"Not asked for are {quiet}.")
    yield cell(f"{report.written:,} snapshots written to {place}.")
    if report.unsaved:
        yield cell(
            f"{report.unsaved:,} snapshots could not be written there: {report.storage_error}",
            "bold red",
        )
        if report.spilled_to is not None:
            yield cell(f"They are in {report.spilled_to}.", "bold red")
    if report.left:
        yield cell(
            f"{report.left:,} accounts were not reached; --resume goes on from here.", "yellow"
        )


def plan_json(plan: RunPlan) -> dict[str, object]:
    """Give a plan as JSON-ready values."""
    return {
        "dry_run": True,
        "requests": plan.requests,
        "seconds": plan.seconds,
        "platforms": [attrs.asdict(each) for each in plan.platforms],
        "skipped": [_outcome_json(each) for each in plan.skipped],
    }


def report_json(report: RunReport, place: str) -> dict[str, object]:
    """Give a report as JSON-ready values."""
    whole: dict[str, Any] = attrs.asdict(report, filter=attrs.filters.exclude("not_fetched"))
    spilled = report.spilled_to
    return {
        "dry_run": False,
        "to": place,
        **whole,
        "started_at": rfc3339(report.started_at),
        "requests": report.requests,
        "success_rate": report.success_rate,
        "is_complete": report.is_complete,
        "spilled_to": None if spilled is None else str(spilled),
        "not_fetched": [_outcome_json(each) for each in report.not_fetched],
    }


def _outcome_json(outcome: Outcome) -> dict[str, object]:
    return {
        "platform": outcome.platform,
        "account": outcome.account.name,
        "handle": outcome.handle,
        "organization": outcome.account.organization,
        "why": _why(outcome),
        "told": _told(outcome),
        "attempts": outcome.attempts,
    }


def _why(outcome: Outcome) -> str:
    if outcome.failure is not None:
        return outcome.failure.kind
    return outcome.skipped or ""


def _told(outcome: Outcome) -> str:
    return outcome.failure.detail if outcome.failure is not None else outcome.detail
