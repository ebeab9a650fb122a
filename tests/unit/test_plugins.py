from __future__ import annotations

import logging
import os
import signal
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from hhs_perf import hookimpl
from hhs_perf._plugins import Plugins
from hhs_perf.exceptions import PluginError
from hhs_perf.metrics import Registry
from hhs_perf.sla import builtin_slas


class Listener:
    def __init__(self) -> None:
        self.heard: list[object] = []

    @hookimpl
    def hhs_perf_sla_changed(self, change: object) -> None:
        self.heard.append(change)


class Failing:
    @hookimpl
    def hhs_perf_sla_changed(self, change: object) -> None:
        raise RuntimeError("no")

    @hookimpl
    def hhs_perf_register_slas(self) -> list[Any]:
        raise SystemError("worse")


def test_a_raising_plugin_is_counted_logged_once_and_hurts_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures: list[str] = []
    plugins = Plugins(on_failure=failures.append)
    first, last = Listener(), Listener()
    plugins.register(first, "first")
    plugins.register(Failing(), "bad")
    plugins.register(last, "last")
    with caplog.at_level(logging.ERROR, "hhs_perf.plugins"):
        for _ in range(3):
            plugins.sla_changed("a change")  # type: ignore[arg-type]
    assert first.heard == last.heard == ["a change"] * 3
    assert failures == ["bad"] * 3
    assert len(caplog.records) == 1
    assert caplog.records[0].__dict__["plugin"] == "bad"
    row = next(row for row in plugins.rows() if row.name == "bad")
    assert row.failures == 3
    assert row.last_failure == "raised in hhs_perf_sla_changed: RuntimeError: no"


def test_a_plugin_that_wants_to_end_the_process_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Leaving(EntryPoint):
        def load(self) -> object:
            raise SystemExit(5)

    class Quitting:
        @hookimpl
        def hhs_perf_sla_changed(self, change: object) -> None:
            raise SystemExit(5)

    leaving = Leaving("leaving", "nowhere", "hhs_perf")
    monkeypatch.setattr("hhs_perf._plugins.offered", lambda group: [leaving])
    plugins = Plugins()
    plugins.load_installed()
    plugins.register(Quitting(), "quitting")
    plugins.sla_changed("x")  # type: ignore[arg-type]
    assert [(row.name, row.failures) for row in plugins.rows()] == [("leaving", 1), ("quitting", 1)]


def test_gathering_goes_on_past_a_failure() -> None:
    class Giving:
        @hookimpl
        def hhs_perf_register_slas(self) -> list[Any]:
            return [builtin_slas()[0]]

    plugins = Plugins()
    plugins.register(Giving(), "giving")
    plugins.register(Failing(), "bad")
    assert plugins.slas() == [builtin_slas()[0]]


def test_what_is_no_sla_is_a_fault_of_its_plugin() -> None:
    class Confused:
        @hookimpl
        def hhs_perf_register_slas(self) -> list[Any]:
            return [builtin_slas()[0], "p95 < 1 s"]

    plugins = Plugins()
    plugins.register(Confused(), "confused")
    assert plugins.slas() == [builtin_slas()[0]]
    (row,) = plugins.rows()
    assert "must give Sla, and gave 'p95 < 1 s'" in (row.last_failure or "")


def test_a_disabled_plugin_is_listed_and_left_out() -> None:
    plugins = Plugins(disabled=["first"])
    listener = Listener()
    plugins.register(listener, "first")
    plugins.sla_changed("x")  # type: ignore[arg-type]
    assert listener.heard == []
    assert [(row.name, row.status) for row in plugins.rows()] == [("first", "disabled")]


def test_a_name_taken_twice_is_numbered_and_hurts_neither() -> None:
    plugins = Plugins()
    listeners = [Listener(), Listener(), Listener()]
    for listener in listeners:
        plugins.register(listener, "same")
    plugins.sla_changed("x")  # type: ignore[arg-type]
    assert [row.name for row in plugins.rows()] == ["same", "same#2", "same#3"]
    assert {row.status for row in plugins.rows()} == {"active"}
    assert [listener.heard for listener in listeners] == [["x"]] * 3


def test_an_installed_plugin_named_as_ours_leaves_ours_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = EntryPoint("hhs_perf", "hhs_perf_no_such_module", "hhs_perf")
    monkeypatch.setattr("hhs_perf._plugins.offered", lambda group: [broken])
    plugins = Plugins()
    plugins.register(Listener(), "hhs_perf")
    plugins.load_installed()
    assert [(row.name, row.status) for row in plugins.rows()] == [
        ("hhs_perf", "active"),
        ("hhs_perf#2", "failed to import"),
    ]


def test_an_object_registered_twice_is_an_error() -> None:
    plugins, listener = Plugins(), Listener()
    plugins.register(listener, "one")
    with pytest.raises(PluginError, match="'two': is registered already"):
        plugins.register(listener, "two")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_while_a_failure_is_noted_can_note_its_own() -> None:
    plugins = Plugins()
    plugins.register(Failing(), "bad")
    plugins._lock.acquire()
    plugins._faults._lock.acquire()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        plugins.sla_changed("x")  # type: ignore[arg-type]
        os._exit(0 if plugins.rows()[0].failures == 1 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_hook_with_foreign_arguments_does_not_stop_the_monitor() -> None:
    class Misfit:
        @hookimpl
        def hhs_perf_sla_changed(self, change: object, monitor: object) -> None: ...

    plugins = Plugins()
    plugins.register(Misfit(), "misfit")
    (row,) = plugins.rows()
    assert row.failures == 1
    assert "does not fit the hooks" in (row.last_failure or "")
    plugins.sla_changed("x")  # type: ignore[arg-type]


def test_a_hook_that_does_not_exist_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Hopeful:
        @hookimpl
        def hhs_perf_make_coffee(self) -> None: ...

    Plugins().register(Hopeful(), "hopeful")
    assert "hhs_perf_make_coffee" in caplog.text


def test_a_plugin_that_fails_to_import_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "hhs_perf_no_such_module", "hhs_perf")
    monkeypatch.setattr("hhs_perf._plugins.offered", lambda group: [broken])
    plugins = Plugins()
    plugins.load_installed()
    (row,) = plugins.rows()
    assert (row.name, row.status, row.failures) == ("broken", "failed to import", 1)
    assert "ModuleNotFoundError" in (row.last_failure or "")


def test_a_plugin_that_imports_too_long_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The patience is shortened; the plugin imports until the log has named it."""
    import threading

    named = threading.Event()

    class Slow(EntryPoint):
        def load(self) -> object:
            assert named.wait(10)
            return Listener()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "slowpoke is still importing" in record.getMessage():
                named.set()

    monkeypatch.setattr("hhs_perf._plugins._SLOW_IMPORT", 0.01)
    slow = Slow("slowpoke", "nowhere", "hhs_perf")
    monkeypatch.setattr("hhs_perf._plugins.offered", lambda group: [slow])
    logger = logging.getLogger("hhs_perf.plugins")
    handler = Handler()
    logger.addHandler(handler)
    try:
        plugins = Plugins()
        plugins.load_installed()
    finally:
        logger.removeHandler(handler)
    assert [(row.name, row.status) for row in plugins.rows()] == [("slowpoke", "active")]


def test_collectors_of_plugins_get_the_registry() -> None:
    class Own:
        @hookimpl
        def hhs_perf_register_collectors(self, metrics: Registry) -> None:
            self.timer = metrics.timer("own.work")

    plugin, metrics = Own(), Registry()
    plugins = Plugins()
    plugins.register(plugin, "own")
    plugins.register_collectors(metrics)
    assert plugin.timer is metrics.timer("own.work")
