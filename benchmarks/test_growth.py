"""Whether a request gets dearer as the process grows old."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from benchmarks import _hosts
from benchmarks._drive import AsgiDriver, WsgiDriver
from benchmarks.conftest import Peer
from hhs_perf import Monitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.conftest import Bench

    Driver = WsgiDriver | AsgiDriver

YOUNG: Final = 100
OLD: Final = 100_000
REQUESTS: Final = 300


def _wsgi(monitor: Monitor) -> WsgiDriver:
    return WsgiDriver(_hosts.flask_ours(monitor))


def _asgi(monitor: Monitor) -> AsgiDriver:
    return AsgiDriver(_hosts.fastapi_ours(monitor))


class _Host:
    """A host application with its monitor, which can be replaced by a young one."""

    def __init__(self, make: Callable[[Monitor], Driver], age: int) -> None:
        self._make = make
        self._age = age
        self.monitor: Monitor | None = None
        self.driver: Driver | None = None

    def renew(self) -> None:
        """Close what there was and age a new host."""
        self.close()
        self.monitor = Monitor.from_env({})
        self.driver = self._make(self.monitor)
        self.driver(self._age)
        self.monitor.metrics.flush()

    def batch(self) -> None:
        """Send the measured requests and flush what they left."""
        assert self.monitor is not None
        assert self.driver is not None
        self.driver(REQUESTS)
        self.monitor.metrics.flush()

    def close(self) -> None:
        """Close the monitor and the driver."""
        if self.monitor is not None:
            self.monitor.close()
        if self.driver is not None:
            self.driver.close()


@pytest.mark.parametrize(("framework", "make"), [("Flask", _wsgi), ("FastAPI", _asgi)])
def test_request_cost_stays_flat(
    bench: Bench, framework: str, make: Callable[[Monitor], Driver]
) -> None:
    """A request after 100,000 costs what one costs after 100, within 3 %."""
    young, old = _Host(make, YOUNG), _Host(make, OLD)
    old.renew()
    try:
        bench.compare(
            f"{framework} request after {OLD:,} requests, whole",
            old.batch,
            {f"the same after {YOUNG}": Peer(run=young.batch, bound=1.03)},
            unit="us",
            operations=REQUESTS,
            rounds=60,
            prepare={f"the same after {YOUNG}": young.renew},
        )
    finally:
        young.close()
        old.close()
