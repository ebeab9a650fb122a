"""A process at the cap of series that prints what memory it has come to, as JSON.

Usage: ``python -m benchmarks._memory_worker SCENARIO``.  ``busy`` lives an hour of 5,000
observations a second, spread evenly over all series: the most that a Python process can serve.
``full`` lives an hour in which every slot of every series takes enough to need its digest.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.scenarios import dataset
from hhs_perf import Monitor
from hhs_perf.testing import FakeClock
from hhs_perf.web.build import summary_body

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES: Final = {
    "http.server.request.duration": ("method", "route"),
    "db.query.duration": ("statement",),
    "scrape.duration": ("platform",),
    "page.load": ("page",),
}
SERIES_EACH: Final = 500
HOUR: Final = 3_600
SLOT: Final = 30
BUSY_RATE: Final = 5_000
FULL_SLOT: Final = 300


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _timers(monitor: Monitor) -> list[Callable[[float], None]]:
    return [
        monitor.metrics.timer(name, **{tag: f"{tag} {n}" for tag in tags}).record
        for name, tags in NAMES.items()
        for n in range(SERIES_EACH)
    ]


def busy(monitor: Monitor, clock: FakeClock, values: list[float]) -> None:
    """Live an hour at a rate, second by second, each series in its turn."""
    records = _timers(monitor)
    turn = 0
    for second in range(HOUR):
        for at in range(BUSY_RATE):
            records[turn](values[(second * 7 + at) % len(values)])
            turn = (turn + 1) % len(records)
        clock.advance(1)
        monitor.metrics.flush()


def full(monitor: Monitor, clock: FakeClock, values: list[float]) -> None:
    """Live an hour, slot by slot, each series with more values than a slot keeps."""
    records = _timers(monitor)
    for slot in range(HOUR // SLOT):
        chunk = values[slot * 7 :][:FULL_SLOT]
        for record in records:
            for value in chunk:
                record(value)
        monitor.metrics.flush()
        clock.advance(SLOT)
        monitor.metrics.flush()


def main(scenario: str) -> None:
    """Live the scenario and print the resident memory before, after, and the overflow."""
    values = dataset("lognormal", 20_000, seed=1)
    clock = FakeClock()
    monitor = Monitor(clock=clock, tick=False)
    monitor.metrics.use_ticks(ticking=True)
    # What the first reading imports belongs to the library, not to the series.
    monitor.metrics.timer("first").record(1.0)
    summary_body(monitor, "5m")
    gc.collect()
    before = resident()
    {"busy": busy, "full": full}[scenario](monitor, clock, values)
    gc.collect()
    print(json.dumps({"before": before, "after": resident()}))
    monitor.close()


if __name__ == "__main__":
    main(sys.argv[1])
