"""Listeners sleep where nobody else listens, and what is laid over is taken away again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, insert, select, text
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.pool import StaticPool

from hhs_perf import Monitor
from hhs_perf.database import database as database_module
from hhs_perf.database.seen.layers import Layer
from hhs_perf.database.selftest import Abilities

from .conftest import USERS, Seen, make_engine

QUERY = select(USERS.c.id, USERS.c.name)
METHODS = ("do_execute", "do_executemany", "do_execute_no_params", "connect", "is_disconnect")
Make = Callable[..., Monitor]


class Passing(SQLiteDialect_pysqlite):
    """A dialect that executes by methods of its own, which ask the one above."""

    supports_statement_cache = True

    def do_execute(self, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> None:
        super().do_execute(cursor, statement, parameters, context)

    def do_executemany(
        self, cursor: Any, statement: Any, parameters: Any, context: Any = None
    ) -> None:
        cursor.executemany(statement, parameters)


registry.register("sqlite.passing", __name__, "Passing")


def read(engine: Engine, times: int = 1) -> None:
    with engine.connect() as connection:
        for _ in range(times):
            assert len(connection.execute(QUERY).all()) == 20


def counted(monitor: Monitor) -> int:
    monitor.metrics.flush()
    return sum(each.count for each in monitor.database.statements)


def errors(monitor: Monitor) -> int:
    monitor.metrics.flush()
    return sum(each.errors for each in monitor.database.statements)


def methods_of(target: Any) -> dict[str, Any]:
    """Return what is written on a dialect, or a class of them, that a layer may be laid over."""
    known = vars(target)
    return {name: known[name] for name in (*METHODS, "_has_events") if name in known}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The classes of SQLAlchemy are left as they were found."""
    before = methods_of(DefaultDialect)
    yield
    assert methods_of(DefaultDialect) == before
    assert "_has_events" not in vars(Passing)


@pytest.mark.parametrize("every", [True, False], ids=["every engine", "one engine"])
def test_sqlalchemy_asks_no_listener_where_nobody_else_listens(
    every: bool, engine: Engine, make_monitor: Make
):
    """What a query costs would be twice as much; later all is as it was."""
    before = methods_of(engine.dialect)
    monitor = make_monitor()
    monitor.database.instrument(None if every else engine)
    assert engine.dialect._has_events is False
    read(engine, 3)
    with engine.begin() as connection:
        connection.execute(insert(USERS), [{"name": "a"}, {"name": "b"}])
        connection.exec_driver_sql("SELECT 1").all()
    assert engine.dialect._has_events is False
    assert counted(monitor) == 5
    monitor.database.uninstrument()
    read_all = text("SELECT count(*) FROM users")
    with engine.connect() as connection:
        connection.execute(read_all).all()
    assert counted(monitor) == 5
    assert methods_of(engine.dialect) == before


@pytest.mark.parametrize("every", [True, False], ids=["every engine", "one engine"])
def test_a_listener_that_comes_later_is_asked_from_its_first_query_on(
    every: bool, engine: Engine, make_monitor: Make
):
    """Ours wakes with it, comes first, and each execution is counted once."""
    monitor = make_monitor()
    monitor.database.instrument(None if every else engine)
    read(engine, 2)
    heard: list[str] = []

    def executes(cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        heard.append(sql)
        cursor.execute(sql, parameters)
        return True

    event.listen(engine, "do_execute", executes)
    read(engine, 3)
    assert len(heard) == 3
    assert counted(monitor) == 5
    event.remove(engine, "do_execute", executes)
    read(engine, 1)
    assert counted(monitor) == 6


def test_a_later_listener_of_every_engine_is_asked_after_ours_of_every_engine(
    engine: Engine, make_monitor: Make
):
    """Though it executes by itself it hides nothing."""
    monitor = make_monitor()
    monitor.database.instrument()
    read(engine)
    heard: list[str] = []

    def executes(cursor: Any, sql: str, parameters: Any, _: Any) -> bool:
        heard.append(sql)
        cursor.execute(sql, parameters)
        return True

    event.listen(Engine, "do_execute", executes)
    try:
        read(engine, 2)
        later = make_engine()
        read(later, 1)
        later.dispose()
    finally:
        event.remove(Engine, "do_execute", executes)
    assert heard.count(str(QUERY)) == 3
    assert counted(monitor) == len(heard) + 1 + 1  # the first read, and many rows at once


def test_a_later_listener_of_every_engine_is_asked_beside_ours_of_one(seen: Seen):
    """One that leaves executing to the dialect hides nothing, in whichever order they come."""
    heard: list[str] = []

    def hears(_cursor: Any, sql: str, *_: Any) -> None:
        heard.append(sql)

    read(seen.engine)
    event.listen(Engine, "do_execute", hears)
    try:
        read(seen.engine, 2)
    finally:
        event.remove(Engine, "do_execute", hears)
    assert len(heard) == 2
    assert counted(seen.monitor) == 3


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first in, first out", "last in first"])
@pytest.mark.parametrize("every", [(True, True), (False, False), (True, False), (False, True)])
def test_two_monitors_lie_over_each_other(
    every: tuple[bool, bool], order: tuple[int, int], engine: Engine, make_monitor: Make
):
    """Each of every engine or of one; whoever leaves first leaves the other as it was."""
    before = methods_of(engine.dialect)
    monitors = [make_monitor(), make_monitor()]
    for is_every, monitor in zip(every, monitors, strict=True):
        monitor.database.instrument(None if is_every else engine)
    assert engine.dialect._has_events is False
    read(engine, 2)
    first, last = (monitors[place] for place in order)
    assert (counted(first), counted(last)) == (2, 2)
    first.close()
    read(engine, 3)
    assert (counted(first), counted(last)) == (2, 5)
    last.close()
    read(engine, 1)
    assert (counted(first), counted(last)) == (2, 5)
    assert methods_of(engine.dialect) == before


def test_what_somebody_laid_over_ours_stays_and_works(seen: Seen):
    """Ours below it can only stop doing anything."""
    dialect: Any = seen.engine.dialect
    ours = dialect.do_execute
    theirs: list[str] = []

    def do_execute(cursor: Any, sql: str, parameters: Any, context: Any = None) -> None:
        theirs.append(sql)
        ours(cursor, sql, parameters, context)

    dialect.do_execute = do_execute
    read(seen.engine, 2)
    seen.database.uninstrument(seen.engine)
    read(seen.engine, 1)
    assert len(theirs) == 3
    assert counted(seen.monitor) == 2
    seen.database.instrument(seen.engine)
    read(seen.engine, 1)
    assert len(theirs) == 4
    assert counted(seen.monitor) == 3


def test_what_was_laid_over_before_goes_on_being_called(engine: Engine, make_monitor: Make):
    """Once for each query, and alone again afterwards."""
    dialect: Any = engine.dialect
    theirs: list[str] = []

    def do_execute(cursor: Any, sql: str, parameters: Any, _: Any = None) -> None:
        theirs.append(sql)
        cursor.execute(sql, parameters)

    dialect.do_execute = do_execute
    monitor = make_monitor()
    monitor.database.instrument(engine)
    read(engine, 2)
    assert (len(theirs), counted(monitor)) == (2, 2)
    monitor.close()
    assert dialect.do_execute is do_execute


@pytest.mark.parametrize("every", [True, False], ids=["every engine", "one engine"])
@pytest.mark.parametrize("is_new", [True, False], ids=["made later", "made before"])
def test_dialects_that_execute_by_methods_of_their_own_are_seen(
    is_new: bool, every: bool, make_monitor: Make
):
    """Once each, whether they ask the method above or not."""

    def make() -> Engine:
        return create_engine("sqlite+passing://", poolclass=StaticPool)

    monitor = make_monitor()
    engine = None if is_new else make()
    if engine is not None:
        USERS.create(engine)
    monitor.database.instrument(None if every else engine or (engine := make()))
    if engine is None:
        engine = make()
    if is_new:
        USERS.create(engine)
    before = counted(monitor)
    with engine.begin() as connection:
        connection.execute(USERS.insert(), [{"name": "a"}, {"name": "b"}])
        assert len(connection.execute(QUERY).all()) == 2
    assert counted(monitor) == before + 2
    monitor.close()
    engine.dispose()


def test_a_dialect_that_cannot_be_written_to_is_listened_to(make_monitor: Make):
    """The listeners are public API, and cost more."""

    class Closed(SQLiteDialect_pysqlite):
        supports_statement_cache = True

        def __setattr__(self, name: str, value: object) -> None:
            if name in METHODS:
                raise AttributeError(name)
            super().__setattr__(name, value)

    engine = make_engine()
    engine.dialect.__class__ = Closed
    monitor = make_monitor()
    monitor.database.instrument(engine)
    assert engine.dialect._has_events
    read(engine, 2)
    assert counted(monitor) == 2
    assert not monitor.faults
    engine.dispose()


def test_where_layers_do_not_work_listeners_do(
    engine: Engine, make_monitor: Make, monkeypatch: pytest.MonkeyPatch
):
    """The self-test says so, and the report."""
    found = Abilities(fetching=None, orm=None, layers="it was changed")
    monkeypatch.setattr(database_module, "abilities", lambda: found)
    monitor = make_monitor()
    monitor.database.instrument(engine)
    assert engine.dialect._has_events
    assert "do_execute" not in vars(engine.dialect)
    read(engine, 2)
    assert counted(monitor) == 2
    assert monitor.database.limits == ("to see a query costs more than it need: it was changed",)


def test_who_calls_the_method_without_an_execution_is_left_alone(seen: Seen):
    """As drivers' extensions do: it is no query of the application's."""
    with closing(sqlite3.connect(":memory:")) as connection:
        cursor = connection.cursor()
        seen.engine.dialect.do_execute(cursor, "SELECT 1", ())
        assert cursor.fetchall() == [(1,)]
    assert counted(seen.monitor) == 0


def test_errors_are_counted_once_with_and_without_listeners(seen: Seen):
    """Of executions, and of what belongs to none."""

    def fail() -> None:
        with seen.engine.connect() as connection:
            with pytest.raises(OperationalError):
                connection.execute(text("SELECT * FROM nowhere"))
            with pytest.raises(IntegrityError):
                connection.execute(insert(USERS).values(id=1, name="x"))

    fail()
    assert errors(seen.monitor) == 2
    heard: list[object] = []
    event.listen(seen.engine, "handle_error", heard.append)
    fail()
    assert len(heard) == 2
    assert errors(seen.monitor) == 4


def test_a_layer_in_the_middle_goes_with_the_one_above():
    """It does nothing meanwhile."""
    dialect = SQLiteDialect_pysqlite()
    lower, upper = (
        Layer(dialect, "do_ping", lambda below, _: lambda self, *rest: (below or 0, self, rest))
        for _ in range(2)
    )
    lower.lift()
    assert lower.is_off
    assert "do_ping" in vars(dialect)
    upper.lift()
    assert "do_ping" not in vars(dialect)


def test_the_note_that_there_are_listeners_is_only_taken_back_from_our_own(
    engine: Engine, make_monitor: Make
):
    """Whoever else listens to anything of a dialect's is told of it as before."""
    heard: list[object] = []
    event.listen(engine, "handle_error", heard.append)
    make_monitor().database.instrument(engine)
    assert engine.dialect._has_events
    event.listen(Engine, "do_connect", _connects)
    try:
        make_monitor().database.instrument()
        assert Dialect._has_events
    finally:
        event.remove(Engine, "do_connect", _connects)


def _connects(*_: object) -> None:
    """Leave connecting to the dialect."""
