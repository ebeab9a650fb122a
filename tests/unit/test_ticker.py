from __future__ import annotations

import gc
import logging
import os
import threading

import pytest

from hhs_perf._faults import Faults
from hhs_perf._ticker import Ticker


class Owner:
    def __init__(self, fail: bool = False) -> None:
        self.ticks = 0
        self.fail = fail
        self.ticked = threading.Semaphore(0)
        self.faults = Faults()
        self.ticker = Ticker(self.tick, 0.005, "test-tick", self.faults)

    def tick(self) -> None:
        self.ticks += 1
        self.ticked.release()
        if self.fail:
            raise RuntimeError("tick")


def test_ticks_until_stopped() -> None:
    owner = Owner()
    assert not owner.ticker.is_running
    owner.ticker.start()
    owner.ticker.start()
    for _ in range(3):
        assert owner.ticked.acquire(timeout=5)
    assert sum(t.name == "test-tick" for t in threading.enumerate()) == 1
    owner.ticker.stop()
    assert not owner.ticker.is_running
    owner.ticker.start()
    assert owner.ticked.acquire(timeout=5)
    owner.ticker.stop()


def test_a_failing_tick_is_logged_once_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    owner = Owner(fail=True)
    with caplog.at_level(logging.ERROR, "hhs_perf"):
        owner.ticker.start()
        for _ in range(3):
            assert owner.ticked.acquire(timeout=5)
        owner.ticker.stop()
    assert len(caplog.records) == 1
    assert owner.faults.counts["the tick: RuntimeError"] >= 3


def test_an_owner_nobody_closed_takes_its_thread_along() -> None:
    owner = Owner()
    owner.ticker.start()
    thread = next(t for t in threading.enumerate() if t.name == "test-tick")
    del owner
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_ticks_too() -> None:
    owner = Owner()
    owner.ticker.start()
    assert owner.ticked.acquire(timeout=5)
    child = os.fork()
    if child == 0:
        owner.ticks = 0
        owner.ticked = threading.Semaphore(0)
        os._exit(0 if owner.ticked.acquire(timeout=5) else 1)
    _, status = os.waitpid(child, 0)
    owner.ticker.stop()
    assert os.waitstatus_to_exitcode(status) == 0
