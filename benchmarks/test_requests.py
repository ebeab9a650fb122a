"""What timing adds to a request, in CPU, above the bare application."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from benchmarks import _hosts
from benchmarks._drive import AsgiDriver, WsgiDriver
from benchmarks.conftest import PEDANTIC, Peer
from hhs_perf import Monitor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.conftest import Bench

REQUESTS: Final = 300
ROUNDS: Final = 60


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    """Yield a monitor with default settings."""
    made = Monitor.from_env({})
    yield made
    made.close()


def _with_flush(driver: Callable[[int], None], monitor: Monitor) -> Callable[[], None]:
    """Return a batch of requests followed by the flush that they caused."""

    def batch() -> None:
        driver(REQUESTS)
        monitor.metrics.flush()

    return batch


def _assert_all_were_timed(monitor: Monitor) -> None:
    """A timer that misses requests is cheap: all rounds must be there, warm-up included."""
    snapshot = monitor.reader.read("5m")
    [(tags, seen)] = snapshot.timers("http.server.request.duration")
    assert tags["route"].startswith("/items/")
    assert seen.count == (ROUNDS + 1 + PEDANTIC) * REQUESTS


def test_flask(bench: Bench, monitor: Monitor) -> None:
    """Flask pays a third of what prometheus-flask-exporter asks, grouped either way."""
    by_path = WsgiDriver(_hosts.flask_exporter("path"))
    by_rule = WsgiDriver(_hosts.flask_exporter("url_rule"))
    bench.compare(
        "added to a Flask request",
        _with_flush(WsgiDriver(_hosts.flask_ours(monitor)), monitor),
        {
            "prometheus-flask-exporter": Peer(run=partial(by_path, REQUESTS), bound=1 / 3),
            "prometheus-flask-exporter group_by=url_rule": Peer(
                run=partial(by_rule, REQUESTS), bound=1 / 3
            ),
        },
        unit="us",
        operations=REQUESTS,
        rounds=ROUNDS,
        base=partial(WsgiDriver(_hosts.flask_bare()), REQUESTS),
    )
    _assert_all_were_timed(monitor)


def test_fastapi(bench: Bench, monitor: Monitor) -> None:
    """FastAPI pays a fifth of the instrumentator and a fifteenth of a BaseHTTPMiddleware."""
    other = Monitor.from_env({})
    drivers = [
        AsgiDriver(app)
        for app in (
            _hosts.fastapi_bare(),
            _hosts.fastapi_ours(monitor),
            _hosts.fastapi_instrumentator(),
            _hosts.fastapi_instrumentator(latency_only=True),
            _hosts.fastapi_base_middleware(other),
        )
    ]
    bare, ours, default, latency, middleware = drivers
    try:
        bench.compare(
            "added to a FastAPI request",
            _with_flush(ours, monitor),
            {
                "prometheus-fastapi-instrumentator": Peer(
                    run=partial(default, REQUESTS), bound=1 / 5
                ),
                "prometheus-fastapi-instrumentator, latency alone": Peer(
                    run=partial(latency, REQUESTS), bound=None
                ),
                "the same job in BaseHTTPMiddleware": Peer(
                    run=_with_flush(middleware, other), bound=1 / 15
                ),
            },
            unit="us",
            operations=REQUESTS,
            rounds=ROUNDS,
            base=partial(bare, REQUESTS),
        )
        _assert_all_were_timed(monitor)
    finally:
        other.close()
        for driver in drivers:
            driver.close()
