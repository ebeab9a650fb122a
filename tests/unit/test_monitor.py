from __future__ import annotations

import gc
import logging
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from hhs_perf import (
    ConfigurationError,
    Monitor,
    QuantileObjective,
    Settings,
    Sla,
    hookimpl,
)
from hhs_perf.collectors import api
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


def test_mistakes_of_settings_and_files_come_in_one_error(tmp_path: Path) -> None:
    config, slas = tmp_path / "perf.toml", tmp_path / "sla.toml"
    config.write_text(
        "[settings]\nHHS_PERF_MAXSERIES = 1\n[sla.api-response-time.p95]\ntarget = -1\n"
    )
    slas.write_text("[alerts.api-latency-warning]\nthreshold = 'x'\n")
    environ = {
        "HHS_PERF_ENABLED": "perhaps",
        "HHS_PERF_CONFIG": str(config),
        "HHS_PERF_SLA_FILE": str(slas),
    }
    with pytest.raises(ConfigurationError) as caught:
        Monitor.from_env(environ)
    assert len(caught.value.problems) == 4
    broken = {**environ, "HHS_PERF_CONFIG": str(tmp_path / "absent.toml")}
    with pytest.raises(ConfigurationError) as caught:
        Monitor.from_env(broken)
    assert len(caught.value.problems) == 3


def test_past_the_cap_errors_still_are_errors() -> None:
    """What overflows first is what comes last: a failure after many good requests."""
    clock = FakeClock()
    monitor = make(clock, HHS_PERF_MAX_SERIES_PER_INSTRUMENT="3")
    record = monitor.collectors.api.record
    for number in range(5):
        record("GET", f"/{number}", "uncached", 200, 0.1, clock.monotonic())
    for number in range(100):
        record("GET", f"/{number}", "database", 500, 0.1, clock.monotonic())
    figures = api.figures(monitor.reader.read())
    assert (figures.count, figures.errors) == (105, 100)
    monitor.advance()
    assert "api-error-rate" in [alert.rule for alert in monitor.alerts.active()]


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


def test_platforms_are_asked_for_once_and_their_variables_mean_something(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = []

    class Giving:
        @hookimpl
        def hhs_perf_register_platforms(self) -> list[object]:
            calls.append(1)
            return []

    settings = Settings.from_env({"HHS_PERF_X_TOKEN": "secret", "HHS_PERF_X_TOKN": "secret"})
    monitor = Monitor(settings, plugins=[Giving()], installed_plugins=False, tick=False)
    assert [platform.name for platform in monitor.scrapers.platforms].count("x") == 1
    assert len(calls) == 1
    assert "HHS_PERF_X_TOKN means nothing" in caplog.text
    assert "HHS_PERF_X_TOKEN" not in caplog.text
    assert "secret" not in caplog.text
