"""Data, truth and trials that judge the accuracy of figures and verdicts.

Pure standard library and ignorant of the code that it judges: seven data sets of durations in
seconds, the nearest-rank quantile as the truth, and 7,200 objectives whose target lies within
5 % of the true quantile.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LOOPBACK_TRACE: Final = Path(__file__).parent / "data" / "loopback_trace.txt"
SAMPLES_PER_TRIAL: Final = 10_000
TRIALS: Final = 7_200
MAX_OFFSET: Final = 0.05


def _lognormal(rng: random.Random, n: int) -> list[float]:
    """Return durations around 50 ms with a multiplicative spread."""
    return [rng.lognormvariate(math.log(0.05), 0.8) for _ in range(n)]


def _bimodal(rng: random.Random, n: int) -> list[float]:
    """Return nine fast answers (a cache) for one slow one (the origin)."""
    return [
        rng.lognormvariate(math.log(0.005), 0.3)
        if rng.random() < 0.9
        else rng.lognormvariate(math.log(0.4), 0.25)
        for _ in range(n)
    ]


def _pareto(rng: random.Random, n: int) -> list[float]:
    """Return a tail so heavy (alpha 1.1) that its variance is infinite."""
    return [0.01 * rng.paretovariate(1.1) for _ in range(n)]


def _uniform(rng: random.Random, n: int) -> list[float]:
    """Return durations spread evenly over one second."""
    return [rng.random() for _ in range(n)]


def _timeouts(rng: random.Random, n: int) -> list[float]:
    """Return a day of traffic: a daily wave, bursts of queueing, timeouts at 5 s and 30 s."""
    values = []
    for i in range(n):
        chance = rng.random()
        if chance < 0.003:
            values.append(30.0 + rng.expovariate(1000))
        elif chance < 0.015:
            values.append(5.0 + rng.expovariate(1000))
        else:
            wave = 1.0 + 0.5 * math.sin(2 * math.pi * i / n)
            queueing = 4.0 if i % 1000 < 30 else 1.0
            values.append(rng.lognormvariate(math.log(0.08 * wave * queueing), 0.5))
    return values


@cache
def _trace() -> tuple[float, ...]:
    """Return the recorded latencies, once read."""
    return tuple(int(text) / 1e6 for text in LOOPBACK_TRACE.read_text(encoding="ascii").split())


def _loopback(rng: random.Random, n: int) -> list[float]:
    """Return the recorded trace from a random place on, begun again where it ends."""
    trace = _trace()
    start = rng.randrange(len(trace))
    return [trace[(start + i) % len(trace)] for i in range(n)]


def _ascending(rng: random.Random, n: int) -> list[float]:
    """Return ever slower answers, the order that troubles incremental digests most."""
    return sorted(_lognormal(rng, n))


_MAKERS: Final[dict[str, Callable[[random.Random, int], list[float]]]] = {
    "lognormal": _lognormal,
    "bimodal": _bimodal,
    "pareto": _pareto,
    "uniform": _uniform,
    "timeouts": _timeouts,
    "loopback": _loopback,
    "ascending": _ascending,
}
DATASETS: Final = tuple(_MAKERS)


def dataset(name: str, n: int, seed: int) -> list[float]:
    """Return ``n`` durations in seconds of the named set, the same for the same seed.

    Raises KeyError for a name that is not in ``DATASETS``.
    """
    return _MAKERS[name](random.Random(f"{name}/{seed}"), n)


def nearest_rank(sorted_values: Sequence[float], q: float) -> float:
    """Return the quantile ``q`` of the values by nearest rank: one of the values, never between.

    >>> nearest_rank([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    return sorted_values[math.ceil(q * len(sorted_values)) - 1]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One objective ``quantile op target`` and whether the raw values keep it."""

    quantile: float
    op: str
    target: float
    holds: bool


@dataclass(frozen=True, kw_only=True)
class TrialGroup:
    """The trials over one draw of one data set, so that the values are made and sorted once."""

    dataset: str
    seed: int
    values: list[float]
    trials: tuple[Trial, ...]


_QUANTILES: Final = (0.95, 0.99)
_OPS: Final = ("<", "<=")
_DRAWN_TARGETS: Final = 12
TRIALS_PER_GROUP: Final = len(_QUANTILES) * len(_OPS) * (_DRAWN_TARGETS + 3)


def _targets(rng: random.Random, truth: float) -> list[float]:
    """Return the true quantile, its two neighbours among the floats, and targets within 5 %."""
    drawn = [truth * (1 + rng.uniform(-MAX_OFFSET, MAX_OFFSET)) for _ in range(_DRAWN_TARGETS)]
    return [truth, math.nextafter(truth, 0), math.nextafter(truth, math.inf), *drawn]


def _trials(rng: random.Random, ordered: list[float]) -> Iterator[Trial]:
    for q in _QUANTILES:
        truth = nearest_rank(ordered, q)
        for target in _targets(rng, truth):
            for op in _OPS:
                holds = truth < target if op == "<" else truth <= target
                yield Trial(quantile=q, op=op, target=target, holds=holds)


def trial_groups(trials: int = TRIALS, n: int = SAMPLES_PER_TRIAL) -> Iterator[TrialGroup]:
    """Yield groups of 60 trials, ``trials`` in all, one draw of one data set at a time.

    The data sets take turns, so that a shorter campaign touches all of them too.  ``trials`` must
    be a multiple of ``TRIALS_PER_GROUP``; ValueError otherwise.
    """
    groups, rest = divmod(trials, TRIALS_PER_GROUP)
    if rest:
        message = f"trials must be a multiple of {TRIALS_PER_GROUP}, got {trials}"
        raise ValueError(message)
    for index in range(groups):
        seed, which = divmod(index, len(DATASETS))
        name = DATASETS[which]
        values = dataset(name, n, seed)
        rng = random.Random(f"targets/{name}/{seed}")
        made = tuple(_trials(rng, sorted(values)))
        yield TrialGroup(dataset=name, seed=seed, values=values, trials=made)


def near_target_trials(
    trials: int = TRIALS, n: int = SAMPLES_PER_TRIAL
) -> Iterator[tuple[list[float], float, float, str, bool]]:
    """Yield ``(values, quantile, target, op, holds)`` for each trial of each group."""
    for group in trial_groups(trials, n):
        for trial in group.trials:
            yield group.values, trial.quantile, trial.target, trial.op, trial.holds
