"""Threads that record while others read: nothing is lost, torn or held up."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hhs_perf.metrics import LocalReader, Registry

WRITERS = 4
PATIENCE = 45.0
RECORDS = [
    pytest.param(200_000, id="200000"),
    pytest.param(1_000_000, id="1000000", marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
]


@pytest.fixture(autouse=True)
def _switching() -> Iterator[None]:
    """Let threads change places at almost every bytecode."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Crew:
    """Threads that are started together, and whose errors are raised where they are joined."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def add(self, work: Callable[[], None]) -> None:
        """Start a thread that does `work`."""

        def run() -> None:
            try:
                work()
            except BaseException as error:
                self._errors.append(error)

        # Daemons: threads that hang fail the test, they don't keep the run from ending.
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self, patience: float = PATIENCE) -> None:
        """Wait for all; raise the first error, or when one hangs."""
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            assert not thread.is_alive(), "a thread hangs"
        if self._errors:
            raise self._errors[0]


@pytest.mark.parametrize("ticking", [True, False], ids=["ticking", "no tick"])
@pytest.mark.parametrize("records", RECORDS)
def test_nothing_is_lost_while_snapshots_are_read(records: int, ticking: bool) -> None:
    registry = Registry()
    registry.count_at("t", [("<=", 0.5)])
    registry.use_ticks(ticking=ticking)
    timer, counter, reader = registry.timer("t"), registry.counter("c"), LocalReader(registry)
    each = records // WRITERS
    done = threading.Event()

    def write() -> None:
        record, add = timer.record, counter.add
        for _ in range(each):
            record(0.5)
        for _ in range(each // 10):
            add(1)

    def read() -> None:
        while not done.is_set():
            seen = reader.read("5m").timer("t")
            assert seen.count <= records
            registry.flush()

    writers, readers = Crew(), Crew()
    readers.add(read)
    readers.add(read)
    for _ in range(WRITERS):
        writers.add(write)
    try:
        writers.join()
    finally:
        done.set()
    readers.join()
    snapshot = reader.read("1h")
    seen = snapshot.timer("t")
    holding = seen.holding(("<=", 0.5))
    assert (seen.count, seen.sum, seen.rejected) == (records, records / 2, 0)
    assert holding is not None
    assert (holding.holding, holding.of) == (records, records)
    assert snapshot.count("c") == records // 10 // WRITERS * WRITERS


def test_no_snapshot_of_two_thousand_is_torn() -> None:
    """Count, sum, exact counters, tail and digest are of one moment."""
    registry = Registry()
    registry.count_at("t", [("<", 1.0), ("<=", 1.0)])
    registry.use_ticks(ticking=True)
    timer, reader = registry.timer("t"), LocalReader(registry)
    done = threading.Event()

    def write() -> None:
        record = timer.record
        while not done.is_set():
            for _ in range(50):
                record(1.0)
            time.sleep(0)  # gives way; without it the readers get no turn at this interval

    def flush() -> None:
        while not done.is_set():
            registry.flush()

    crew = Crew()
    crew.add(flush)
    for _ in range(WRITERS):
        crew.add(write)
    torn = 0
    last = 0
    try:
        for _ in range(2_000):
            seen = reader.read("5m").timer("t")
            at_most, below = seen.holding(("<=", 1.0)), seen.holding(("<", 1.0))
            figures = {seen.count, seen.sum}
            if seen.count and at_most is not None and below is not None:
                figures |= {at_most.holding, at_most.of, below.of - below.holding}
            if seen.digest is not None:
                figures.add(sum(seen.digest.centroids()[1]))
            torn += len(figures) != 1 or seen.count < last
            last = seen.count
    finally:
        done.set()
    crew.join()
    assert torn == 0
    assert last > 2_000


def test_series_created_by_many_threads_at_once_are_one_each() -> None:
    registry = Registry(max_series_per_instrument=40)
    start = threading.Barrier(WRITERS)

    def create() -> None:
        start.wait(PATIENCE)
        for n in range(60):
            registry.timer("t", n=str(n)).record(1.0)
            registry.counter("c", n=str(n % 5)).add(1)

    crew = Crew()
    for _ in range(WRITERS):
        crew.add(create)
    crew.join()
    snapshot = LocalReader(registry).read()
    assert snapshot.timer("t").count == 60 * WRITERS
    assert snapshot.count("c") == 60 * WRITERS
    assert len(snapshot.timers("t")) == 41
    assert registry.refused == {"t": 20 * WRITERS}
    assert registry._sizes == {"t": 41, "c": 5}


@pytest.mark.parametrize("ticking", [True, False], ids=["ticking", "no tick"])
def test_recording_waits_for_no_reader(ticking: bool) -> None:
    """A reader that is stopped in the midst of its snapshot stops nobody."""
    registry = Registry()
    registry.use_ticks(ticking=ticking)
    timer, counter, gauge = registry.timer("t"), registry.counter("c"), registry.gauge("g")

    def write() -> None:
        for n in range(3_000):
            timer.record(1.0)
            counter.add(1)
            gauge.set(n)
            registry.timer("new", n=str(n % 7)).record(1.0)

    crew = Crew()
    with registry.lock:
        crew.add(write)
        crew.join(10)
    snapshot = LocalReader(registry).read()
    assert snapshot.timer("t").count == snapshot.timer("new").count == 3_000
    assert snapshot.count("c") == 3_000


def test_gauges_moved_by_many_threads_lose_no_move() -> None:
    gauge = Registry().gauge("in flight")

    def move() -> None:
        for _ in range(5_000):
            gauge.add(1)
            gauge.add(2)
            gauge.add(-2)

    crew = Crew()
    for _ in range(WRITERS):
        crew.add(move)
    crew.join()
    assert gauge.value == 5_000 * WRITERS
