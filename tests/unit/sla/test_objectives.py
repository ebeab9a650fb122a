"""What an objective may say, and where its verdicts change."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from hhs_perf.exceptions import ConfigurationError
from hhs_perf.sla import QuantileObjective, Ratio, RatioObjective, Selector, Sla

HITS = Selector(name="hits")
ALL = Selector(name="lookups", tags={"layer": "all"})


def quantile(**changes: Any) -> QuantileObjective:
    fields = {"name": "p95", "metric": "work", "quantile": 0.95, "target": 0.5, **changes}
    return QuantileObjective(**fields)


def ratio(**changes: Any) -> RatioObjective:
    return RatioObjective(**{"good": HITS, "total": ALL, "target": 0.8, **changes})


def problems_of(make: Any, **fields: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        make(**fields)
    return caught.value.problems


@pytest.mark.parametrize(
    ("q", "needs"), [(0.5, 4), (0.9, 20), (0.95, 40), (0.99, 200), (0.999, 2000), (0.98, 100)]
)
def test_quantile_needs_two_observations_past_it(q: float, needs: int) -> None:
    assert quantile(quantile=q).needs == needs


def test_ratio_needs_40_events() -> None:
    assert ratio().needs == 40


def test_min_samples_override_what_is_needed() -> None:
    assert quantile(min_samples=7).needs == ratio(min_samples=7).needs == 7


@pytest.mark.parametrize(
    ("target", "level"), [(0.5, 0.4), (2, 1.6), (0.1, 0.08), (0.2, 0.16), (0.05, 0.04), (3, 2.4)]
)
def test_latency_warns_from_80_percent_of_its_target(target: float, level: float) -> None:
    assert quantile(target=target).warning_level == level


def test_ratio_and_high_quantile_have_no_warning_level_of_their_own() -> None:
    assert ratio().warning_level is None
    assert quantile(op=">").warning_level is None


def test_thresholds_are_all_levels_that_the_verdict_is_made_at() -> None:
    assert quantile().thresholds() == (("<", 0.4), ("<", 0.5))
    assert quantile(violated=1).thresholds() == (("<", 0.4), ("<", 0.5), ("<=", 1.0))
    assert quantile(op="<=").thresholds() == (("<", 0.4), ("<=", 0.5))
    assert quantile(op=">").thresholds() == (("<=", 0.5),)
    assert quantile(op=">=", warning=0.6).thresholds() == (("<=", 0.6), ("<", 0.5))


def test_whole_numbers_are_taken_as_floats() -> None:
    objective = quantile(target=1, warning=1)
    assert isinstance(objective.target, float)
    assert isinstance(objective.warning, float)


def test_objective_keeps_its_tags_when_the_caller_changes_his() -> None:
    tags = {"kind": "cached"}
    objective = quantile(tags=tags)
    tags["kind"] = "database"
    assert objective.tags == objective.figure.tags == {"kind": "cached"}


def test_figures_say_what_they_are() -> None:
    assert str(quantile(quantile=0.999, tags={"b": "x", "a": "y\n"}).figure) == (
        "p99.9 of work{a=y\\n,b=x}"
    )
    assert str(ratio().figure) == "hits / lookups{layer=all}"


def test_evolved_objective_has_the_figure_of_its_fields() -> None:
    evolved = attrs.evolve(ratio(), good=Selector(name="other"))
    assert evolved.figure == Ratio(good=Selector(name="other"), total=ALL)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"target": -1}, "p95.target: must be > 0, got -1"),
        ({"target": 0}, "p95.target: must be > 0, got 0"),
        ({"target": float("nan")}, "p95.target: must be a finite number, got nan"),
        ({"target": float("inf")}, "p95.target: must be a finite number, got inf"),
        ({"target": 10**400}, "p95.target: must be a finite number, got 1000"),
        ({"target": True}, "p95.target: must be a number, got True"),
        ({"target": "fast"}, "p95.target: must be a number, got 'fast'"),
        ({"op": "=="}, "p95.op: must be one of <, <=, >, >=, got '=='"),
        ({"warning": 0.6}, "p95.warning: must be <= the target 0.5, got 0.6"),
        ({"violated": 0.4}, "p95.violated: must be >= the target 0.5, got 0.4"),
        ({"op": ">", "warning": 0.4}, "p95.warning: must be >= the target 0.5, got 0.4"),
        ({"op": ">", "violated": 0.6}, "p95.violated: must be <= the target 0.5, got 0.6"),
        ({"quantile": 1}, "p95.quantile: must be between 0 and 1, both excluded, got 1"),
        ({"quantile": 0.0}, "p95.quantile: must be between 0 and 1, both excluded, got 0"),
        ({"window": "1d"}, "p95.window: must be one of 5m, 1h, 24h, got '1d'"),
        ({"min_samples": 0}, "p95.min_samples: must be a whole number of at least 1, got 0"),
        ({"min_samples": 1.5}, "p95.min_samples: must be a whole number of at least 1, got 1.5"),
        ({"metric": ""}, "p95.metric: must be a non-empty string, got ''"),
        ({"tags": {"kind": 1}}, "p95.tags: must be a table of strings, got {'kind': 1}"),
        ({"tags": ["kind"]}, "p95.tags: must be a table of strings, got ['kind']"),
        ({"unit": "ms"}, "p95.unit: must be a base unit: seconds and ratios 0..1, got 'ms'"),
    ],
)
def test_mistake_is_named_with_its_key(changes: dict[str, Any], problem: str) -> None:
    (found,) = problems_of(quantile, **changes)
    assert found.startswith(problem)


@pytest.mark.parametrize("target", [80, -0.1, 1.01])
def test_ratio_target_is_a_share(target: float) -> None:
    assert problems_of(ratio, target=target) == (
        f"ratio.target: must be between 0 and 1, got {target:g}",
    )


def test_all_mistakes_are_told_at_once() -> None:
    found = problems_of(quantile, target=-1, op="~", window="2h", quantile=2, metric=3)
    assert [problem.partition(":")[0] for problem in found] == [
        "p95.metric",
        "p95.quantile",
        "p95.window",
        "p95.op",
        "p95.target",
    ]


def test_ratio_wants_selectors() -> None:
    assert problems_of(ratio, good="hits", total=Selector(name="")) == (
        "ratio.good: must be a selector, got 'hits'",
        "ratio.total.name: must be a non-empty string, got ''",
    )


def test_sla_wants_objectives_of_different_names() -> None:
    assert problems_of(Sla, name="a", objectives=()) == ("a.objectives: must be at least one",)
    assert problems_of(Sla, name="a", objectives=(quantile(), quantile())) == (
        "a.p95: stands more than once",
    )
    (found,) = problems_of(Sla, name="a", objectives=("p95",))
    assert found.startswith("a.objectives: must be objectives")


def test_sla_takes_a_list_of_objectives() -> None:
    assert Sla(name="a", objectives=[quantile()]).objectives == (quantile(),)  # type: ignore[arg-type]
