"""The pages on platforms say what their declarations say."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from hhs_perf import scrapers
from hhs_perf.scrapers.platform import Platform
from hhs_perf.scrapers.platforms import bundled
from hhs_perf.scrapers.values import FAILURE_KINDS, FIGURE_NAMES

DOCS = Path(__file__).parents[2] / "docs"
PLATFORMS = bundled()
VALUES = (
    *("Address", "Budget", "Call", "Credential", "RateSignal", "Reading", "Reply", "Resolver"),
    "Target",
)


def _read(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def _rows(page: str, first: str) -> dict[str, list[str]]:
    """The table whose first column is called `first`: its rows by what that column says."""
    _, _, rest = _read(page).partition(f"\n| {first} |")
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in rest.partition("\n\n")[0].splitlines()[2:]
    ]
    return {row[0].strip("`"): row[1:] for row in rows}


def _section(platform: Platform) -> str:
    _, _, rest = _read("reference/platforms.md").partition(f"\n## {platform.title}\n")
    return rest.partition("\n## ")[0]


def test_the_table_of_figures_is_that_of_the_declarations() -> None:
    rows = _rows("reference/platforms.md", "platform")
    assert rows == {
        each.title: [
            f"`{each.name}`",
            *("yes" if name in each.figures else "" for name in FIGURE_NAMES),
        ]
        for each in PLATFORMS
    }


def _asked(platform: Platform) -> list[str]:
    budget, resolve = platform.budget, platform.resolve
    look_up = "" if resolve is None else "gives the figures" if resolve.gives_figures else "yes"
    pace = "" if platform.interval is None else f"{platform.interval:g}"
    cost = limit = ""
    if budget is not None:
        limit = "" if budget.limit is None else f"{budget.limit:,.0f}"
        cost = budget.unit
        if budget.per_account:
            cost = f"{budget.per_account:.3f} {budget.unit} an account"
        elif budget.per_request:
            cost = f"{budget.per_request:g} of {budget.unit}"
    return [str(platform.batch_size), look_up, pace, cost, limit]


def test_the_table_of_requests_is_that_of_the_declarations() -> None:
    rows = _rows("reference/platforms.md", "name")
    assert rows == {each.name: _asked(each) for each in PLATFORMS}


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_each_platform_has_its_notes_and_credentials(platform: Platform) -> None:
    section = _section(platform)
    assert platform.notes in section
    for each in platform.credentials:
        optional = "" if each.required else " (optional)"
        assert f"- `{each.variable(platform.name)}`{optional}: {each.how}" in section
    named = set(re.findall(r"`(HHS_PERF_[A-Z_]+)`", section))
    assert named == {each.variable(platform.name) for each in platform.credentials}


def test_each_field_of_a_platform_stands_in_the_docs() -> None:
    fields = {each.name for each in attrs.fields(Platform)}
    assert set(_rows("reference/platform-api.md", "field")) == fields


@pytest.mark.parametrize("name", VALUES)
def test_each_field_of_what_functions_take_and_give_stands_in_the_docs(name: str) -> None:
    (said,) = _rows("reference/platform-api.md", "value")[name]
    fields = [each.name for each in attrs.fields(getattr(scrapers, name))]
    public = {each for each in fields if not each.startswith("_")}
    assert public <= set(re.findall(r"`(\w+)`", said))


def test_each_kind_of_failure_has_its_meaning() -> None:
    assert tuple(_rows("explanation/scrape-failures.md", "kind")) == FAILURE_KINDS
