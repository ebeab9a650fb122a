"""Fill a monitor with many series, the way a busy application does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.scenarios import dataset
from hhs_perf import Monitor
from hhs_perf.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

SLOT_SECONDS: Final = 30
SLOTS: Final = 10


class Filled:
    """A monitor with ``series`` timer series, half of them routes and half statements."""

    def __init__(self, series: int) -> None:
        """Make the monitor, with default settings, and bind its series."""
        self.clock = FakeClock()
        self.monitor = Monitor(clock=self.clock)
        self.monitor.start()
        metrics = self.monitor.metrics
        self._records: list[Callable[[float], None]] = []
        self._answered: list[Callable[[float], None]] = []
        self._values: list[float] = []
        for route, statement in labels(series):
            tags = {"method": "GET", "route": route, "kind": "uncached"}
            self._records.append(metrics.timer("http.server.request.duration", **tags).record)
            tags["class"] = "2xx"
            self._answered.append(metrics.counter("http.server.responses", **tags).add)
            self._records.append(metrics.timer("db.query.duration", statement=statement).record)

    def observe(self, values: list[float]) -> None:
        """Let every series take all the values."""
        for record in self._records:
            for value in values:
                record(value)
        for add in self._answered:
            add(len(values))
        self.monitor.metrics.flush()

    def spread(self, count: int) -> None:
        """Let every series take ``count`` values, evenly over the five minutes up to now."""
        self._values = dataset("lognormal", count, seed=1)
        share = count // SLOTS
        for slot in range(SLOTS):
            if slot:
                self.clock.advance(SLOT_SECONDS)
                self.monitor.metrics.flush()
            self.observe(self._values[slot * share : (slot + 1) * share])

    def live_on(self) -> None:
        """Let a third of a slot go by, and each series take its share of values, one at least.

        Whoever reads next finds everything changed: no answer can be one remembered, and one time
        in three a slot has closed.
        """
        self.clock.advance(SLOT_SECONDS / 3)
        self.monitor.metrics.flush()
        self.observe(self._values[: max(1, len(self._values) // (3 * SLOTS))])

    def close(self) -> None:
        """Close the monitor."""
        self.monitor.close()


def labels(series: int) -> list[tuple[str, str]]:
    """Return pairs of a route and a statement, two series each."""
    return [
        (f"/api/v1/accounts/{{account}}/things{n}/{{thing}}", f"SELECT things{n} WHERE id = ?")
        for n in range(series // 2)
    ]
