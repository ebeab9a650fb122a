"""The file that changes, adds and drops SLAs and alert rules, and its mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hhs_perf.exceptions import ConfigurationError
from hhs_perf.sla import (
    AlertRule,
    Quantile,
    QuantileObjective,
    Ratio,
    RatioObjective,
    Selector,
    Sla,
    apply,
    builtin_alerts,
    builtin_slas,
    configure,
)


def changed(text: str, **options: Any) -> tuple[dict[str, Sla], dict[str, AlertRule]]:
    slas, rules = apply(text, builtin_slas(), builtin_alerts(), "sla.toml", **options)
    return {sla.name: sla for sla in slas}, {rule.name: rule for rule in rules}


def problems(text: str, **options: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        changed(text, **options)
    return [problem.removeprefix("sla.toml: ") for problem in caught.value.problems]


def by_name(sla: Sla) -> dict[str, Any]:
    return {objective.name: objective for objective in sla.objectives}


def test_empty_file_changes_nothing() -> None:
    slas, rules = changed("")
    assert list(slas.values()) == builtin_slas()
    assert list(rules.values()) == builtin_alerts()


def test_only_the_given_keys_of_a_bundled_objective_change() -> None:
    slas, _ = changed("[sla.api-response-time.p95]\ntarget = 1\n")
    before = by_name(builtin_slas()[0])
    after = by_name(slas["api-response-time"])
    assert after["p99"] == before["p99"]
    assert (after["p95"].target, after["p95"].warning_level) == (1.0, 0.8)
    assert after["p95"].metric == before["p95"].metric
    assert slas["api-response-time"].description == builtin_slas()[0].description


def test_every_key_of_an_objective_is_taken() -> None:
    slas, _ = changed("""
[sla.api-response-time]
description = "Ours"
[sla.api-response-time.p95]
target = 0.3
warning = 0.25
violated = 0.6
op = "<="
unit = "s"
window = "24h"
min_samples = 7
metric = "job.duration"
tags = {job = "report"}
quantile = 0.95
""")
    sla = slas["api-response-time"]
    assert sla.description == "Ours"
    assert by_name(sla)["p95"] == QuantileObjective(
        name="p95",
        metric="job.duration",
        tags={"job": "report"},
        quantile=0.95,
        op="<=",
        target=0.3,
        warning=0.25,
        violated=0.6,
        window="24h",
        min_samples=7,
    )


def test_new_sla_is_added() -> None:
    slas, _ = changed("""
[sla.report-time]
description = "Reports"
[sla.report-time.p90]
metric = "report.build"
target = 30
[sla.report-time."p99.9"]
target = 60
[sla.report-success.ratio]
good = {name = "reports", tags = {result = "ok"}}
total = {name = "reports"}
target = 0.99
""")
    assert [*slas][-2:] == ["report-time", "report-success"]
    assert slas["report-time"] == Sla(
        name="report-time",
        description="Reports",
        objectives=(
            QuantileObjective(name="p90", metric="report.build", quantile=0.9, target=30),
            QuantileObjective(name="p99.9", metric="report.build", quantile=0.999, target=60),
        ),
    )
    assert slas["report-success"].objectives == (
        RatioObjective(
            good=Selector(name="reports", tags={"result": "ok"}),
            total=Selector(name="reports"),
            target=0.99,
        ),
    )


def test_new_quantile_of_an_sla_is_about_the_timer_of_the_others() -> None:
    slas, _ = changed("[sla.scraper-execution-time.p50]\ntarget = 2\n")
    added = by_name(slas["scraper-execution-time"])["p50"]
    assert (added.metric, added.window, added.quantile) == ("scrape.duration", "24h", 0.5)


def test_slas_objectives_and_rules_can_be_dropped() -> None:
    slas, rules = changed("""
[sla.frontend-load-time]
enabled = false
[sla.api-response-time.p99]
enabled = false
[sla.cache-hit-rate.ratio]
enabled = false
[alerts.scraper-latency]
enabled = false
""")
    assert "frontend-load-time" not in slas
    assert "cache-hit-rate" not in slas
    assert [*by_name(slas["api-response-time"])] == ["p95"]
    assert "scraper-latency" not in rules
    assert len(rules) == len(builtin_alerts()) - 1


@pytest.mark.parametrize(
    ("target", "violated"), [("0.9", 0.7875), ("0.6", 0.525), ("0.8", 0.7), ("1", 0.875)]
)
def test_level_beside_a_target_moves_along_with_it(target: str, violated: float) -> None:
    slas, _ = changed(f"[sla.cache-hit-rate.ratio]\ntarget = {target}\n")
    assert by_name(slas["cache-hit-rate"])["ratio"].violated == violated


def test_level_that_is_given_stays_where_it_is_put() -> None:
    slas, _ = changed("[sla.cache-hit-rate.ratio]\ntarget = 0.9\nviolated = 0.5\n")
    assert by_name(slas["cache-hit-rate"])["ratio"].violated == 0.5


@pytest.mark.parametrize(
    ("rule", "threshold", "resolve_at"),
    [
        ("api-latency-warning", "0.5", 0.45),
        ("api-error-rate", "0.1", 0.08),
        ("cache-hit-rate", "0.94", 0.95),
        ("cache-hit-rate", "1.0", 1.0),
    ],
)
def test_resolve_level_moves_along_with_its_threshold(
    rule: str, threshold: str, resolve_at: float
) -> None:
    _, rules = changed(f"[alerts.{rule}]\nthreshold = {threshold}\n")
    assert rules[rule].resolve_at == resolve_at


def test_every_key_of_a_rule_is_taken() -> None:
    _, rules = changed("""
[alerts.database-latency]
severity = "critical"
op = ">="
threshold = 2
resolve_at = 1.5
pending_for = 30
keep_firing_for = 60
window = "1h"
min_samples = 5
per = "statement"
summary = "Slow"
metric = "db.query.duration"
quantile = 0.99
tags = {statement = "select"}
""")
    assert rules["database-latency"] == AlertRule(
        name="database-latency",
        severity="critical",
        figure=Quantile(metric="db.query.duration", quantile=0.99, tags={"statement": "select"}),
        op=">=",
        threshold=2,
        resolve_at=1.5,
        pending_for=30,
        keep_firing_for=60,
        window="1h",
        min_samples=5,
        per="statement",
        summary="Slow",
    )


def test_new_rules_are_added() -> None:
    _, rules = changed("""
[alerts.report-slow]
metric = "report.build"
quantile = 0.95
threshold = 60
[alerts.report-failures]
good = {name = "reports", tags = {result = "failed"}}
total = {name = "reports"}
threshold = 0.1
per = "kind"
""")
    assert rules["report-slow"] == AlertRule(
        name="report-slow", figure=Quantile(metric="report.build", quantile=0.95), threshold=60
    )
    assert rules["report-failures"].per == "kind"
    assert rules["report-failures"].figure == Ratio(
        good=Selector(name="reports", tags={"result": "failed"}), total=Selector(name="reports")
    )


def test_rule_keeps_the_part_of_its_figure_that_is_not_given() -> None:
    _, rules = changed("""
[alerts.api-error-rate]
good = {name = "http.server.responses", tags = {class = "4xx"}}
[alerts.api-latency-warning]
quantile = 0.99
""")
    assert str(rules["api-error-rate"].figure) == (
        "http.server.responses{class=4xx} / http.server.responses"
    )
    assert str(rules["api-latency-warning"].figure) == "p99 of http.server.request.duration"


def test_all_mistakes_are_told_at_once_with_their_keys() -> None:
    assert problems("""
answer = 42
sla.api-response-time = {p95 = {target = -1}, p99 = {target = 1, warning = 1.5}}
sla.cache-hit-rate = {ratio = {target = 80, min_sample = 3}}
sla.reports = {p95 = {op = "=", window = "2h"}, p100 = {metric = "m", target = 1}}
sla.frontend-load-time = {enabled = "no", p95 = {target = inf, quantile = 0.9}, p9x = {}}
alerts.api-latency-warning = {threshold = "1s", resolve_at = nan, severity = "page"}
alerts.mine = {metric = "m", keep_firing_for = -1}
alerts.yours = {threshold = 1, good = "errors"}
""") == [
        "answer: is unknown; known are sla, alerts",
        "api-response-time.p95.target: must be > 0, got -1",
        "api-response-time.p99.warning: must be <= the target 1, got 1.5",
        (
            "cache-hit-rate.ratio.min_sample: is unknown; known are target, warning, violated, op, "
            "unit, window, min_samples, enabled, good, total"
        ),
        "cache-hit-rate.ratio.target: must be between 0 and 1, got 80",
        "reports.p95.metric: must be given",
        "reports.p95.window: must be one of 5m, 1h, 24h, got '2h'",
        "reports.p95.op: must be one of <, <=, >, >=, got '='",
        "reports.p95.target: must be given",
        "reports.p100.quantile: must be between 0 and 1, both excluded, got 1",
        "frontend-load-time.enabled: must be true or false, got 'no'",
        "frontend-load-time.p95.quantile: must be 0.95, as its name says, got 0.9",
        "frontend-load-time.p95.target: must be a finite number, got inf",
        (
            "frontend-load-time.p9x: is unknown; known are description, enabled, ratio, and "
            "quantiles such as p95"
        ),
        "alerts.api-latency-warning.severity: must be one of warning, critical, got 'page'",
        "alerts.api-latency-warning.threshold: must be a number, got '1s'",
        "alerts.api-latency-warning.resolve_at: must be a finite number, got nan",
        "alerts.mine.quantile: must be given",
        "alerts.mine.threshold: must be given",
        "alerts.mine.keep_firing_for: must be >= 0, got -1",
        "alerts.yours.good: must be a table with name and tags, got 'errors'",
        "alerts.yours.total: must be given",
    ]


def test_each_problem_names_the_file() -> None:
    with pytest.raises(ConfigurationError) as caught:
        changed("[sla.api-response-time.p95]\ntarget=-1\n[alerts.database-latency]\nop=1\n")
    assert all(problem.startswith("sla.toml: ") for problem in caught.value.problems)
    assert "sla.toml: api-response-time.p95.target: must be > 0, got -1" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sla = 3", "[sla]: must be a table, got 3"),
        ("alerts = []", "[alerts]: must be a table, got []"),
        ("sla.x = 3", "x: must be a table, got 3"),
        ("alerts.x = 3", "alerts.x: must be a table, got 3"),
        ("sla.api-response-time.p95 = 3", "api-response-time.p95: must be a table, got 3"),
        (
            "sla.typo.enabled = false",
            "typo: is no SLA that exists, and a new one needs an objective such as p95 or ratio",
        ),
        (
            "sla.cache-hit-rate.ratio.good = {name = 3, tag = {}}",
            "cache-hit-rate.ratio.good.tag: is unknown; known are name, tags",
        ),
        (
            "sla.cache-hit-rate.description = 3",
            "cache-hit-rate.description: must be a string, got 3",
        ),
        (
            "alerts.x = {threshold = 1}",
            "alerts.x: must have metric and quantile, or good and total",
        ),
        (
            "alerts.database-latency.good = {name = 'a'}",
            "alerts.database-latency.total: must be given",
        ),
        (
            "alerts.api-latency-warning.resolve_at = 2",
            "alerts.api-latency-warning.resolve_at: must be <= the threshold 1, got 2",
        ),
        ('sla."a b\\n".p95 = 1', "'a b\\n'.p95: must be a table, got 1"),
    ],
)
def test_mistake_is_named(text: str, problem: str) -> None:
    assert problem in problems(text)


def test_rule_is_about_a_quantile_or_a_ratio() -> None:
    found = problems(
        "alerts.database-latency = {metric = 'm', good = {name='a'}, total={name='b'}}"
    )
    assert found == [
        (
            "alerts.database-latency: must have metric and quantile, or good and total, "
            "but not both: got metric, good, total"
        )
    ]


def test_syntax_error_names_the_line() -> None:
    (problem,) = problems("[sla.api-response-time.p95]\ntarget 1\n")
    assert "line 2" in problem


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "9" * 5000, "\x00", "a=1\na=2"])
def test_malformed_text_is_one_problem(text: str) -> None:
    assert len(problems(text)) == 1


def test_settings_are_for_the_configuration_file_only() -> None:
    text = "[settings]\nHHS_PERF_ENABLED = true\n"
    assert changed(text, settings_allowed=True)[0]
    assert problems(text) == [
        "settings: stands here in vain: only the file HHS_PERF_CONFIG has settings"
    ]


def test_table_that_was_parsed_already_is_taken() -> None:
    table = {"sla": {"api-response-time": {"enabled": False}}}
    slas, _ = apply(table, builtin_slas(), [], "config.toml")
    assert "api-response-time" not in {sla.name for sla in slas}


def test_files_are_applied_one_after_the_other(tmp_path: Path) -> None:
    config, sla_file = tmp_path / "config.toml", tmp_path / "sla.toml"
    config.write_text("[settings]\n[sla.api-response-time]\np95.target = 1\np99.target = 3\n")
    sla_file.write_text("\ufeff[sla.api-response-time]\np99.target = 4\n", "utf-8")
    slas, rules = configure(builtin_slas(), builtin_alerts(), config=config, sla_file=sla_file)
    objectives = by_name(slas["api-response-time"])
    assert (objectives["p95"].target, objectives["p99"].target) == (1.0, 4.0)
    assert rules == builtin_alerts()


def test_of_equal_names_the_last_one_holds() -> None:
    objective = QuantileObjective(name="p95", metric="work", quantile=0.95, target=1)
    ours = Sla(name="api-response-time", objectives=(objective,))
    slas, _ = configure([*builtin_slas(), ours], [])
    assert slas["api-response-time"] == ours
    assert len(slas) == len(builtin_slas())


def test_mistakes_of_both_files_are_told_at_once(tmp_path: Path) -> None:
    config, sla_file = tmp_path / "missing.toml", tmp_path / "sla.toml"
    sla_file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError) as caught:
        configure([], [], config=config, sla_file=sla_file)
    first, second = caught.value.problems
    assert first.startswith(f"{config}: cannot be read: ")
    assert second.startswith(f"{sla_file}: is not UTF-8 text: ")


NAMES = st.sampled_from(
    [
        "sla",
        "alerts",
        "api-response-time",
        "cache-hit-rate",
        "api-error-rate",
        "p95",
        "p99",
        "ratio",
        "p0",
        "target",
        "warning",
        "violated",
        "op",
        "window",
        "min_samples",
        "metric",
        "tags",
        "quantile",
        "good",
        "total",
        "threshold",
        "resolve_at",
        "severity",
        "per",
        "enabled",
        "name",
        "description",
        "x",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.floats(),
    st.sampled_from(["<", ">", "5m", "warning", "", "x\n", 10**400]),
    st.lists(st.integers(0, 2), max_size=2),
)
TABLES = st.recursive(
    SCALARS, lambda inner: st.dictionaries(NAMES, inner, max_size=5), max_leaves=30
)


@settings(max_examples=3 * settings.default.max_examples, deadline=None)
@given(sla=TABLES, alerts=TABLES)
def test_any_table_is_taken_or_refused_as_a_configuration(sla: Any, alerts: Any) -> None:
    """No other error escapes, and every mistake is told on one line."""
    try:
        apply({"sla": sla, "alerts": alerts}, builtin_slas(), builtin_alerts(), "sla.toml")
    except ConfigurationError as exc:
        found = exc.problems
    else:
        return
    assert found
    assert all(problem.isprintable() for problem in found)
    assert len(set(found)) == len(found)
