"""Listening changes nothing: not for the query, not for other listeners, not for errors."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from hhs_perf import Monitor
from hhs_perf.database.marks import OURS
from hhs_perf.exceptions import ConfigurationError

from .conftest import USERS, Seen, make_engine

QUERY = select(USERS.c.id, USERS.c.name)
Make = Callable[..., Monitor]


def run(engine: Engine, times: int = 3) -> None:
    with engine.connect() as connection:
        for _ in range(times):
            assert len(connection.execute(QUERY).all()) == 20


def counted(monitor: Monitor) -> int:
    monitor.metrics.flush()
    return sum(each.count for each in monitor.database.statements)


class Other:
    """Another library's listeners."""

    def __init__(self, engine: Any) -> None:
        self.heard: list[str] = []
        self.handles = False
        event.listen(engine, "do_execute", self.do_execute)
        event.listen(engine, "do_executemany", self.do_execute)
        event.listen(engine, "before_cursor_execute", self.before)
        event.listen(engine, "after_cursor_execute", self.after)

    def do_execute(self, cursor: Any, sql: str, parameters: Any, context: Any) -> bool | None:
        self.heard.append("do")
        if self.handles:
            cursor.execute("SELECT 7, 'handled'")
            return True
        return None

    def before(self, *_: Any) -> None:
        self.heard.append("before")

    def after(self, *_: Any) -> None:
        self.heard.append("after")


@pytest.mark.parametrize("is_first", [True, False])
def test_other_listeners_are_called_in_their_order(
    is_first: bool, engine: Engine, make_monitor: Make
):
    """Whether they came before or after, and each execution is counted once."""
    monitor = make_monitor()
    others = [Other(engine)] if is_first else []
    monitor.database.instrument(engine)
    others.append(Other(engine))
    run(engine, 2)
    with engine.begin() as connection:
        connection.execute(USERS.delete().where(USERS.c.id > 0).where(text("1 = 0")))
        connection.execute(insert(USERS), [{"name": "a"}, {"name": "b"}])
    for other in others:
        assert other.heard == ["before", "do", "after"] * 4
    assert counted(monitor) == 4
    assert not monitor.faults


def test_a_later_listener_may_execute_in_place_of_the_driver(engine: Engine, make_monitor: Make):
    """One that returns True has executed: neither the driver nor those after it do so again."""
    monitor = make_monitor()
    monitor.database.instrument(engine)
    first, second = Other(engine), Other(engine)
    first.handles = True
    with engine.connect() as connection:
        assert connection.execute(QUERY).all() == [(7, "handled")]
    assert first.heard == ["before", "do", "after"]
    assert second.heard == ["before", "after"]
    assert counted(monitor) == 1
    assert not monitor.faults


def test_an_engine_instrumented_twice_is_counted_once(seen: Seen):
    """Explicitly, with every other, and through an engine made from it."""
    seen.database.instrument(seen.engine)
    seen.database.instrument()
    seen.database.instrument()
    seen.database.instrument(seen.engine.execution_options(isolation_level="SERIALIZABLE"))
    run(seen.engine, 5)
    assert counted(seen.monitor) == 5


def test_two_monitors_both_count_exactly(engine: Engine, make_monitor: Make):
    """Neither sees what it should not, nor do scopes of one count for the other."""
    one, two = make_monitor(), make_monitor()
    one.database.instrument(engine)
    two.database.instrument(engine)
    with one.database.scope() as outer, two.database.scope() as inner:
        run(engine, 4)
        with pytest.raises(OperationalError), engine.connect() as connection:
            connection.execute(text("SELECT * FROM nowhere"))
    with two.database.scope() as alone:
        run(engine, 2)
    assert (outer.queries, inner.queries, alone.queries) == (5, 5, 2)
    for monitor in (one, two):
        assert counted(monitor) == 7
        assert not monitor.faults
        assert sum(each.rows for each in monitor.database.statements) == 120
    one.close()
    run(engine, 3)
    assert (counted(one), counted(two)) == (7, 10)


def test_every_engine_is_seen_made_before_or_after(engine: Engine, make_monitor: Make):
    """`instrument()` needs no list of engines, and learns it."""
    monitor = make_monitor()
    monitor.database.instrument(engine)
    monitor.database.instrument()
    later = make_engine()
    try:
        before = counted(monitor)
        run(engine, 2)
        run(later, 3)
        assert counted(monitor) == before + 5
        assert set(monitor.database.engines()) == {engine, later}
        with pytest.raises(ConfigurationError, match="cannot leave one out"):
            monitor.database.uninstrument(engine)
        monitor.database.uninstrument()
        run(engine, 2)
        run(later, 2)
        assert counted(monitor) == before + 5
        assert monitor.database.engines() == ()
        assert not monitor.database.is_observed
        monitor.database.instrument()
        run(later, 1)
        assert counted(monitor) == before + 6
        assert later in monitor.database.engines()
    finally:
        monitor.close()
        later.dispose()


def test_seeing_every_engine_costs_connections_nothing(make_monitor: Make):
    """Events of connections are joined anew for each one, which is what makes peers slow."""
    monitor = make_monitor()
    monitor.database.instrument()
    engine = make_engine()
    try:
        assert not engine._has_events
        with engine.connect() as connection:
            assert not connection._has_events
    finally:
        engine.dispose()


def test_one_engine_is_left_alone_again(seen: Seen):
    """And may be seen again."""
    run(seen.engine, 1)
    seen.database.uninstrument(seen.engine)
    run(seen.engine, 1)
    seen.database.instrument(seen.engine)
    run(seen.engine, 1)
    assert counted(seen.monitor) == 2


def test_engines_with_options_of_their_own_are_the_engine_they_come_from(seen: Seen):
    """However many there are, and whichever is instrumented."""
    for number in range(5):
        made = seen.engine.execution_options(number=number).execution_options(again=number)
        seen.database.instrument(made)
        run(made, 1)
    gc.collect()
    assert seen.database.engines() == (seen.engine,)
    assert counted(seen.monitor) == 5


def test_what_is_no_engine_is_refused(make_monitor: Make):
    """By name."""
    with pytest.raises(ConfigurationError, match="takes an Engine or an AsyncEngine"):
        make_monitor().database.instrument("sqlite://")  # type: ignore[arg-type]


def test_engines_are_held_weakly(make_monitor: Make):
    """A monitor keeps no engine alive."""
    monitor = make_monitor()
    engine = create_engine("sqlite://")
    monitor.database.instrument(engine)
    with engine.connect() as connection:
        connection.execute(select(1)).all()
    engine.dispose()
    del engine, connection
    gc.collect()
    assert monitor.database.engines() == ()


async def test_asynchronous_engines_are_seen(make_monitor: Make):
    """As their synchronous engine, with tasks side by side."""
    monitor = make_monitor()
    engine = create_async_engine("sqlite+aiosqlite://")
    try:
        async with engine.begin() as connection:
            await connection.run_sync(USERS.metadata.create_all)
        monitor.database.instrument(engine)

        async def read() -> None:
            async with AsyncSession(engine) as session:
                assert (await session.execute(QUERY)).all() == []
                async with session.begin_nested():
                    assert await session.scalar(select(1)) == 1
                assert [row async for row in await session.stream(QUERY)] == []

        async with monitor.database.scope() as scope:
            await asyncio.gather(*(read() for _ in range(5)))
        assert monitor.database.engines() == (engine.sync_engine,)
    finally:
        await engine.dispose()
    assert scope.queries == counted(monitor) == 25  # two more for each savepoint
    assert not monitor.faults


def test_a_disposed_engine_goes_on_being_seen(seen: Seen):
    """`dispose` makes a new pool; the listener stays."""
    run(seen.engine, 2)
    seen.engine.dispose()
    with seen.engine.connect() as connection:
        assert connection.scalar(select(1)) == 1
    assert counted(seen.monitor) == 3


@pytest.mark.parametrize(
    "place",
    [
        "hhs_perf.database.seen.shapes.Shapes.of",
        "hhs_perf.database.seen.statements.StatementBook.add",
        "hhs_perf.database.seen.statements.StatementBook.drain",
        "hhs_perf.database.seen.statements.StatementBook.fail",
        "hhs_perf.database.n_plus_one.watch.Watch.taken",
        "hhs_perf.database.seen.slow.SlowBook.add",
        "hhs_perf.database.seen.seer.Seer.profile",
        "hhs_perf.database.seen.seer.source_of",
    ],
)
def test_a_fault_of_ours_reaches_no_query(
    place: str, engine: Engine, make_monitor: Make, monkeypatch: pytest.MonkeyPatch
):
    """It is counted and logged; rows and errors are what they are without us."""

    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(place, fail)
    monkeypatch.setattr("hhs_perf.database.seen.timing.DRAIN_AT", 0)
    monkeypatch.setattr("hhs_perf.database.seen.seer.DRAIN_AT", 0)
    monitor = make_monitor(slow_query=1e-9, profiling=True)
    monitor.database.instrument(engine)
    with monitor.database.scope():
        run(engine, 7)
        with engine.begin() as connection:
            stream = connection.execution_options(stream_results=True).execute(QUERY)
            assert len(stream.all()) == 20
            connection.execute(insert(USERS), [{"name": "a"}, {"name": "b"}])
            assert connection.execute(insert(USERS).values(name="c")).rowcount == 1
        with engine.connect() as connection, pytest.raises(IntegrityError):
            connection.execute(insert(USERS).values(id=1))
    assert "seeing a query: ZeroDivisionError" in monitor.faults
    monkeypatch.undo()
    monitor.close()


def test_errors_are_counted_and_come_as_they_are(seen: Seen):
    """Nothing is wrapped otherwise, nothing swallowed."""
    with seen.engine.connect() as connection:
        for _ in range(4):
            with pytest.raises(IntegrityError) as caught:
                connection.execute(insert(USERS).values(id=1, name="x"))
            assert caught.value.orig is not None
            connection.rollback()
        with pytest.raises(OperationalError):
            connection.exec_driver_sql("SELECT nonsense")
    errors = {sql: each.errors for sql, each in seen.statements().items()}
    assert sorted(errors.values()) == [1, 4]


def test_our_own_statements_are_left_out(seen: Seen):
    """As driver SQL, as text, failing or not."""
    with seen.database.scope() as scope, seen.engine.connect() as connection:
        for _ in range(10):
            connection.exec_driver_sql(f"{OURS}SELECT 1").all()
            connection.execute(text(f"{OURS}SELECT :a"), {"a": 1}).all()
        with pytest.raises(OperationalError):
            connection.exec_driver_sql(f"{OURS}SELECT nonsense")
    assert scope.queries == 0
    assert seen.statements() == {}


def test_comments_that_a_listener_adds_make_no_difference(seen: Seen):
    """`before_cursor_execute(retval=True)` is how tracing adds its own to each statement."""
    numbers = iter(range(1000))

    def comment(_c: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> Any:
        return f"{sql} /* trace={next(numbers)} */", parameters

    event.listen(seen.engine, "before_cursor_execute", comment, retval=True)
    run(seen.engine, 5)
    assert (seen.only().count, seen.only().rows) == (5, 100)


def test_defaults_that_ask_the_database_are_seen_apart(seen: Seen):
    """They are sent in the midst of another statement, before that has a text."""
    table = Table(
        "t",
        MetaData(),
        Column(
            "id", Integer, primary_key=True, default=select(func.max(USERS.c.id)).scalar_subquery()
        ),
        Column("name", String),
        implicit_returning=False,
    )
    table.create(seen.engine)
    with seen.engine.begin() as connection:
        for _ in range(4):
            added = connection.execute(insert(table).values(name="x"))
            assert added.inserted_primary_key == (20,)
            connection.execute(table.delete())
    counts = {sql.partition(" ")[0]: each.count for sql, each in seen.statements().items()}
    assert counts == {"SELECT": 4, "INSERT": 4, "DELETE": 4}
    assert not seen.monitor.faults
