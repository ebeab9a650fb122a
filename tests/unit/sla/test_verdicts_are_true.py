"""Properties: verdicts equal the truth, computed from the raw values."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from hhs_perf.sla import Op, QuantileObjective, RatioObjective, Selector, Sla, Status

from .conftest import Host

LEVELS = st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.7])
# Half of what is observed lies at a level or right beside one.
VALUES = st.one_of(
    st.floats(0, 1),
    LEVELS,
    LEVELS.map(lambda level: math.nextafter(level, 0)),
    LEVELS.map(lambda level: math.nextafter(level, 1)),
)
QUANTILES = st.sampled_from([0.5, 0.9, 0.95, 0.99])
OPS = st.sampled_from(["<", "<=", ">", ">="])


def holds(value: float, op: Op, level: float) -> bool:
    return {
        "<": value < level,
        "<=": value <= level,
        ">": value > level,
        ">=": value >= level,
    }[op]


def true_status(
    value: float, op: Op, target: float, warning: float | None, violated: float | None
) -> Status:
    if violated is None or violated == target:
        missed = not holds(value, op, target)
    else:
        missed = value > violated if op in ("<", "<=") else value < violated
    if missed:
        return "violated"
    if warning is None:
        return "met" if holds(value, op, target) else "warning"
    return "met" if (value < warning if op in ("<", "<=") else value > warning) else "warning"


@st.composite
def objectives(draw: st.DrawFn) -> QuantileObjective:
    op: Op = draw(OPS)
    low, middle, high = sorted(draw(st.lists(LEVELS, min_size=3, max_size=3)))
    warning, violated = (low, high) if op in ("<", "<=") else (high, low)
    return QuantileObjective(
        name="q",
        metric="work",
        quantile=draw(QUANTILES),
        op=op,
        target=middle,
        warning=draw(st.sampled_from([None, warning])),
        violated=draw(st.sampled_from([None, violated])),
        min_samples=1,
    )


@settings(max_examples=150, deadline=None)
@given(
    objective=objectives(),
    parts=st.lists(st.lists(VALUES, max_size=60), min_size=1, max_size=4),
    repeat=st.sampled_from([1, 1, 9, 200]),
    pause=st.sampled_from([0.0, 40.0, 400.0]),
)
def test_quantile_verdict_equals_that_on_the_raw_values(
    objective: QuantileObjective, parts: list[list[float]], repeat: int, pause: float
) -> None:
    """Over slots, series and merges, with values kept and with a digest in their place."""
    host = Host()
    sla = Sla(name="s", objectives=(objective,))
    host.watch(sla)
    for index, part in enumerate(parts):
        host.record(part * repeat, part=str(index % 2))
        host.clock.advance(pause)
    raw = sorted(value for part in parts for value in part * repeat)
    (verdict,) = host.judge(sla).objectives
    assert verdict.samples == len(raw)
    if not raw:
        assert verdict.status == "unknown"
        return
    rank = math.ceil(Fraction(str(objective.quantile)) * len(raw))
    truth = raw[rank - 1]
    warning = objective.warning_level
    expected = true_status(truth, objective.op, objective.target, warning, objective.violated)
    assert verdict.status == expected
    assert verdict.value is not None
    shown = true_status(verdict.value, objective.op, objective.target, warning, objective.violated)
    assert shown == expected
    holding = sum(holds(value, objective.op, objective.target) for value in raw)
    assert verdict.compliance == holding / len(raw)


@settings(max_examples=200, deadline=None)
@given(
    good=st.integers(0, 60),
    bad=st.integers(0, 60),
    op=OPS,
    levels=st.lists(st.sampled_from([0.05, 0.2, 0.5, 0.7, 0.8, 0.95]), min_size=3, max_size=3),
    given=st.tuples(st.booleans(), st.booleans()),
)
def test_ratio_verdict_equals_that_of_exact_fractions(
    good: int, bad: int, op: Op, levels: list[float], given: tuple[bool, bool]
) -> None:
    low, target, high = sorted(levels)
    warning, violated = (low, high) if op in ("<", "<=") else (high, low)
    warning_given = warning if given[0] else None
    violated_given = violated if given[1] else None
    host = Host()
    host.add("events", good, result="good")
    host.add("events", bad, result="bad")
    objective = RatioObjective(
        good=Selector(name="events", tags={"result": "good"}),
        total=Selector(name="events"),
        op=op,
        target=target,
        warning=warning_given,
        violated=violated_given,
        min_samples=1,
    )
    (verdict,) = host.judge(Sla(name="s", objectives=(objective,))).objectives
    if not good + bad:
        assert verdict.status == "unknown"
        return
    ratio = Fraction(good, good + bad)

    def exact(level: float | None) -> Fraction | None:
        return None if level is None else Fraction(str(level))

    assert verdict.status == true_status(
        ratio,  # type: ignore[arg-type]
        op,
        exact(target),  # type: ignore[arg-type]
        exact(warning_given),  # type: ignore[arg-type]
        exact(violated_given),  # type: ignore[arg-type]
    )


@settings(max_examples=150, deadline=None)
@given(slow=st.integers(0, 60), fast=st.integers(0, 60))
def test_guard_holds_back_all_but_violations_beyond_chance(slow: int, fast: int) -> None:
    host = Host()
    host.record([0.1] * fast + [0.9] * slow)
    objective = QuantileObjective(name="p95", metric="work", quantile=0.95, target=0.5)
    (verdict,) = host.judge(Sla(name="s", objectives=(objective,))).objectives
    n = slow + fast
    missed = n > 0 and fast < math.ceil(Fraction(95, 100) * n)
    chance = sum(
        math.comb(n, i) * Fraction(5, 100) ** i * Fraction(95, 100) ** (n - i)
        for i in range(slow, n + 1)
    )
    if n >= 40:
        assert verdict.status == ("violated" if missed else "met")
    else:
        clear = missed and chance < Fraction(1, 1000)
        assert verdict.status == ("violated" if clear else "unknown")
