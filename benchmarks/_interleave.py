"""Paired measurements: contenders take turns in random order, round by round, on one machine.

A shared machine is never quiet, so that an absolute time says little.  Each round runs every
contender once, in an order drawn anew, and only the ratio within a round counts: noise that lasts
longer than a round falls on all alike.  The cost is CPU time of the process, all threads included.
"""

from __future__ import annotations

import gc
import random
import resource
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median of samples with its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Return the spread of at least two samples."""
        low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
        return cls(median=median, low=low, high=high)

    def scaled(self, factor: float) -> Spread:
        """Return the same spread in another unit."""
        return Spread(median=self.median * factor, low=self.low * factor, high=self.high * factor)


def children_cpu() -> float:
    """Return CPU seconds, user and system, of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def interleave(
    contenders: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    seed: int = 0,
    clock: Callable[[], float] = time.process_time,
    prepare: Mapping[str, Callable[[], object]] | None = None,
) -> dict[str, list[float]]:
    """Run every contender once a round and return its costs in seconds, one for each round.

    ``prepare`` names work that comes before a contender's turn and is not part of its cost.
    Garbage of the contender before is collected first, so that everyone pays for his own alone.
    """
    rng = random.Random(seed)
    order = list(contenders)
    ready = prepare or {}
    costs: dict[str, list[float]] = {name: [] for name in order}
    for turn in range(rounds + 1):
        rng.shuffle(order)
        for name in order:
            if name in ready:
                ready[name]()
            gc.collect()
            begun = clock()
            contenders[name]()
            cost = clock() - begun
            if turn:  # the first round warms caches and the specialising interpreter
                costs[name].append(cost)
    return costs


def paired_ratio(
    ours: Sequence[float], peer: Sequence[float], base: Sequence[float] | None = None
) -> Spread:
    """Return the spread of our cost by the peer's, round by round, both less the base's."""
    floor = base if base is not None else [0.0] * len(ours)
    pairs = zip(ours, peer, floor, strict=True)
    return Spread.of([(mine - bare) / (theirs - bare) for mine, theirs, bare in pairs])


def paired_difference(samples: Sequence[float], base: Sequence[float]) -> Spread:
    """Return the spread of what a contender costs above the base, round by round."""
    return Spread.of([mine - bare for mine, bare in zip(samples, base, strict=True)])
