"""What 2,000 series, the cap, hold in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from benchmarks.conftest import Bench


@pytest.mark.parametrize(
    ("scenario", "what", "bound"),
    [
        ("busy", "5,000 observations a second for an hour, evenly over 2,000 series", 64.0),
        ("full", "an hour with more than 256 values in each slot of 2,000 series", None),
    ],
)
def test_memory_at_the_cap(bench: Bench, scenario: str, what: str, bound: float | None) -> None:
    """At the cap a process that serves all it can holds 64 MB; what a full one holds is shown."""
    command = [sys.executable, "-m", "benchmarks._memory_worker", scenario]
    done = bench.benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True), rounds=1
    )
    seen = json.loads(done.stdout)
    grown = (seen["after"] - seen["before"]) / 1e6
    bench.show(f"memory: {what}", grown, unit="MB", bound=bound)
