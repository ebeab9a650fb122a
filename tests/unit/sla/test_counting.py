"""The levels that must be counted."""

from __future__ import annotations

from hhs_perf.sla import AlertRule, Quantile, QuantileObjective, Sla, builtin_slas, thresholds


def test_levels_of_slas_and_rules_are_gathered_by_timer() -> None:
    objective = QuantileObjective(name="p95", metric="work", quantile=0.95, target=0.5)
    rule = AlertRule(
        name="slow", figure=Quantile(metric="work", quantile=0.99), threshold=0.5, resolve_at=0.4
    )
    found = thresholds([Sla(name="s", objectives=(objective,))], [rule])
    assert found == [("work", (("<", 0.4), ("<", 0.5), ("<=", 0.5)))]


def test_ratios_need_no_levels() -> None:
    slas = [sla for sla in builtin_slas() if sla.name == "cache-hit-rate"]
    assert thresholds(slas, []) == []
