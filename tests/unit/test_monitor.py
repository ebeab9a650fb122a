from __future__ import annotations

import gc
import logging
import threading
import weakref
from typing import Any

import pytest

from hhs_perf import Monitor, QuantileObjective, Settings, Sla, hookimpl
from hhs_perf.exceptions import UnknownSlaError, UnknownWindowError
from hhs_perf.testing import FakeClock


class Listener:
    def __init__(self) -> None:
        self.slas: list[Any] = []
        self.alerts: list[Any] = []
        self.shutdowns = 0

    @hookimpl
    def hhs_perf_sla_changed(self, change: Any) -> None:
        self.slas.append((change.sla, change.previous, change.status))

    @hookimpl
    def hhs_perf_alert_changed(self, change: Any) -> None:
        self.alerts.append((change.alert.rule, change.state))

    @hookimpl
    def hhs_perf_shutdown(self) -> None:
        self.shutdowns += 1


def make(clock: FakeClock, *plugins: object, **environ: str) -> Monitor:
    return Monitor(
        Settings.from_env(environ),
        clock=clock,
        tick=False,
        plugins=plugins,
        installed_plugins=False,
    )


def test_changes_are_told_once_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    clock, listener = FakeClock(), Listener()
    monitor = make(clock, listener)
    with caplog.at_level(logging.INFO, "hhs_perf"):
        for _ in range(250):
            monitor.collectors.api.record("GET", "/", "uncached", 200, 2.5, clock.monotonic())
        for _ in range(3):
            monitor.advance()
    assert ("api-response-time", "unknown", "violated") in listener.slas
    assert len(listener.slas) == len(set(listener.slas))
    assert listener.alerts == [("api-latency-critical", "firing")]
    violated = [r for r in caplog.records if r.name == "hhs_perf.sla"]
    assert {r.levelname for r in violated} == {"WARNING"}
    assert len([r for r in caplog.records if r.name == "hhs_perf.alerts"]) == 1


def test_evaluating_changes_no_state() -> None:
    clock, listener = FakeClock(), Listener()
    monitor = make(clock, listener)
    for _ in range(250):
        monitor.collectors.api.record("GET", "/", "uncached", 200, 2.5, clock.monotonic())
    monitor.evaluate()
    assert listener.slas == []
    assert monitor.alerts.active() == ()


def test_one_sla_can_be_asked_for_by_name() -> None:
    monitor = make(FakeClock())
    (verdict,) = monitor.evaluate("cache-hit-rate")
    assert (verdict.name, verdict.status) == ("cache-hit-rate", "unknown")
    with pytest.raises(UnknownSlaError, match="api-response-time"):
        monitor.evaluate("api-respones-time")
    with pytest.raises(UnknownWindowError, match="5m, 1h, 24h"):
        monitor.evaluate(window="2h")


def test_an_sla_added_at_run_time_is_judged() -> None:
    clock = FakeClock()
    monitor = make(clock)
    timer = monitor.metrics.timer("report.build")
    objective = QuantileObjective(name="p95", metric="report.build", quantile=0.95, target=1.0)
    monitor.add_sla(Sla(name="reports", description="Reports", objectives=(objective,)))
    for _ in range(50):
        timer.record(0.2)
    assert monitor.evaluate("reports")[0].status == "met"


def test_a_read_advances_only_when_no_tick_has_for_too_long() -> None:
    clock, listener = FakeClock(), Listener()
    monitor = make(clock, listener)
    monitor.advance_if_overdue()
    for _ in range(250):
        monitor.collectors.api.record("GET", "/", "uncached", 200, 2.5, clock.monotonic())
    monitor.advance_if_overdue()
    assert listener.alerts == []
    clock.advance(15)
    monitor.advance_if_overdue()
    assert listener.alerts == [("api-latency-critical", "firing")]


def test_nothing_runs_before_start_nor_after_close() -> None:
    listener = Listener()
    before = threading.active_count()
    monitor = Monitor(plugins=[listener], installed_plugins=False)
    assert threading.active_count() == before
    monitor.ensure_started()
    assert threading.active_count() == before + 1
    monitor.close()
    monitor.close()
    assert threading.active_count() == before
    assert listener.shutdowns == 1
    monitor.metrics.timer("late").record(1.0)
    assert monitor.reader.read().timer("late").count == 1
    monitor.start()
    assert threading.active_count() == before + 1
    monitor.close()


def test_plugins_hear_of_the_first_close_alone() -> None:
    listener = Listener()
    monitor = make(FakeClock(), listener)
    monitor.close()
    monitor.start()
    monitor.close()
    assert listener.shutdowns == 1


def test_two_plugins_of_one_class_are_both_told() -> None:
    first, second = Listener(), Listener()
    monitor = make(FakeClock(), first, second)
    monitor.close()
    assert (first.shutdowns, second.shutdowns) == (1, 1)


def test_a_disabled_monitor_starts_nothing() -> None:
    monitor = Monitor(Settings.from_env({"HHS_PERF_ENABLED": "false"}), installed_plugins=False)
    before = threading.active_count()
    monitor.start()
    assert not monitor.is_enabled
    assert threading.active_count() == before


def test_a_monitor_nobody_closed_is_collected() -> None:
    monitor = Monitor(installed_plugins=False)
    monitor.start()
    gone = weakref.ref(monitor)
    del monitor
    gc.collect()
    assert gone() is None


def test_misspelt_variables_are_told(caplog: pytest.LogCaptureFixture) -> None:
    make(FakeClock(), HHS_PERF_MAXSERIES="3")
    assert "HHS_PERF_MAXSERIES means nothing" in caplog.text


def test_a_fault_is_counted_and_its_first_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    monitor = make(FakeClock())
    for _ in range(3):
        monitor.note_fault("request timing", RuntimeError("x"))
    assert monitor.faults == {"request timing: RuntimeError": 3}
    assert len(caplog.records) == 1


class Bad:
    @hookimpl
    def hhs_perf_register_slas(self) -> list[Any]:
        raise RuntimeError("no")


def test_failures_of_plugins_are_counted() -> None:
    monitor = make(FakeClock(), Bad())
    assert monitor.reader.read().count("plugin.errors", plugin="Bad") == 1
