"""What `monitor.database` promises as a whole."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator

import attrs
import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.pool import StaticPool

from hhs_perf import Monitor, Settings
from hhs_perf.exceptions import ConfigurationError


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    yield engine
    engine.dispose()


def queries_of(monitor: Monitor) -> int:
    monitor.metrics.flush()
    return sum(statement.count for statement in monitor.database.statements)


def ask(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(select(1)).all()


def test_nothing_is_seen_where_measuring_is_off(engine: Engine):
    monitor = Monitor(attrs.evolve(Settings(), enabled=False), installed_plugins=False, tick=False)
    monitor.database.instrument()
    monitor.database.instrument(engine)
    ask(engine)
    assert queries_of(monitor) == 0
    assert not monitor.database.is_observed
    with pytest.raises(ConfigurationError, match="takes an Engine"):
        monitor.database.instrument("sqlite://")  # type: ignore[arg-type] # the mistake
    monitor.close()


def test_a_closed_monitor_is_let_go_though_statements_stay_compiled(engine: Engine):
    monitor = Monitor(installed_plugins=False, tick=False)
    monitor.database.instrument(engine)
    ask(engine)
    assert queries_of(monitor) == 1
    monitor.close()
    gone = weakref.ref(monitor.metrics)
    del monitor
    gc.collect()
    assert gone() is None
    ask(engine)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_while_an_engine_is_being_met_leaves_the_child_free(engine: Engine):
    """Another thread holds the lock at that moment, and does not live on in the child."""
    monitor = Monitor(installed_plugins=False, tick=False)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with monitor.database._lock:
            held.set()
            done.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(20)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if monitor.database._lock.acquire(timeout=5) else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    done.set()
    holder.join(20)
    assert os.waitstatus_to_exitcode(status) == 0
    monitor.close()


def test_a_failing_close_does_not_keep_plugins_from_hearing_of_it(monkeypatch: pytest.MonkeyPatch):
    monitor = Monitor(installed_plugins=False, tick=False)
    monkeypatch.setattr(monitor.database.looker, "close", lambda: 1 / 0)
    heard: list[bool] = []
    monkeypatch.setattr(monitor.plugins, "shutdown", lambda: heard.append(True))
    monitor.close()
    assert heard == [True]
    assert list(monitor.faults) == ["closing the database part: ZeroDivisionError"]


def test_it_works_without_greenlet():
    """SQLAlchemy 2.1 installs it with its extra `asyncio` alone."""
    code = """
import sys
sys.modules["greenlet"] = None
from sqlalchemy import create_engine, text
from hhs_perf import Monitor
monitor = Monitor(installed_plugins=False, tick=False)
engine = create_engine("sqlite://")
monitor.database.instrument(engine)
with monitor.database.scope() as scope, engine.connect() as connection:
    connection.execute(text("select 1")).all()
assert scope.queries == 1
assert not monitor.faults, monitor.faults
monitor.close()
engine.dispose()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_sqlalchemy_the_extra_is_named():
    code = """
import sys
sys.modules["sqlalchemy"] = None
import hhs_perf.database
from hhs_perf import ConfigurationError, Monitor
for ask in (lambda: hhs_perf.database.RoutingSession, lambda: Monitor(tick=False).database):
    try:
        ask()
    except ConfigurationError as error:
        assert "pip install 'hhs-perf[sql]'" in str(error), error
    else:
        raise AssertionError("nothing was missing")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
