"""When too many bad events cannot be chance."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf.sla.chance import LIMIT, binomial_tail, is_beyond_chance

CHANCES = st.sampled_from(["0.0001", "0.01", "0.05", "0.1", "0.3", "0.5", "0.95", "0.99"])


def exact_tail(k: int, n: int, p: str) -> Fraction:
    chance = Fraction(p)
    return sum(
        (math.comb(n, i) * chance**i * (1 - chance) ** (n - i) for i in range(max(k, 0), n + 1)),
        Fraction(0),
    )


@given(n=st.integers(0, 120), data=st.data(), p=CHANCES)
def test_tail_equals_the_sum_of_exact_fractions(n: int, data: st.DataObject, p: str) -> None:
    k = data.draw(st.integers(-1, n + 1))
    assert binomial_tail(k, n, float(p)) == pytest.approx(float(exact_tail(k, n, p)), rel=1e-10)


@given(n=st.integers(1, 200), data=st.data(), p=CHANCES)
def test_decision_equals_that_of_exact_fractions(n: int, data: st.DataObject, p: str) -> None:
    bad = data.draw(st.integers(0, n))
    expected = exact_tail(bad, n, p) < Fraction(str(LIMIT))
    assert is_beyond_chance(bad, n, float(p)) == expected


def test_ten_failures_of_ten_are_no_riddle() -> None:
    assert is_beyond_chance(10, 10, 0.05)


def test_two_failures_of_two_may_be_chance() -> None:
    assert not is_beyond_chance(2, 2, 0.05)
    assert is_beyond_chance(3, 3, 0.05)


def test_what_must_never_happen_is_beyond_chance_once_it_did() -> None:
    assert is_beyond_chance(1, 10, 0.0)
    assert not is_beyond_chance(0, 10, 0.0)
    assert not is_beyond_chance(10, 10, 1.0)


@pytest.mark.parametrize("sigmas", [2.9, 3.0, 3.05, 3.1, 3.2])
def test_tail_of_ten_million_events_agrees_with_the_normal_limit(sigmas: float) -> None:
    n, p = 10**7, 0.05
    mean, deviation = n * p, math.sqrt(n * p * (1 - p))
    k = math.ceil(mean + sigmas * deviation)
    z = (k - 0.5 - mean) / deviation
    skew = (1 - 2 * p) / deviation
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    edgeworth = math.erfc(z / math.sqrt(2)) / 2 + density * skew * (z * z - 1) / 6
    assert binomial_tail(k, n, p) == pytest.approx(edgeworth, rel=1e-4)
    assert is_beyond_chance(k, n, p) == (edgeworth < LIMIT)


def test_tail_of_ten_million_events_keeps_its_precision() -> None:
    """Neither underflow far out nor cancellation near the mean."""
    n = 10**7
    assert binomial_tail(n, n, 0.5) == 0.0
    assert binomial_tail(1, n, 0.0) == 0.0
    assert binomial_tail(n, n, 1.0) == 1.0
    assert binomial_tail(0, n, 0.5) == 1.0
    assert binomial_tail(n // 2, n, 0.5) == pytest.approx(0.5, abs=2e-4)
    assert binomial_tail(1, n, 1e-9) == pytest.approx(-math.expm1(n * math.log1p(-1e-9)), rel=1e-7)
