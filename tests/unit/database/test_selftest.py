"""What is used of SQLAlchemy without being promised is tried first, and said where it fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, select

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


def test_assertions_may_be_switched_off():
    """Python -O."""
    code = "from hhs_perf.database.selftest import abilities; print(abilities().limits)"
    done = subprocess.run(
        [sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "()\n"


def test_a_hosts_own_listener_is_no_change_of_sqlalchemy(
    anew: None, caplog: pytest.LogCaptureFixture
):
    """One that sets up every connection as PostgreSQL's fails on ours, which says nothing."""

    def set_up(connection: Any, _record: Any) -> None:
        connection.execute("SET search_path TO shop")

    event.listen(Engine, "connect", set_up)
    try:
        assert abilities() == Abilities(fetching=None, orm=None)
    finally:
        event.remove(Engine, "connect", set_up)
    assert "could not be tried" in caplog.text


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ("fetching", "fetching is not timed"),
        ("lazy", "lazy loads only"),
        ("refresh", "lazy loads only"),
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
        monkeypatch.setattr(selftest, "_try", lambda: 1 / 0)
    else:
        monkeypatch.setattr(selftest, f"_{change}", lambda *_: "it was renamed")
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
