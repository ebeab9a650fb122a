"""What one observation costs: ours, prometheus_client and OpenTelemetry on the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, Histogram

from benchmarks.conftest import Peer
from benchmarks.scenarios import dataset
from hhs_perf import Monitor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.conftest import Bench

VALUES: Final = 10_000
# Turns of like length: what a turn pays to find cold caches must not weigh more in a short one.
OUR_PASSES: Final = 10
BUSY: Final = 1_000
CALM: Final = 100
NAME: Final = "http.server.request.duration"
TAGS: Final = {"method": "GET", "route": "/items/{item}"}
KIND: Final = "uncached"  # a third tag, ours alone


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    """Yield a started monitor with default settings: its SLAs and alerts watch the timer."""
    made = Monitor.from_env({})
    made.start()
    yield made
    made.close()


@pytest.fixture
def histogram() -> Histogram:
    """Return a prometheus histogram with the same two labels and its default buckets."""
    return Histogram("duration", "seconds", ["method", "route"], registry=CollectorRegistry())


@pytest.fixture(scope="module")
def values() -> list[float]:
    """Return the values that all record."""
    return dataset("lognormal", VALUES, seed=1)


@pytest.mark.parametrize(
    ("flush_every", "by_prometheus", "by_opentelemetry"), [(BUSY, 0.10, 0.02), (CALM, None, None)]
)
def test_record(
    bench: Bench,
    monitor: Monitor,
    histogram: Histogram,
    values: list[float],
    flush_every: int,
    by_prometheus: float | None,
    by_opentelemetry: float | None,
) -> None:
    """Recording, flush included, costs a tenth of prometheus and a fiftieth of OpenTelemetry.

    A flush comes each second; a series that takes 1,000 observations a second is judged, one that
    takes 100 is shown: there the fixed cost of a flush falls on fewer.
    """
    metrics = monitor.metrics
    record = metrics.timer(NAME, **TAGS, kind=KIND).record
    chunks = [values[at : at + flush_every] for at in range(0, VALUES, flush_every)]
    provider = MeterProvider(metric_readers=[InMemoryMetricReader()])
    otel = provider.get_meter("bench").create_histogram(NAME, "s")
    method, route = TAGS["method"], TAGS["route"]

    def ours() -> None:
        for _ in range(OUR_PASSES):
            for chunk in chunks:
                for value in chunk:
                    record(value)
                metrics.flush()

    def prometheus() -> None:
        labels = histogram.labels
        for value in values:
            labels(method, route).observe(value)

    def opentelemetry() -> None:
        for value in values:
            otel.record(value, TAGS)

    try:
        bench.compare(
            f"record one value, tags bound, a flush for each {flush_every:,} included",
            ours,
            {
                "prometheus_client labels().observe()": Peer(
                    run=prometheus, bound=by_prometheus, operations=VALUES
                ),
                "OpenTelemetry record(attributes)": Peer(
                    run=opentelemetry, bound=by_opentelemetry, operations=VALUES
                ),
            },
            unit="ns",
            operations=OUR_PASSES * VALUES,
        )
    finally:
        provider.shutdown()


def test_decorator(bench: Bench, monitor: Monitor, histogram: Histogram) -> None:
    """A timed call costs a fifth of a call under `@Histogram.time()`."""
    metrics = monitor.metrics

    def work() -> None:
        pass

    timed = metrics.timer("bench.call", **TAGS).timed(work)
    observed = histogram.labels(*TAGS.values()).time()(work)

    def ours() -> None:
        for _ in range(OUR_PASSES):
            _call(timed)
            metrics.flush()

    def bare() -> None:
        for _ in range(OUR_PASSES):
            _call(work)

    peer = Peer(run=lambda: _call(observed), bound=0.2, operations=VALUES)
    bench.compare(
        "call a timed function, flush included",
        ours,
        {"prometheus_client @Histogram.time()": peer},
        unit="ns",
        operations=OUR_PASSES * VALUES,
        base=bare,
    )


def _call(function: Callable[[], None]) -> None:
    for _ in range(VALUES):
        function()
