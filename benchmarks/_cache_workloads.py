"""The workloads that judge hit ratios: seeded sequences of keys."""

from __future__ import annotations

import random
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS: Final = 50_000
REQUESTS: Final = 500_000
SHIFTS: Final = 5
SIZES: Final = {"1 %": KEYS // 100, "5 %": KEYS // 20}
_BETWEEN_SCANS: Final = 10_000
_SCAN: Final = 5_000
_SEED: Final = 20_261_124


def zipf(skew: float, *, requests: int = REQUESTS, seed: int = _SEED) -> list[int]:
    """Return keys of which the n-th most popular is asked for ``n ** -skew`` times as often."""
    rng = random.Random(seed)
    weights = list(accumulate(rank**-skew for rank in range(1, KEYS + 1)))
    keys = list(range(KEYS))
    rng.shuffle(keys)
    return rng.choices(keys, cum_weights=weights, k=requests)


def scans() -> list[int]:
    """Return zipf 1.0 where every 10,000 requests 5,000 keys are read that nobody wants again."""
    asked = iter(zipf(1.0))
    sequence: list[int] = []
    fresh = KEYS
    while len(sequence) < REQUESTS:
        sequence += [next(asked) for _ in range(_BETWEEN_SCANS)]
        sequence += range(fresh, fresh + _SCAN)
        fresh += _SCAN
    return sequence[:REQUESTS]


def shifts() -> list[int]:
    """Return zipf 1.0 with five populations in turn, each with favourites of its own."""
    each = REQUESTS // SHIFTS
    return [key for turn in range(SHIFTS) for key in zipf(1.0, requests=each, seed=_SEED + turn)]


WORKLOADS: Final[dict[str, Callable[[], list[int]]]] = {
    "zipf 0.8": lambda: zipf(0.8),
    "zipf 1.0": lambda: zipf(1.0),
    "zipf 1.2": lambda: zipf(1.2),
    "zipf 1.0 + scans": scans,
    "popularity shifts": shifts,
}
