"""The breaker: when it opens, who may try, when it closes."""

from __future__ import annotations

import threading

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hhs_perf._breaker import Breaker
from hhs_perf.testing import FakeClock

REFUSED = ConnectionRefusedError("Connection refused")


def test_it_opens_at_the_first_failure(clock: FakeClock) -> None:
    breaker = Breaker(clock)
    assert breaker.is_closed
    clock.advance(5)
    breaker.failed(REFUSED)
    assert not breaker.is_closed
    report = breaker.report()
    assert (report.state, report.openings, report.failures) == ("open", 1, 1)
    assert report.since == report.last_error_at == clock.wall()
    assert report.last_error == "ConnectionRefusedError: Connection refused"


def test_only_failures_in_a_row_open_it(clock: FakeClock) -> None:
    breaker = Breaker(clock, failures=3)
    for _ in range(2):
        breaker.failed(REFUSED)
        breaker.failed(REFUSED)
        breaker.succeeded()
    assert breaker.is_closed
    for _ in range(3):
        breaker.failed(REFUSED)
    assert breaker.state == "open"


def test_one_caller_may_probe_when_the_pause_is_over(clock: FakeClock) -> None:
    breaker = Breaker(clock)
    assert not breaker.may_probe()
    assert breaker.probe_in() is None
    breaker.failed(REFUSED)
    assert breaker.probe_in() == pytest.approx(0.1)
    clock.advance(0.09)
    assert not breaker.may_probe()
    clock.advance(0.02)
    assert breaker.probe_in() == 0
    assert breaker.may_probe()
    assert breaker.state == "half_open"
    assert not breaker.is_closed
    assert not breaker.may_probe()


def test_a_successful_probe_closes_it_and_a_new_opening_starts_with_a_short_pause(
    clock: FakeClock,
) -> None:
    breaker = Breaker(clock)
    for _ in range(2):
        breaker.failed(REFUSED)
        clock.advance(0.1)
        assert breaker.may_probe()
        breaker.failed(REFUSED)
        clock.advance(0.2)
        assert breaker.may_probe()
        breaker.succeeded()
        assert breaker.is_closed
    assert breaker.report().openings == 2


def test_the_pause_doubles_up_to_its_limit(clock: FakeClock) -> None:
    breaker = Breaker(clock)
    breaker.failed(REFUSED)
    for pause in (0.1, 0.2, 0.4, 0.5, 0.5):
        assert breaker.probe_in() == pytest.approx(pause)
        clock.advance(pause + 1e-9)
        assert breaker.may_probe()
        breaker.failed(REFUSED)


def test_late_news_of_calls_that_began_before_the_opening_change_nothing(clock: FakeClock) -> None:
    breaker = Breaker(clock)
    breaker.failed(REFUSED)
    clock.advance(0.05)
    breaker.failed(TimeoutError("Timeout reading from socket"))
    breaker.succeeded()
    report = breaker.report()
    assert (report.state, report.openings, report.failures) == ("open", 1, 2)
    assert report.probe_in == pytest.approx(0.05)


def test_an_abandoned_probe_does_not_keep_it_open_for_ever(clock: FakeClock) -> None:
    breaker = Breaker(clock)
    breaker.failed(REFUSED)
    clock.advance(0.1)
    assert breaker.may_probe()
    clock.advance(1.9)
    assert not breaker.may_probe()
    clock.advance(0.2)
    assert breaker.may_probe()
    breaker.succeeded()
    assert breaker.is_closed


def test_changes_are_told_in_order_and_outside_of_the_lock(clock: FakeClock) -> None:
    told: list[str] = []

    def listen(state: str) -> None:
        told.append(f"{state} {breaker.report().state}")

    breaker = Breaker(clock, on_change=listen)
    breaker.failed(REFUSED)
    clock.advance(1)
    breaker.may_probe()
    breaker.succeeded()
    assert told == ["open open", "half_open half_open", "closed closed"]


def test_the_last_error_holds_no_password_and_is_short(clock: FakeClock) -> None:
    breaker = Breaker(clock)
    text = "redis://ops:s3cret@cache:6379/0 said no to password=s3cret " + "x" * 999
    breaker.failed(OSError(text))
    told = breaker.report().last_error
    assert told is not None
    assert "s3cret" not in told
    assert len(told) == 200


def test_of_many_threads_one_probes(clock: FakeClock) -> None:
    breaker = Breaker(clock)
    breaker.failed(REFUSED)
    clock.advance(1)
    start = threading.Barrier(16)
    probing: list[bool] = []

    def ask() -> None:
        start.wait()
        probing.append(breaker.may_probe())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(probing) == [False] * 15 + [True]


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls and times, beside a model without locks."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.told: list[str] = []
        self.breaker = Breaker(self.clock, failures=2, on_change=self.told.append)
        self.state = "closed"
        self.in_a_row = 0
        self.openings = 0
        self.pause = 0.0
        self.due = 0.0

    @rule(seconds=st.floats(0, 3))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def fail(self) -> None:
        self.in_a_row += 1
        if self.state == "half_open":
            self.pause = min(self.pause * 2, 0.5)
        elif self.state == "closed" and self.in_a_row >= 2:
            self.openings += 1
            self.pause = 0.1
        else:
            self.breaker.failed(REFUSED)
            return
        self.state, self.due = "open", self.clock.monotonic() + self.pause
        self.breaker.failed(REFUSED)

    @rule()
    def succeed(self) -> None:
        if self.state != "open":
            self.state, self.in_a_row = "closed", 0
        self.breaker.succeeded()

    @rule()
    def probe(self) -> None:
        expected = self.state != "closed" and self.clock.monotonic() >= self.due
        assert self.breaker.may_probe() is expected
        if expected:
            self.state, self.due = "half_open", self.clock.monotonic() + 2.0

    @precondition(lambda self: self.state != "closed")
    @rule()
    def recover(self) -> None:
        """Whatever came before, half a second of a healthy server closes it."""
        self.clock.advance(2.0 if self.state == "half_open" else 0.5)
        self.probe()
        self.succeed()
        assert self.breaker.is_closed

    @invariant()
    def agrees(self) -> None:
        report = self.breaker.report()
        assert (report.state, report.openings) == (self.state, self.openings)
        assert self.breaker.is_closed is (self.state == "closed")
        assert (report.probe_in is None) is (self.state == "closed")
        assert all(one != other for one, other in zip(self.told, self.told[1:], strict=False))


TestBreakerMachine = BreakerMachine.TestCase
