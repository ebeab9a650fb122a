"""Application factories and test clients make many registries: nothing of them stays."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref

import pytest

from hhs_perf import _fork
from hhs_perf.metrics import Gauge, LocalReader, Registry, Timer
from hhs_perf.testing import FakeClock


def use(registry: Registry, clock: FakeClock) -> None:
    """Do what an application does with its registry."""
    reader = LocalReader(registry)
    registry.use_ticks(ticking=True)
    registry.count_at("t", [("<", 0.5)])

    @registry.timer("t", of="decorator").timed
    def work() -> None: ...

    for n in range(20):
        work()
        with registry.timer("t", n=str(n)).time():
            clock.advance(30)
        for _ in range(300):
            registry.timer("t", n="busy").record(0.1)
        registry.counter("c").add(1)
        registry.gauge("g").set(n)
        reader.read("1h").timer("t")


def test_dropped_registries_leave_nothing(clock: FakeClock) -> None:
    gc.collect()
    aware, threads = len(_fork._AWARE), threading.active_count()
    dropped: list[weakref.ref[Registry | Timer | Gauge]] = []
    for _ in range(20):
        registry = Registry(clock=clock)
        use(registry, clock)
        dropped += [
            weakref.ref(registry),
            weakref.ref(registry.timer("t", n="busy")),
            weakref.ref(registry.gauge("g")),
        ]
        del registry
    gc.collect()
    assert [gone() for gone in dropped] == [None] * len(dropped)
    assert len(_fork._AWARE) == aware
    assert threading.active_count() == threads


def test_a_kept_record_does_not_keep_a_dropped_registry_from_working(clock: FakeClock) -> None:
    """Code that outlives its application records into the void, without an error."""
    registry = Registry(clock=clock)
    record = registry.timer("t").record
    gone = weakref.ref(registry)
    del registry
    gc.collect()
    for _ in range(2_000):
        record(0.1)
    del record
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("ticking", [True, False], ids=["ticking", "no tick"])
def test_memory_does_not_grow_with_what_is_recorded(clock: FakeClock, ticking: bool) -> None:
    """A series at 3 days of 3 busy slots an hour is as large as after 30 hours."""
    registry = Registry(clock=clock)
    registry.use_ticks(ticking=ticking)
    timer = registry.timer("t")

    def pass_hours(hours: int) -> None:
        for n in range(3 * hours):
            for value in range(300):
                timer.record(value / 100 + n % 7)
            clock.advance(1_200)
            registry.flush()

    pass_hours(30)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        pass_hours(72)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 40_000  # what was allocated in place of the untraced slots before
