"""Fetching is timed and counted, however rows are fetched, and changes nothing."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest
from sqlalchemy import Engine, func, insert, literal_column, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, registry

from .conftest import USERS, Seen, make_engine

QUERY = select(USERS.c.id, USERS.c.name)
MAPPED = registry()


class User:
    pass


MAPPED.map_imperatively(User, USERS)


def one_by_one(result: Any) -> int:
    count = 0
    while result.fetchone() is not None:
        count += 1
    return count


def many(result: Any) -> int:
    count = 0
    while rows := result.fetchmany(7):
        count += len(rows)
    return count


WAYS: dict[str, tuple[Callable[[Any], int], int]] = {
    "all": (lambda result: len(result.all()), 20),
    "fetchall": (lambda result: len(result.fetchall()), 20),
    "iteration": (lambda result: sum(1 for _ in result), 20),
    "one by one": (one_by_one, 20),
    "many": (many, 20),
    "partitions": (lambda result: sum(map(len, result.partitions(6))), 20),
    "yield_per": (lambda result: sum(1 for _ in result.yield_per(3)), 20),
    "scalars": (lambda result: len(result.scalars().all()), 20),
    "mappings": (lambda result: len(result.mappings().all()), 20),
    "columns": (lambda result: len(result.columns(1).all()), 20),
    "unique": (lambda result: len(result.unique().all()), 20),
    "freeze": (lambda result: len(result.freeze()().all()), 20),
    "merge": (lambda result: len(result.merge(result.freeze()()).all()), 20),
    "first": (lambda result: 20 * (result.first() is not None), 1),
    "scalar": (lambda result: 20 * result.scalar(), 1),
}


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_rows_are_counted_however_they_are_fetched(way: str, is_stream: bool, seen: Seen):
    """Rows, one execution and some time; what comes out is what always does."""
    fetch, rows = WAYS[way]
    with seen.engine.connect() as connection:
        options = {"stream_results": True} if is_stream else {}
        assert fetch(connection.execution_options(**options).execute(QUERY)) == 20
    statement = seen.only()
    assert statement.rows == statement.most_rows
    assert (statement.count, statement.executed, statement.errors) == (1, 1, 0)
    if not is_stream or rows == 20:
        assert statement.rows == rows
    assert statement.fetch_total > 0
    assert statement.execute_total > 0


@pytest.mark.parametrize(
    ("options", "is_streamed"),
    [({}, False), ({"yield_per": 5}, True), ({"stream_results": True}, True)],
)
def test_it_is_known_whether_rows_are_streamed(
    options: dict[str, Any], is_streamed: bool, seen: Seen
):
    """By `yield_per` or a cursor of the server's; such rows need no page."""
    with seen.engine.connect() as connection:
        connection.execution_options(**options).execute(QUERY).all()
    assert seen.only().is_streamed is is_streamed


def test_orm_and_options_of_executions_are_counted(seen: Seen):
    """Entities, `yield_per` as an option, `scalars().one()`."""
    with Session(seen.engine) as session:
        assert len(session.scalars(select(User)).all()) == 20
        session.expunge_all()
        assert len(session.scalars(select(User).execution_options(yield_per=4)).all()) == 20
        session.expunge_all()
        for batch in session.scalars(select(User)).partitions(9):
            assert len(batch) in {9, 2}
        assert session.scalars(select(User).where(User.id == 1)).one().id == 1
    by_rows = sorted(each.rows for each in seen.statements().values())
    assert by_rows == [1, 60]


def test_a_dropped_result_is_told_when_it_is_collected(seen: Seen):
    """At once, since nothing of ours refers to itself; rows are those that were fetched."""
    gc.disable()
    try:
        with seen.engine.connect() as connection:
            result = connection.execute(QUERY)
            result.fetchmany(3)
            seen.monitor.metrics.flush()
            statement = next(iter(seen.database.statements))
            assert statement.count == 0
            cursor, context = ref(result.cursor), ref(result.context)
            del result
            assert cursor() is None
            assert context() is None
    finally:
        gc.enable()
    assert (seen.only().count, seen.only().rows) == (1, 3)


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_closed_result_is_told_once(is_stream: bool, seen: Seen):
    """However often it is closed, and whatever was left."""
    with seen.engine.connect() as connection:
        result = connection.execution_options(stream_results=is_stream).execute(QUERY)
        result.fetchone()
        result.close()
        result.close()
        del result
    assert (seen.only().count, seen.only().rows) == (1, 1)


def test_no_cursor_is_held_longer_than_before(tmp_path):
    """A table can be dropped as soon as a result is out of sight: SQLite locks it until then."""
    from hhs_perf import Monitor

    engine = make_engine()
    monitor = Monitor(installed_plugins=False, tick=False)
    monitor.database.instrument(engine)
    gc.disable()
    try:
        with engine.connect() as connection:
            connection.execute(QUERY).fetchone()
            connection.execute(text("DROP TABLE users"))
            connection.commit()
    finally:
        gc.enable()
        monitor.close()
        engine.dispose()


@pytest.mark.parametrize("fetch", ["fetchall", "fetchone", "fetchmany", "yield_per", "stream"])
def test_an_error_while_fetching_is_counted_once(fetch: str, seen: Seen):
    """SQLite computes rows as they are fetched: the ninth of these cannot be."""
    bad = literal_column("CASE WHEN id < 9 THEN 1 ELSE abs(-9223372036854775807 - 1) END")
    with seen.engine.connect() as connection:
        options = {"stream_results": fetch == "stream"}
        query = select(USERS.c.id, bad).order_by(USERS.c.id)
        result = connection.execute(query, execution_options=options)
        with pytest.raises(OperationalError, match="integer overflow"):
            if fetch == "fetchone":
                one_by_one(result)
            elif fetch == "fetchmany":
                many(result)
            elif fetch == "yield_per":
                list(result.yield_per(3))
            else:
                result.fetchall()
        result.close()
    statement = seen.only()
    assert (statement.count, statement.errors) == (1, 1)


def test_an_error_of_the_first_row_of_a_stream_is_the_databases(seen: Seen):
    """It is fetched while executing: the error reaches the application, counted once."""
    bad = select(func.abs(literal_column("-9223372036854775807 - 1")), USERS.c.id)
    with seen.engine.connect() as connection:
        with pytest.raises(OperationalError, match="integer overflow"):
            connection.execution_options(stream_results=True).execute(bad).all()
        assert connection.scalar(select(1)) == 1
    statements = {each.errors: each for each in seen.statements().values()}
    assert (statements[1].count, statements[1].errors) == (1, 1)


def test_a_result_may_be_fetched_by_another_thread(seen: Seen):
    """What was seen of it belongs to no thread."""
    with seen.engine.connect() as connection:
        rows: list[Any] = []
        result = connection.execute(QUERY)
        thread = threading.Thread(target=lambda: rows.extend(result.all()))
        thread.start()
        thread.join()
    assert len(rows) == 20
    assert seen.only().rows == 20


def test_rows_that_statements_return_are_counted(seen: Seen):
    """RETURNING of one, and of batches; rows changed where none are returned."""
    with seen.engine.begin() as connection:
        one = insert(USERS).values(name="x").returning(USERS.c.id)
        assert connection.execute(one).scalar_one() == 21
        batches = insert(USERS).returning(USERS.c.id)
        many_rows = [{"name": str(n)} for n in range(10)]
        assert len(connection.execute(batches, many_rows).all()) == 10
        changed = connection.execute(USERS.update().where(USERS.c.id > 5).values(name="y"))
        assert changed.rowcount == 26
    statements = seen.statements()
    update = next(each for sql, each in statements.items() if sql.startswith("UPDATE"))
    assert update.rows == 26


def test_timing_alone_leaves_fetching_alone(engine: Engine, make_monitor: Callable[..., Any]):
    """HHS_PERF_QUERY_DETAIL=timing: one time for each execution, no rows."""
    monitor = make_monitor(query_detail="timing")
    monitor.database.instrument(engine)
    with engine.connect() as connection:
        assert len(connection.execute(QUERY).all()) == 20
    statement = Seen(engine, monitor).only()
    assert (statement.count, statement.rows, statement.fetch_total) == (1, 0, 0.0)


@pytest.mark.parametrize("way", WAYS)
def test_two_monitors_count_the_same_rows(
    way: str, engine: Engine, make_monitor: Callable[..., Any]
):
    """Whatever one puts in the place of SQLAlchemy's strategy, the other sees through."""
    monitors = [make_monitor(), make_monitor()]
    for monitor in monitors:
        monitor.database.instrument(engine)
    for options in ({}, {"stream_results": True}):
        with engine.connect() as connection:
            assert WAYS[way][0](connection.execution_options(**options).execute(QUERY)) == 20
    one, two = (Seen(engine, monitor).only() for monitor in monitors)
    assert one.rows == two.rows > 0
    assert one.count == two.count == 2
    assert one.fetch_total > 0
    assert two.fetch_total > 0
    assert not any(monitor.faults for monitor in monitors)


@pytest.mark.parametrize("way", ["rows", "mappings", "scalars"])
def test_rows_of_a_statement_known_before_are_iterated(
    make_monitor: Callable[..., Any], way: str
) -> None:
    """Who iterates holds on to the method of a fetch that nothing was asked of so far."""
    engine = make_engine()
    monitor = make_monitor()
    monitor.database.instrument(engine)
    for _ in range(3):
        with engine.connect() as connection:
            result = connection.execute(QUERY)
            found = result if way == "rows" else getattr(result, way)()
            assert sum(1 for _ in found) == 20
    monitor.metrics.flush()
    [statement] = monitor.database.statements
    assert (statement.count, statement.errors) == (3, 0)
    engine.dispose()
