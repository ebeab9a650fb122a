"""Changes of status: each is told and logged once."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from hhs_perf.sla import QuantileObjective, Sla, SlaChange, SlaTracker

from .conftest import Host

SLA = Sla(
    name="latency",
    objectives=(
        QuantileObjective(name="p50", metric="work", quantile=0.5, target=0.5, window="5m"),
        QuantileObjective(name="p95", metric="work", quantile=0.95, target=1.0, window="5m"),
    ),
)


def advance(tracker: SlaTracker, host: Host, fast: float, slow: float) -> list[SlaChange]:
    """Judge 100 observations, 90 `fast` and 10 `slow` ones, with all earlier ones gone."""
    host.clock.advance(600)
    host.record([fast] * 90 + [slow] * 10)
    return tracker.advance([host.judge(SLA)], host.clock.wall())


def told(changes: list[SlaChange]) -> list[tuple[str | None, str, str]]:
    return [(change.objective, change.previous, change.status) for change in changes]


def test_each_change_of_an_sla_is_told_once(host: Host) -> None:
    tracker = SlaTracker()
    assert told(advance(tracker, host, 0.1, 0.1)) == [(None, "unknown", "met")]
    assert told(advance(tracker, host, 0.1, 0.1)) == []
    assert told(advance(tracker, host, 0.1, 0.9)) == [(None, "met", "warning")]
    assert told(advance(tracker, host, 0.1, 1.5)) == [(None, "warning", "violated")]
    assert told(advance(tracker, host, 0.1, 1.5)) == []
    assert told(advance(tracker, host, 0.1, 0.1)) == [(None, "violated", "met")]


def test_objective_is_told_of_while_the_sla_stays_as_it_was(host: Host) -> None:
    tracker = SlaTracker()
    advance(tracker, host, 0.1, 1.5)
    assert told(advance(tracker, host, 0.6, 1.5)) == [("p50", "met", "violated")]
    assert told(advance(tracker, host, 0.6, 0.6)) == [("p95", "violated", "met")]


def test_first_evaluation_to_unknown_is_no_change(host: Host) -> None:
    tracker = SlaTracker()
    verdict = host.judge(SLA)
    assert verdict.status == "unknown"
    assert tracker.advance([verdict], host.clock.wall()) == []


def test_loss_of_data_is_a_change(host: Host) -> None:
    tracker = SlaTracker()
    advance(tracker, host, 0.1, 0.1)
    host.clock.advance(2 * 86_400)
    (change,) = tracker.advance([host.judge(SLA)], host.clock.wall())
    assert (change.previous, change.status, change.at) == ("met", "unknown", host.clock.wall())
    assert change.sla == change.verdict.name == "latency"


def test_late_verdicts_change_nothing(host: Host) -> None:
    tracker = SlaTracker()
    before = host.judge(SLA)
    advance(tracker, host, 0.1, 0.1)
    assert tracker.advance([before], host.clock.wall() - 1) == []
    assert told(advance(tracker, host, 0.1, 0.1)) == []


def test_changes_are_logged_with_what_decided_them(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "hhs_perf")
    tracker = SlaTracker()
    for fast, slow in ((0.1, 0.1), (0.1, 0.9), (0.1, 1.5), (0.6, 1.5), (0.6, 1.5)):
        advance(tracker, host, fast, slow)
    host.clock.advance(2 * 86_400)
    tracker.advance([host.judge(SLA)], host.clock.wall())
    assert {record.name for record in caplog.records} == {"hhs_perf.sla"}
    assert [(r.levelno, r.previous, r.status, r.objectives) for r in caplog.records] == [
        (logging.INFO, "unknown", "met", ["p50", "p95"]),
        (logging.INFO, "met", "warning", ["p95"]),
        (logging.WARNING, "warning", "violated", ["p95"]),
        (logging.WARNING, "met", "violated", ["p50"]),
        (logging.INFO, "violated", "unknown", ["p50", "p95"]),
    ]
    violated = caplog.records[2]
    assert violated.getMessage() == (
        "SLA latency is violated, was warning: p95 is 1.5, target < 1 over 5m"
    )
    expected = {"sla": "latency", "objective": "p95", "value": 1.5, "target": 1.0, "unit": "s"}
    expected |= {"window": "5m", "samples": 100}
    assert expected.items() <= vars(violated).items()


def test_concurrent_advances_tell_each_change_once(host: Host) -> None:
    tracker = SlaTracker()
    host.record([0.1] * 100)
    verdict = host.judge(SLA)
    now = host.clock.wall()
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda _: tracker.advance([verdict], now), range(100))
        assert sum(len(changes) for changes in found) == 1


def test_child_tells_all_anew(host: Host) -> None:
    tracker = SlaTracker()
    advance(tracker, host, 0.1, 0.1)
    verdict = host.judge(SLA)
    with tracker._lock:
        child = os.fork()
        if not child:
            changes = tracker.advance([verdict], host.clock.wall())
            os._exit(0 if told(changes) == [(None, "unknown", "met")] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert tracker.advance([verdict], host.clock.wall()) == []
