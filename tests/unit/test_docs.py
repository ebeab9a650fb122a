"""The docs say what there is: they are compared with the code, name by name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hhs_perf
import hhs_perf.collectors
from hhs_perf import Settings, hookspecs
from hhs_perf._setting_rows import describe
from hhs_perf.cli import _exits
from hhs_perf.cli._commands import hhs_perf as command_line
from hhs_perf.metrics import WINDOWS
from hhs_perf.sla import AlertRule, builtin_alerts, builtin_slas
from hhs_perf.web.site import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def _read(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def _rows(page: str) -> list[list[str]]:
    """Give the cells of all table rows of a page."""
    lines = [line for line in _read(page).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _words(page: str) -> set[str]:
    """Give what stands in backticks on a page, without code blocks."""
    text = re.sub(r"^```.*?^```", "", _read(page), flags=re.DOTALL | re.MULTILINE)
    return set(re.findall(r"`([^`\n]+)`", text))


def test_every_setting_stands_in_the_docs_with_default_and_meaning() -> None:
    rows = _rows("reference/settings.md")
    documented = [row for row in rows if re.fullmatch(r"`[A-Z0-9_]+`", row[0])]
    assert documented == [
        [f"`{row.variable}`", f"`{row.default}`" if row.default else "", row.meaning]
        for row in describe(Settings())
    ]


def _hooks() -> list[str]:
    return [name for name in hookspecs.__all__ if name.startswith("hhs_perf_")]


@pytest.mark.parametrize("name", _hooks())
def test_every_hook_has_a_section_with_its_signature(name: str) -> None:
    hook = getattr(hookspecs, name)
    signature = str(inspect.signature(hook)).replace("'", "")
    assert f"## `{name}`\n\n```text\n{name}{signature}\n```" in _read("reference/hooks.md")


def test_no_hook_is_documented_that_does_not_exist() -> None:
    documented = re.findall(
        r"^## `(hhs_perf_\w+)`", _read("reference/hooks.md"), flags=re.MULTILINE
    )
    assert sorted(documented) == sorted(_hooks())


def test_every_route_stands_in_the_docs_with_role_and_parameters() -> None:
    documented = [row for row in _rows("reference/routes.md") if row[0].startswith("`GET ")]
    assert [row[:3] for row in documented] == [
        [
            f"`GET /api/performance{endpoint.path}`",
            endpoint.role,
            ", ".join(f"`{name}`" for name in endpoint.parameters),
        ]
        for endpoint in ENDPOINTS
    ]


def _properties(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for inner in schema.values():
            yield from _properties(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _properties(inner)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_field_of_an_answer_stands_in_the_docs(endpoint: Any) -> None:
    pages = ("routes", "cache-report", "database-report", "scrapers-report")
    told = [_words(f"reference/{page}.md") for page in pages]
    missing = set(_properties(endpoint.schema)).difference(*told)
    assert missing == set()


def _level(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value * 100:g} %" if unit == "ratio" else f"{value:g} s"


def test_every_bundled_objective_stands_in_the_docs_with_its_levels() -> None:
    rows = _rows("reference/slas-and-alerts.md")
    expected = [
        [
            *(f"`{sla.name}`", f"`{each.name}`", f"`{each.figure}`"),
            f"`{each.op}` {_level(each.target, each.unit)}",
            *(_level(each.warning_level, each.unit), _level(each.violated_level, each.unit)),
            *(each.window, str(each.needs)),
        ]
        for sla in builtin_slas()
        for each in sla.objectives
    ]
    assert [
        row for row in rows if len(row) > 1 and re.fullmatch(r"`(p\d+|ratio)`", row[1])
    ] == expected


def test_every_bundled_alert_rule_stands_in_the_docs_with_its_levels() -> None:
    rows = [
        row for row in _rows("reference/slas-and-alerts.md") if row[1] in {"warning", "critical"}
    ]
    assert rows == [
        [
            *(f"`{rule.name}`", rule.severity, f"`{rule.figure}`", rule.per or ""),
            f"`{rule.op}` {_level(rule.threshold, rule.figure.unit)}",
            *(_level(rule.resolve_at, rule.figure.unit), rule.window, str(rule.needs)),
        ]
        for rule in builtin_alerts()
    ]


def test_the_delays_of_the_bundled_rules_are_as_the_docs_say() -> None:
    assert {(rule.pending_for, rule.keep_firing_for) for rule in builtin_alerts()} == {(0.0, 300.0)}


def test_the_guide_page_names_every_bundled_sla_and_rule() -> None:
    names = {each.name for each in (*builtin_slas(), *builtin_alerts())}
    assert names <= _words("guide.md")


def test_every_key_of_the_sla_file_stands_in_the_docs() -> None:
    tables = importlib.import_module("hhs_perf.sla._tables")
    keys = {*tables._LEVELS, *tables._OF_QUANTILE, *tables._OF_RATIO, *tables._OF_RULE}
    assert keys <= _words("reference/sla-file.md")


def test_every_field_of_an_alert_rule_is_a_key_of_the_sla_file() -> None:
    fields = {field.name for field in AlertRule.__attrs_attrs__}
    assert fields - {"name", "figure"} <= _words("reference/sla-file.md")


def _commands(group: Any, *before: str) -> Iterator[tuple[str, Any]]:
    """Give every command with all its words, groups included."""
    for name, command in group.commands.items():
        yield " ".join((*before, name)), command
        yield from _commands(command, *before, name) if hasattr(command, "commands") else ()


def test_every_command_and_option_stands_in_the_docs_with_its_default() -> None:
    text = _read("reference/cli.md") + _read("reference/cli-scrape.md")
    for name, command in _commands(command_line, "hhs-perf"):
        arguments = [
            p.human_readable_name for p in command.params if p.param_type_name == "argument"
        ]
        heading = f"## `{' '.join([name, *arguments])}`\n"
        assert heading in text
        section = re.split(r"\n##+ ", text.split(heading, 1)[1], maxsplit=1)[0]
        for option in command.params:
            if option.param_type_name == "option":
                assert f"| `{option.opts[0]}` |" in section, f"{name} {option.opts[0]}"
                if isinstance(option.default, str | int) and not isinstance(option.default, bool):
                    assert f"`{option.default}`" in section, f"{name} {option.opts[0]}"


def test_every_exit_status_stands_in_the_docs() -> None:
    statuses = {str(getattr(_exits, name)) for name in _exits.__all__}
    first_cells = [row[0] for row in _rows("reference/cli.md")]
    assert statuses <= {status for cell in first_cells for status in cell.split(", ")}


def _instruments() -> set[str]:
    """Give the dotted names that the collectors and the timers define."""
    modules = [
        importlib.import_module(f"hhs_perf.collectors.{module.name}")
        for module in pkgutil.iter_modules(hhs_perf.collectors.__path__)
    ]
    modules.append(importlib.import_module("hhs_perf.web.recorder"))
    return {
        value
        for module in modules
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and re.fullmatch(r"[a-z]+(\.[a-z]+)+", value)
    }


def test_every_instrument_stands_in_the_docs() -> None:
    documented = {row[0].strip("`") for row in _rows("reference/metrics.md")[2:]}
    assert _instruments()
    assert _instruments() | {"plugin.errors"} == documented


def test_the_public_names_stand_in_the_api_page() -> None:
    text = _read("reference/api.md")
    assert [name for name in hhs_perf.__all__ if not _is_documented(name, text)] == []


def _is_documented(name: str, text: str) -> bool:
    if name.endswith("Error"):
        return "automodule:: hhs_perf.exceptions" in text
    return f"hhs_perf.{name}\n" in text or f"`hhs_perf.{name}`" in text


def test_the_windows_stand_in_the_docs() -> None:
    rows = {row[0]: row[1] for row in _rows("explanation/windows.md") if row[0].startswith("`")}
    units = {30: "30 s", 300: "5 min", 3600: "1 h"}
    assert rows == {f"`{w.name}`": f"{w.slots} of {units[w.slot_seconds]}" for w in WINDOWS}


LINK = re.compile(r"\]\(((?!https?:)[^)\s#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES], ids=lambda page: page.name
)
def test_every_link_to_a_page_leads_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_no_page_is_longer_than_a_sitting() -> None:
    lengths = {page.name: len(page.read_text("utf-8").splitlines()) for page in PAGES}
    del lengths["performance.md"]  # made by the benchmarks
    assert {name: n for name, n in lengths.items() if n > 150} == {}


def test_every_module_stands_on_its_floor_in_the_docs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    [floors] = [
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    held = [set(re.split(" [:|] ", floor)) - {"__main__"} for floor in reversed(floors)]
    told = [
        {name.strip("/") for name in re.findall(r"`([^`]+)`", row[1])}
        for row in _rows("explanation/architecture.md")
        if row[0].isdigit()
    ]
    assert told == [floor for floor in held if floor]
