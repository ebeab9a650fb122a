"""Verdicts on known figures: levels, guards, windows, and what is shown."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hhs_perf.sla import (
    ObjectiveVerdict,
    QuantileObjective,
    RatioObjective,
    Selector,
    Sla,
    Status,
    builtin_slas,
    judge_all,
    worst,
)

from .conftest import Host

HIT_RATE = next(sla for sla in builtin_slas() if sla.name == "cache-hit-rate")


def latency(**changes: Any) -> Sla:
    fields = {"name": "p95", "metric": "work", "quantile": 0.95, "target": 0.5, **changes}
    return Sla(name="latency", objectives=(QuantileObjective(**fields),))


def success(**changes: Any) -> Sla:
    fields = {
        "good": Selector(name="runs", tags={"result": "ok"}),
        "total": Selector(name="runs"),
        "target": 0.95,
        **changes,
    }
    return Sla(name="success", objectives=(RatioObjective(**fields),))


def verdict_on(host: Host, sla: Sla) -> ObjectiveVerdict:
    (verdict,) = host.judge(sla).objectives
    return verdict


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (0.399, "met"),
        (0.4, "warning"),
        (0.45, "warning"),
        (math.nextafter(0.5, 0), "warning"),
        (0.5, "violated"),
        (0.6, "violated"),
    ],
)
def test_latency_warns_from_its_warning_level_and_is_violated_at_its_target(
    host: Host, value: float, status: str
) -> None:
    host.record([value] * 40)
    assert verdict_on(host, latency()).status == status


@pytest.mark.parametrize(
    ("op", "below", "at", "above"),
    [
        ("<", "warning", "violated", "violated"),
        ("<=", "warning", "warning", "violated"),
        (">", "violated", "violated", "met"),
        (">=", "violated", "met", "met"),
    ],
)
def test_each_op_treats_the_target_itself_as_it_says(
    host: Host, op: str, below: str, at: str, above: str
) -> None:
    for metric, value in (("below", 0.499), ("at", 0.5), ("above", 0.501)):
        host.record([value] * 40, metric)
    found = [
        verdict_on(host, latency(metric=metric, op=op)).status
        for metric in ("below", "at", "above")
    ]
    assert found == [below, at, above]


@pytest.mark.parametrize(
    ("hits", "status"),
    [(81, "met"), (80, "warning"), (75, "warning"), (70, "warning"), (69, "violated")],
)
def test_hit_rate_warns_from_80_down_to_70_percent(host: Host, hits: int, status: str) -> None:
    host.add("cache.lookups", hits, layer="all", result="hit")
    host.add("cache.lookups", 100 - hits, layer="all", result="miss")
    host.add("cache.lookups", 1000, layer="l1", result="miss")
    verdict = verdict_on(host, HIT_RATE)
    assert (verdict.status, verdict.value, verdict.samples) == (status, hits / 100, 100)
    assert verdict.compliance == hits / 100


def test_level_between_target_and_violated_is_a_warning(host: Host) -> None:
    sla = latency(violated=1.0)
    for value, status in ((0.5, "warning"), (1.0, "warning"), (1.01, "violated")):
        metric = f"work-{value}"
        host.record([value] * 40, metric)
        assert verdict_on(host, latency(violated=1.0, metric=metric)).status == status
    assert sla.objectives[0].violated == 1.0


@pytest.mark.parametrize(
    ("failures", "status"), [(4, "met"), (5, "violated"), (6, "violated"), (0, "met")]
)
def test_success_rate_must_be_above_its_target(host: Host, failures: int, status: str) -> None:
    host.add("runs", 100 - failures, result="ok")
    host.add("runs", failures, result="failed")
    assert verdict_on(host, success()).status == status


def test_error_rate_below_its_target_complies_with_the_other_events(host: Host) -> None:
    """An error rate says `<`, and nobody guesses the direction from its name."""
    host.add("runs", 3, result="failed")
    host.add("runs", 97, result="ok")
    sla = success(good=Selector(name="runs", tags={"result": "failed"}), op="<", target=0.05)
    verdict = verdict_on(host, sla)
    assert (verdict.status, verdict.value, verdict.compliance) == ("met", 0.03, 0.97)


def test_no_data_is_unknown_and_shows_no_zeros(host: Host) -> None:
    for sla in builtin_slas():
        verdict = host.judge(sla)
        assert verdict.status == "unknown"
        for objective in verdict.objectives:
            assert objective.value is None
            assert objective.compliance is None
            assert (objective.samples, objective.window) == (0, "24h")


def test_too_few_observations_hold_back_met(host: Host) -> None:
    host.record([0.1] * 39)
    verdict = verdict_on(host, latency())
    assert (verdict.status, verdict.samples, verdict.min_samples) == ("unknown", 39, 40)
    assert verdict.value == 0.1
    host.record([0.1])
    assert verdict_on(host, latency()).status == "met"


def test_too_few_observations_hold_back_warning(host: Host) -> None:
    host.record([0.45] * 39)
    assert verdict_on(host, latency()).status == "unknown"


def test_violation_beyond_chance_stands_however_few_were_seen(host: Host) -> None:
    host.record([0.6] * 2)
    assert verdict_on(host, latency()).status == "unknown"
    host.record([0.6])
    verdict = verdict_on(host, latency())
    assert (verdict.status, verdict.samples, verdict.window) == ("violated", 3, "1h")


def test_ten_failures_of_ten_are_violated(host: Host) -> None:
    host.add("runs", 10, result="failed")
    assert verdict_on(host, success()).status == "violated"


def test_few_failures_among_few_are_unknown(host: Host) -> None:
    host.add("runs", 2, result="failed")
    host.add("runs", 18, result="ok")
    assert verdict_on(host, success()).status == "unknown"


def test_few_misses_are_judged_against_the_violated_level(host: Host) -> None:
    """Of 10 lookups under a hit rate of 70 %, 9 misses are beyond chance and 8 are not."""
    host.add("cache.lookups", 2, layer="all", result="hit")
    host.add("cache.lookups", 7, layer="all", result="miss")
    assert verdict_on(host, HIT_RATE).status == "unknown"
    host.add("cache.lookups", 6, layer="all", result="miss")
    assert verdict_on(host, HIT_RATE).status == "violated"


def test_high_quantile_is_violated_beyond_chance_by_small_figures(host: Host) -> None:
    sla = latency(op=">", quantile=0.5, min_samples=100)
    host.record([0.1] * 9)
    assert verdict_on(host, sla).status == "unknown"
    host.record([0.1])
    assert verdict_on(host, sla).status == "violated"


def test_window_is_widened_until_the_guard_is_met(host: Host) -> None:
    host.record([0.1] * 39)
    host.clock.advance(2 * 3600)
    host.record([0.6])
    verdict = verdict_on(host, latency())
    assert (verdict.status, verdict.window, verdict.samples) == ("met", "24h", 40)


def test_window_is_not_widened_when_it_has_enough(host: Host) -> None:
    host.record([0.6] * 100)
    host.clock.advance(2 * 3600)
    host.record([0.1] * 40)
    verdict = verdict_on(host, latency())
    assert (verdict.status, verdict.window, verdict.samples) == ("met", "1h", 40)


def test_short_window_is_widened_step_by_step(host: Host) -> None:
    host.record([0.1] * 39)
    host.clock.advance(1200)
    host.record([0.1])
    assert verdict_on(host, latency(window="5m")).window == "1h"


def test_violation_beyond_chance_needs_no_wider_window(host: Host) -> None:
    host.record([0.1] * 1000)
    host.clock.advance(2 * 3600)
    host.record([0.6] * 5)
    verdict = verdict_on(host, latency())
    assert (verdict.status, verdict.window) == ("violated", "1h")


def test_sla_over_another_window_is_judged_there(host: Host) -> None:
    host.record([0.6] * 100)
    host.clock.advance(1200)
    host.record([0.1] * 40)
    assert verdict_on(host, latency()).status == "violated"
    verdict = verdict_on(host, latency().over("5m"))
    assert (verdict.status, verdict.window, verdict.samples) == ("met", "5m", 40)


def test_tags_select_series(host: Host) -> None:
    host.record([0.01] * 50, kind="cached", route="/a")
    host.record([0.9] * 50, kind="uncached", route="/a")
    host.record([0.9] * 50, kind="cached", route="/b")
    tags = {"kind": "cached", "route": "/a"}
    verdict = verdict_on(host, latency(tags=tags))
    assert (verdict.status, verdict.samples, verdict.tags) == ("met", 50, tags)
    assert verdict_on(host, latency(tags={"kind": "cached"})).status == "violated"
    assert verdict_on(host, latency(tags={"kind": "none"})).samples == 0


def test_objective_added_at_run_time_is_judged_on_what_was_counted_since(host: Host) -> None:
    host.record([0.6] * 1000)
    host.registry.flush()
    sla = latency()
    host.watch(sla)
    verdict = verdict_on(host, sla)
    assert (verdict.status, verdict.samples, verdict.partial) == ("unknown", 0, True)
    host.clock.advance(60)
    host.record([0.1] * 300)
    verdict = verdict_on(host, sla)
    assert (verdict.status, verdict.samples, verdict.partial) == ("met", 300, True)
    assert verdict.value is not None
    assert verdict.value < 0.4
    host.clock.advance(7200)
    host.record([0.1] * 300)
    assert not verdict_on(host, sla).partial


def test_shown_value_stands_on_the_side_that_the_counts_prove(host: Host) -> None:
    """The digest alone would put this p95 beside the target."""
    sla = latency(warning=0.5)
    host.watch(sla)
    below = math.nextafter(0.5, 0)
    host.record([below] * 9500 + [9.0] * 500)
    verdict = verdict_on(host, sla)
    assert (verdict.status, verdict.value) == ("met", below)
    host.record([9.0])
    verdict = verdict_on(host, sla)
    assert verdict.status == "violated"
    assert verdict.value is not None
    assert verdict.value >= 0.5


def test_compliance_is_the_share_that_holds_the_target(host: Host) -> None:
    host.record([0.1] * 90 + [0.5] * 10)
    assert verdict_on(host, latency()).compliance == 0.9
    assert verdict_on(host, latency(op="<=")).compliance == 1.0
    assert verdict_on(host, latency(op=">")).compliance == 0.0
    assert verdict_on(host, latency(op=">=")).compliance == 0.1


def test_part_counted_before_its_whole_makes_no_ratio_past_one(host: Host) -> None:
    host.add("errors", 41)
    host.add("all", 40)
    sla = success(good=Selector(name="errors"), total=Selector(name="all"))
    verdict = verdict_on(host, sla)
    assert (verdict.value, verdict.compliance, verdict.samples) == (1.0, 1.0, 40)


def test_verdict_repeats_the_objective(host: Host) -> None:
    verdict = verdict_on(host, latency(tags={"kind": "cached"}, violated=2))
    assert verdict.figure == "p95 of work{kind=cached}"
    assert (verdict.kind, verdict.metric, verdict.unit) == ("quantile", "work", "s")
    assert (verdict.op, verdict.warning, verdict.target, verdict.violated) == ("<", 0.4, 0.5, 2)
    verdict = verdict_on(host, HIT_RATE)
    assert (verdict.kind, verdict.unit) == ("ratio", "ratio")
    assert (verdict.metric, verdict.tags) == ("cache.lookups", {"layer": "all"})
    assert (verdict.warning, verdict.target, verdict.violated) == (None, 0.8, 0.7)


@pytest.mark.parametrize(
    ("p95", "p99", "status"),
    [
        (0.1, 0.1, "met"),
        (0.45, 0.45, "warning"),
        (0.6, 0.6, "violated"),
        (0.1, 3.0, "violated"),
        (0.45, 3.0, "violated"),
    ],
)
def test_sla_stands_as_its_worst_objective(host: Host, p95: float, p99: float, status: str) -> None:
    sla = next(sla for sla in builtin_slas() if sla.name == "api-response-time")
    host.watch(sla)
    host.record([p95] * 960 + [p99] * 40, "http.server.request.duration")
    assert host.judge(sla).status == status


def test_sla_is_met_only_when_all_its_objectives_are(host: Host) -> None:
    sla = next(sla for sla in builtin_slas() if sla.name == "api-response-time")
    host.record([0.1] * 100, "http.server.request.duration")
    verdict = host.judge(sla)
    assert [objective.status for objective in verdict.objectives] == ["met", "unknown"]
    assert verdict.status == "unknown"


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([], "unknown"),
        (["unknown", "unknown"], "unknown"),
        (["met", "unknown"], "met"),
        (["unknown", "warning", "met"], "warning"),
        (["warning", "violated", "unknown"], "violated"),
    ],
)
def test_worst_is_over_what_is_known(statuses: list[Status], status: Status) -> None:
    assert worst(statuses) == status


def test_one_pass_reads_each_window_once(host: Host) -> None:
    windows = []

    def read(window: str) -> Any:
        windows.append(window)
        return host.reader.read(window)

    verdicts = judge_all(builtin_slas(), read)
    assert [verdict.name for verdict in verdicts] == [sla.name for sla in builtin_slas()]
    assert sorted(windows) == ["1h", "24h"]
