"""The bundled SLAs and alert rules are those of the guide."""

from __future__ import annotations

import pytest

from hhs_perf.sla import (
    AlertRule,
    Quantile,
    QuantileObjective,
    Ratio,
    RatioObjective,
    Sla,
    builtin_alerts,
    builtin_slas,
)

SLAS = {sla.name: sla for sla in builtin_slas()}
RULES = {rule.name: rule for rule in builtin_alerts()}


@pytest.mark.parametrize(
    ("name", "metric", "tags", "targets", "window"),
    [
        ("api-response-time", "http.server.request.duration", {}, (0.5, 2), "1h"),
        ("database-query-time", "db.query.duration", {}, (0.1, 0.5), "1h"),
        ("scraper-execution-time", "scrape.duration", {}, (5, 10), "24h"),
        ("frontend-load-time", "page.load", {}, (2, 3), "1h"),
        ("response-time-cached", "http.server.request.duration", {"kind": "cached"}, (0.05,), "1h"),
        (
            "response-time-database",
            "http.server.request.duration",
            {"kind": "database"},
            (0.2,),
            "1h",
        ),
        (
            "response-time-uncached",
            "http.server.request.duration",
            {"kind": "uncached"},
            (1,),
            "1h",
        ),
    ],
)
def test_latency_sla(
    name: str, metric: str, tags: dict[str, str], targets: tuple[float, ...], window: str
) -> None:
    objectives = SLAS[name].objectives
    assert [objective.name for objective in objectives] == ["p95", "p99"][: len(targets)]
    for objective, target, quantile in zip(objectives, targets, (0.95, 0.99), strict=False):
        assert isinstance(objective, QuantileObjective)
        assert (objective.metric, objective.tags) == (metric, tags)
        assert (objective.quantile, objective.op, objective.unit) == (quantile, "<", "s")
        assert objective.target == objective.violated_level == target
        assert objective.warning_level == pytest.approx(0.8 * target, rel=1e-15)
        assert objective.window == window


@pytest.mark.parametrize(
    ("name", "good", "total", "levels", "needs", "window"),
    [
        (
            "cache-hit-rate",
            "cache.lookups{layer=all,result=hit}",
            "cache.lookups{layer=all}",
            (0.8, 0.7),
            20,
            "1h",
        ),
        (
            "scraper-success-rate",
            "scrape.outcomes{result=success}",
            "scrape.outcomes",
            (0.95, 0.95),
            40,
            "24h",
        ),
    ],
)
def test_ratio_sla(
    name: str, good: str, total: str, levels: tuple[float, float], needs: int, window: str
) -> None:
    (objective,) = SLAS[name].objectives
    assert isinstance(objective, RatioObjective)
    assert (str(objective.good), str(objective.total)) == (good, total)
    assert (objective.name, objective.op, objective.warning_level) == ("ratio", ">", None)
    assert (objective.target, objective.violated_level) == levels
    assert (objective.needs, objective.window) == (needs, window)


def test_there_are_no_other_slas() -> None:
    assert len(SLAS) == len(builtin_slas()) == 9


@pytest.mark.parametrize(
    ("name", "severity", "metric", "threshold", "per", "window"),
    [
        ("api-latency-warning", "warning", "http.server.request.duration", 1, None, "5m"),
        ("api-latency-critical", "critical", "http.server.request.duration", 2, None, "5m"),
        ("database-latency", "warning", "db.query.duration", 0.5, None, "5m"),
        ("scraper-latency", "warning", "scrape.duration", 10, None, "24h"),
        ("scraper-platform-latency", "warning", "scrape.duration", 10, "platform", "24h"),
    ],
)
def test_latency_rule(
    name: str, severity: str, metric: str, threshold: float, per: str | None, window: str
) -> None:
    rule = RULES[name]
    assert rule.figure == Quantile(metric=metric, quantile=0.95)
    assert (rule.severity, rule.op, rule.threshold) == (severity, ">", threshold)
    assert rule.resolve_at == pytest.approx(0.9 * threshold, rel=1e-15)
    assert (rule.pending_for, rule.keep_firing_for, rule.window) == (0, 300, window)
    assert rule.per == per


def test_hit_rate_rule() -> None:
    rule = RULES["cache-hit-rate"]
    assert str(rule.figure) == "cache.lookups{layer=all,result=hit} / cache.lookups{layer=all}"
    assert (rule.op, rule.threshold, rule.resolve_at, rule.needs) == ("<", 0.7, 0.75, 20)


@pytest.mark.parametrize(
    ("name", "figure", "per", "window"),
    [
        (
            "api-error-rate",
            "http.server.responses{class=5xx} / http.server.responses",
            None,
            "5m",
        ),
        (
            "api-route-error-rate",
            "http.server.responses{class=5xx} / http.server.responses",
            "route",
            "5m",
        ),
        ("database-error-rate", "db.query.errors / db.queries", None, "5m"),
        ("cache-error-rate", "cache.errors / cache.operations", None, "5m"),
        (
            "scraper-error-rate",
            "scrape.outcomes{result=failure} / scrape.outcomes",
            None,
            "24h",
        ),
        (
            "scraper-platform-error-rate",
            "scrape.outcomes{result=failure} / scrape.outcomes",
            "platform",
            "24h",
        ),
    ],
)
def test_error_rate_rule(name: str, figure: str, per: str | None, window: str) -> None:
    rule = RULES[name]
    assert isinstance(rule.figure, Ratio)
    assert (str(rule.figure), rule.per, rule.window) == (figure, per, window)
    assert (rule.severity, rule.op) == ("warning", ">")
    assert (rule.threshold, rule.resolve_at, rule.needs) == (0.05, 0.04, 40)
    assert (rule.pending_for, rule.keep_firing_for) == (0, 300)


def test_there_are_no_other_rules() -> None:
    assert len(RULES) == len(builtin_alerts()) == 12


@pytest.mark.parametrize("thing", [*builtin_slas(), *builtin_alerts()], ids=lambda t: t.name)
def test_all_are_described(thing: Sla | AlertRule) -> None:
    assert thing.description if isinstance(thing, Sla) else thing.summary
