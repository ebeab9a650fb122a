"""Finalizers run wherever Python likes, also under our locks: they may record there."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from hhs_perf.metrics import LocalReader, Registry
from hhs_perf.testing import FakeClock


def ends(work: Callable[[], None]) -> bool:
    """Tell whether `work` ends; a deadlock holds up a thread of its own, not the run."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    return not thread.is_alive()


def leave_garbage(work: Callable[[], None]) -> None:
    """Make a cycle whose finalizer does `work`, and collect it here and now."""

    class Finalized:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            work()

    Finalized()
    gc.collect()


class Collecting:
    """A number whose conversion, in the midst of a flush, sets off a garbage collection."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work

    def __float__(self) -> float:
        leave_garbage(self._work)
        return 1.0


class CollectingClock(FakeClock):
    """A clock whose next reading sets off a garbage collection."""

    def __init__(self) -> None:
        super().__init__()
        self.work: Callable[[], None] | None = None

    def monotonic(self) -> float:
        """Collect, once, then read."""
        work, self.work = self.work, None
        if work:
            leave_garbage(work)
        return super().monotonic()


@pytest.mark.parametrize("ticking", [True, False], ids=["ticking", "no tick"])
def test_a_finalizer_may_record_while_a_flush_is_under_way(clock: FakeClock, ticking: bool) -> None:
    registry = Registry(clock=clock)
    registry.use_ticks(ticking=ticking)
    timer, counter = registry.timer("t"), registry.counter("c")

    def finalize() -> None:
        for _ in range(600):  # more than a buffer takes without asking for a flush
            timer.record(1.0)
            counter.add(1)
        registry.timer("new", by="finalizer").record(1.0)
        registry.flush_if_free()

    timer.record(cast("float", Collecting(finalize)))
    assert ends(registry.flush)
    snapshot = LocalReader(registry).read()
    assert snapshot.count("c") % 600 == 0
    collections = int(snapshot.count("c")) // 600
    assert collections >= 1
    assert snapshot.timer("t").count == 1 + 600 * collections
    assert snapshot.timer("new").count == collections


def test_a_finalizer_may_create_series_while_one_is_created() -> None:
    """Even the very series under creation: both get the same."""
    clock = CollectingClock()
    registry = Registry(clock=clock)
    made = []

    def finalize() -> None:
        registry.timer("t", n="1").record(1.0)
        registry.counter("c").add(1)

    def create() -> None:
        clock.work = finalize
        made.append(registry.timer("t", n="1"))
        made[0].record(2.0)

    assert ends(create)
    snapshot = LocalReader(registry).read()
    assert made == [registry.timer("t", n="1")]
    assert snapshot.timer("t").count == 2
    assert snapshot.count("c") == 1
    assert registry._sizes == {"t": 1, "c": 1}


def test_a_finalizer_may_revive_a_series_while_one_is_created() -> None:
    """Its record asks for a flush, which adopts what was forgotten, under the same lock."""
    clock = CollectingClock()
    registry = Registry(clock=clock)
    kept = registry.timer("kept")
    clock.advance(100_000)
    registry.flush()
    assert len(registry) == 0

    def finalize() -> None:
        clock.advance(30)
        kept.record(1.0)
        kept.record(1.0)
        registry.flush_if_free()

    def create() -> None:
        clock.work = finalize
        registry.timer("new").record(1.0)

    assert ends(create)
    assert LocalReader(registry).read().timer("kept").count == 2


def test_a_finalizer_may_move_the_gauge_that_is_being_moved(clock: FakeClock) -> None:
    gauge = Registry(clock=clock).gauge("g")

    class Change(float):
        def __add__(self, other: float) -> float:
            gauge.add(10)
            return float(self) + other

        __radd__ = __add__

    def move() -> None:
        gauge.set(cast("float", Collecting(lambda: gauge.add(10))))
        with gauge._lock:  # where add() stands between its reading and its writing
            gauge.add(1)

    assert ends(move)
    assert gauge.value == 2.0


@pytest.fixture
def eager_gc() -> Iterator[None]:
    """Collect garbage at almost every allocation."""
    before = gc.get_threshold()
    gc.set_threshold(5, 2, 2)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("eager_gc")
def test_finalizers_all_over_the_place_lose_nothing(clock: FakeClock) -> None:
    registry = Registry(clock=clock)
    timer, reader = registry.timer("t"), LocalReader(registry)
    finalized = 0

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            nonlocal finalized
            finalized += 1
            timer.record(1.0)
            registry.counter("finalized", n=str(finalized % 50)).add(1)

    def work() -> None:
        for n in range(1_500):
            Cycle()
            timer.record(1.0)
            if n % 5 == 0:
                clock.advance(7)
                reader.read("1h").timer("t")

    assert ends(work)
    gc.collect()
    snapshot = reader.read("1h")
    assert finalized == 1_500
    assert snapshot.timer("t").count == 3_000
    assert snapshot.count("finalized") == 1_500
