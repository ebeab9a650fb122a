"""Verdicts and figures against the truth of benchmarks/scenarios.py, from recording to judging."""

from __future__ import annotations

import pytest

from benchmarks._accuracy import SPREADS, relative_errors, wrong_verdicts
from benchmarks.scenarios import DATASETS, TRIALS, trial_groups

SOAK = pytest.mark.soak


@pytest.mark.parametrize("trials", [720, pytest.param(TRIALS, marks=SOAK)])
def test_no_verdict_near_the_target_is_wrong(trials: int) -> None:
    """Targets lie within 5 % of the true quantile, on it, and one float beside it."""
    wrong = {
        (group.dataset, group.seed): count
        for group in trial_groups(trials)
        if (count := wrong_verdicts(group))
    }
    assert wrong == {}


@pytest.mark.parametrize("window", SPREADS)
@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize(
    ("n", "seed"),
    [
        (10_000, 0),
        (30_000, 1),
        *(pytest.param(100_000, seed, marks=SOAK) for seed in range(5)),
    ],
)
def test_p95_is_within_two_percent(name: str, n: int, seed: int, window: str) -> None:
    """The digests of the slots, merged, stay close to the true p95."""
    [error] = relative_errors(name, n, seed, window, [0.95])
    assert error <= 0.02


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("window", SPREADS)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=SOAK) for seed in range(1, 5))])
def test_p999_is_exact_up_to_128000_values(name: str, window: str, seed: int) -> None:
    """The 129th largest value is kept by every slot, and so by all of them together."""
    assert relative_errors(name, 128_000, seed, window, [0.999]) == [0.0]
