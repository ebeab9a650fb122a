"""What the first level holds in memory for an entry, over its key and its value."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from benchmarks._cache_memory_worker import CONTENDERS, ENTRIES
from benchmarks._interleave import Spread, paired_ratio
from benchmarks._results import Result

if TYPE_CHECKING:
    from benchmarks.conftest import Bench

ROUNDS: Final = 5
MOST_BYTES: Final = 150.0
NOTE: Final = (
    "Resident memory of a process of its own, by 100,000 entries. Ours is an entry as TieredCache"
    " stores it, with an expiry of its own; the dict expires and evicts nothing. Four times as many"
    " keys make every cache evict: then Python keeps a dict of that size with room for three times"
    " as many, 38 bytes more for an entry."
)


def _bytes_an_entry(contender: str, scenario: str) -> float:
    command = [sys.executable, "-m", "benchmarks._cache_memory_worker", contender, scenario]
    done = subprocess.run(command, check=True, capture_output=True)
    return json.loads(done.stdout)["bytes"] / ENTRIES


@pytest.mark.parametrize(
    ("scenario", "what", "bound"),
    [
        ("fill", "an entry of 100,000 that fill the cache", MOST_BYTES),
        ("churn", "an entry of 100,000 after as many evictions three times", None),
    ],
)
def test_memory_of_an_entry(bench: Bench, scenario: str, what: str, bound: float | None) -> None:
    """An entry takes 150 bytes; what it takes when others were evicted for it is shown."""
    rng = random.Random(0)
    names = list(CONTENDERS)
    taken: dict[str, list[float]] = {name: [] for name in names}

    def one_round() -> None:
        rng.shuffle(names)
        for name in names:
            taken[name].append(_bytes_an_entry(name, scenario))

    bench.benchmark.pedantic(one_round, rounds=ROUNDS, iterations=1)
    ours = Spread.of(taken["ours"])
    what = f"memory: {what}"
    bench.judge(
        Result(what=what, peer="", unit="B", ours=ours, bound=bound, note=NOTE),
        *(
            Result(
                what=what,
                peer=name,
                unit="B",
                ours=ours,
                theirs=Spread.of(samples),
                ratio=paired_ratio(taken["ours"], samples),
                note=NOTE,
            )
            for name, samples in taken.items()
            if name != "ours"
        ),
    )
