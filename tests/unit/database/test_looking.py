"""The closer look: when one is taken, and that it disturbs nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text

from hhs_perf.database import ReplicaRouter
from hhs_perf.database.looking import EVERY, FIRST_AFTER
from hhs_perf.testing import FakeClock
from tests.database_rig import Rig


@pytest.fixture
def rig(clock: FakeClock, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, clock)
    yield made
    made.close()


def looked_at(rig: Rig) -> float | None:
    for thread in threading.enumerate():
        if thread.name == "hhs_perf-look":
            thread.join()
    return rig.database.looker.latest.at


def test_a_tick_looks_a_minute_after_the_first_and_only_at_what_is_slow(rig: Rig) -> None:
    database = rig.database
    database.tick()
    rig.clock.advance(FIRST_AFTER)
    database.tick()
    assert looked_at(rig) is None
    rig.slow()
    database.tick()
    assert looked_at(rig) is not None


def test_a_look_is_taken_again_when_ten_minutes_have_passed_and_more_was_slow(rig: Rig) -> None:
    database = rig.database
    rig.slow()
    database.tick()
    assert looked_at(rig) is None
    rig.clock.advance(FIRST_AFTER)
    database.tick()
    first = looked_at(rig)
    rig.slow()
    rig.clock.advance(EVERY - 1)
    database.tick()
    assert looked_at(rig) == first
    rig.clock.advance(1)
    database.tick()
    second = looked_at(rig)
    assert first is not None
    assert second is not None
    assert second > first
    rig.clock.advance(EVERY)
    database.tick()
    assert looked_at(rig) == second


def test_development_looks_sooner(clock: FakeClock, tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock, ENABLE_QUERY_PROFILING="true")
    rig.database.tick()
    with rig.database.scope("/people"):
        rig.n_plus_one()
    clock.advance(2)
    rig.database.tick()
    assert looked_at(rig) is not None
    assert rig.database.looker.latest.proves
    assert len(rig.database.looker.latest.plans) == 2
    rig.close()


def test_the_tick_of_a_monitor_looks(rig: Rig) -> None:
    rig.slow()
    rig.monitor._tick()
    rig.clock.advance(FIRST_AFTER)
    rig.monitor._tick()
    assert looked_at(rig) is not None


def test_a_look_under_way_is_neither_waited_for_nor_doubled(rig: Rig) -> None:
    looker = rig.database.looker
    rig.slow()
    looker.tick()
    rig.clock.advance(FIRST_AFTER)
    with looker._looking:
        looker.tick()
    assert looked_at(rig) is None


def test_a_closed_monitor_cuts_a_look_short(rig: Rig) -> None:
    looker = rig.database.looker
    looker.close()
    looker._look(looker._stop)
    assert looker.latest.indexes == ()
    assert looker.latest.notes == ("the look was cut short: the monitor was closed",)


def test_a_database_that_is_gone_is_a_note_and_no_error(rig: Rig, tmp_path: Path) -> None:
    gone = create_engine(f"sqlite:///{tmp_path}/nowhere/gone.sqlite3")
    rig.database.instrument(gone)
    rig.slow()
    looked = rig.database.look_closer()
    notes = [note for each in looked.indexes for note in each.notes]
    assert any("no advice" in note for note in notes)
    assert len(looked.indexes) == 2
    gone.dispose()


def test_a_disposed_engine_and_one_that_is_collected_are_looked_at_as_far_as_they_go(
    rig: Rig, tmp_path: Path
) -> None:
    other = create_engine(f"sqlite:///{tmp_path}/other.sqlite3")
    rig.database.instrument(other)
    with other.connect() as connection:
        connection.execute(text("SELECT 1")).all()
    rig.slow()
    rig.engine.dispose()
    other.dispose()
    del other
    assert rig.database.look_closer().at is not None
    assert rig.monitor.faults == {}


def test_what_a_replica_ran_is_looked_at_on_its_primary(rig: Rig, tmp_path: Path) -> None:
    replica = create_engine(rig.engine.url)
    router = ReplicaRouter(rig.engine, [replica], clock=rig.clock)
    rig.database.add(router)
    rig.database.instrument(replica)
    event.listen(replica, "connect", rig._connected)
    with replica.connect() as connection:
        connection.execute(text("SELECT wait(0.5) FROM person LIMIT 1")).all()
    looked = rig.database.look_closer()
    assert len(looked.indexes) == 1
    router.close()
    replica.dispose()


async def test_a_look_on_an_event_loop_is_taken_in_a_thread(rig: Rig) -> None:
    looked = await rig.database.look_closer_async()
    assert looked is rig.database.looker.latest
    assert len(looked.indexes) == 1


def test_a_forked_child_begins_at_nothing(rig: Rig) -> None:
    rig.slow()
    rig.database.look_closer()
    looker = rig.database.looker
    looker._looking.acquire()
    looker.after_fork_in_child()
    assert looker.latest.at is None
    assert not looker._looking.locked()


def test_a_replica_with_options_of_its_own_is_one_all_the_same(rig: Rig, tmp_path: Path) -> None:
    replica = create_engine(rig.engine.url)
    router = ReplicaRouter(
        rig.engine.execution_options(isolation_level="SERIALIZABLE"),
        [replica.execution_options(isolation_level="SERIALIZABLE")],
        clock=rig.clock,
    )
    rig.database.add(router)
    rig.database.instrument(replica)
    roles = sorted(each.role for each in rig.database.report().engines)
    assert roles == ["primary", "replica"]
    assert len(rig.database.look_closer().indexes) == 1
    router.close()
    replica.dispose()
