"""Forks under threads that record: no child hangs, no sample is counted twice."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from hhs_perf._fork import renew_after_fork
from hhs_perf.metrics import LocalReader, Registry
from hhs_perf.testing import FakeClock

# Python 3.12 and newer warn of what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
FORKS = [
    pytest.param(20, id="20"),
    pytest.param(200, id="200", marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
]
CHILD_DEADLINE = 15


@pytest.fixture
def switching() -> Iterator[None]:
    """Let threads change places, and so be forked, at almost every bytecode."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_child(check: Callable[[], bool]) -> int:
    """Fork; give 0 when `check` holds in the child, 1 when not, else how the child ended.

    A child that hangs is ended by its own alarm, and shows as the negative signal number.
    """
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CHILD_DEADLINE)
        code = 2
        try:
            code = 0 if check() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Host:
    """A process with three threads that record, and one that flushes and creates series."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.registry.use_ticks(ticking=True)
        self.reader = LocalReader(self.registry)
        self.timer = self.registry.timer("t")
        self.counter = self.registry.counter("c")
        self.gauge = self.registry.gauge("g")
        self.recorded = [0, 0, 0]
        self._done = threading.Event()
        works = [lambda n=n: self._record(n) for n in range(3)]
        self._threads = [threading.Thread(target=work) for work in (*works, self._tick)]
        for thread in self._threads:
            thread.start()

    def _record(self, n: int) -> None:
        record, add = self.timer.record, self.counter.add
        while not self._done.is_set():
            record(1.0)
            add(1)
            self.gauge.add(1)
            self.recorded[n] += 1

    def _tick(self) -> None:
        created = 0
        while not self._done.is_set():
            self.reader.read("5m")
            created += 1
            self.registry.timer("created", n=str(created % 400))

    def stop(self) -> int:
        """End the threads; give how many values they recorded."""
        self._done.set()
        for thread in self._threads:
            thread.join(30)
        return sum(self.recorded)


def child_counts_its_own(host: Host, parents_boot: str) -> bool:
    """Record in the child, through what the parent bound and anew; read it back."""
    for _ in range(600):
        host.timer.record(2.0)
    host.counter.add(5)
    host.gauge.add(1)
    host.registry.timer("born here").record(1.0)
    snapshot = host.reader.read("5m")
    seen = snapshot.timer("t")
    return (
        (seen.count, seen.sum) == (600, 1200.0)
        and snapshot.count("c") == 5
        and snapshot.timer("created").count == 0
        and snapshot.timer("born here").count == 1
        and snapshot.gauges("g") == [({}, 1.0)]
        and host.reader.read("24h").timer("t").count == 600
        and host.reader.boot_id != parents_boot
    )


@pytest.mark.usefixtures("switching")
@pytest.mark.parametrize("forks", FORKS)
def test_no_child_hangs_and_none_counts_what_its_parent_saw(forks: int) -> None:
    host = Host()
    try:
        boot = host.reader.boot_id
        ends = [in_child(lambda: child_counts_its_own(host, boot)) for _ in range(forks)]
    finally:
        recorded = host.stop()
    assert ends == [0] * forks
    snapshot = host.reader.read("1h")
    seen = snapshot.timer("t")
    assert (seen.count, seen.sum) == (recorded, float(recorded))
    assert snapshot.count("c") == recorded
    assert host.reader.boot_id == boot


def test_a_fork_while_the_locks_are_held_leaves_the_child_free() -> None:
    """Whoever held them lives in the parent only."""
    registry = Registry()
    gauge = registry.gauge("g")
    timer = registry.timer("t")
    timer.record(1.0)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with registry.lock, registry._creating, gauge._lock:
            held.set()
            release.wait(30)

    def check() -> bool:
        timer.record(1.0)
        gauge.set(1)
        registry.timer("new").record(1.0)
        return LocalReader(registry).read().timer("t").count == 1

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(30)
        assert in_child(check) == 0
    finally:
        release.set()
        holder.join(30)


def test_a_child_forgets_closed_slots_buffers_and_refusals(clock: FakeClock) -> None:
    registry = Registry(clock=clock, max_series=2)
    registry.count_at("t", [("<", 1.0)])
    timer, counter = registry.timer("t"), registry.counter("c")
    registry.timer("refused")
    for _ in range(20):
        timer.record(0.5)
        counter.add(-1)
        clock.advance(30)
    timer.record(0.5)
    reader = LocalReader(registry)
    clock.advance(4)

    def check() -> bool:
        empty = reader.read("24h")
        timer.record(0.5)
        one = reader.read("24h").timer("t")
        return (
            not empty.timers("t")
            and counter.rejected == 0
            and registry.refused == {}
            and empty.since == clock.wall()
            and registry.thresholds("t") == (("<", 1.0),)
            and one.count == 1
        )

    assert in_child(check) == 0
    assert reader.read("24h").timer("t").count == 21
    assert counter.rejected == 20
    assert registry.refused == {"other.timer": 1}


def test_a_grandchild_is_its_own_process_too(clock: FakeClock) -> None:
    registry = Registry(clock=clock)
    timer, reader = registry.timer("t"), LocalReader(registry)
    timer.record(1.0)

    def grandchild() -> bool:
        timer.record(1.0)
        return reader.read().timer("t").count == 1

    def child() -> bool:
        timer.record(1.0)
        timer.record(1.0)
        return in_child(grandchild) == 0 and reader.read().timer("t").count == 2

    assert in_child(child) == 0


def test_what_was_dropped_is_not_renewed() -> None:
    class Thing:
        renewed = 0

        def after_fork_in_child(self) -> None:
            Thing.renewed += 1

    kept, dropped = Thing(), Thing()
    renew_after_fork(kept)
    renew_after_fork(dropped)
    gone = weakref.ref(dropped)
    del dropped
    gc.collect()
    assert gone() is None
    assert in_child(lambda: Thing.renewed == 1) == 0
    assert Thing.renewed == 0
