"""What is used of SQLAlchemy without being promised is tried first, and said where it fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, select

from hhs_perf import Monitor
from hhs_perf.database import selftest
from hhs_perf.database.selftest import Abilities, abilities


@pytest.fixture
def anew() -> Iterator[None]:
    """Have it tried again, before and after."""
    abilities.cache_clear()
    yield
    abilities.cache_clear()


def test_everything_works_with_the_version_at_hand(anew: None):
    """Nothing is left out, and nothing is left behind."""
    assert abilities() == Abilities(fetching=None, orm=None)
    assert abilities().limits == ()


def test_no_listener_of_the_host_hears_of_it():
    """Neither engines, nor sessions, nor mappers; one that listens once is not used up."""
    code = """
from sqlalchemy import Engine, event
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.pool import Pool
heard = []
event.listen(Engine, "connect", lambda *_: heard.append("connect"))
event.listen(Pool, "checkout", lambda *_: heard.append("checkout"))
event.listen(Engine, "do_execute", lambda *_: heard.append("do_execute"))
event.listen(Session, "before_flush", lambda *_: heard.append("before_flush"))
event.listen(Mapper, "after_configured", lambda: heard.append("after_configured"), once=True)
from hhs_perf import Monitor
monitor = Monitor(installed_plugins=False, tick=False)
monitor.database.instrument()
assert not heard, heard
assert monitor.database.abilities.limits == ()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ("fetching", "fetching is not timed"),
        ("orm", "lazy loads only"),
        ("all", "fetching is not timed"),
    ],
)
def test_what_does_not_work_is_left_out_and_said(
    change: str,
    limit: str,
    anew: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    """Queries go on being counted."""
    if change == "fetching":
        monkeypatch.setattr(selftest, "DEFAULT_FETCH", object())
    elif change == "all":
        monkeypatch.setattr(selftest, "_orm", lambda: 1 / 0)
    else:
        monkeypatch.setattr(selftest.InstanceState, "__annotations__", {})
        monkeypatch.delattr(selftest.InstanceState, "load_options")
    engine = create_engine("sqlite://")
    monitor = Monitor(installed_plugins=False, tick=False)
    monitor.database.instrument(engine)
    with monitor.database.scope() as scope, engine.connect() as connection:
        assert connection.execute(select(1)).all() == [(1,)]
        assert connection.execute(select(2)).scalar() == 2
    assert scope.queries == 2
    assert any(limit in each for each in monitor.database.abilities.limits)
    assert limit in caplog.text
    assert not monitor.faults
    monitor.close()
    engine.dispose()
