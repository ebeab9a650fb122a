"""Queries that fail, are cancelled or lose their connection, and hosts that do odd things."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from hhs_perf import Monitor

SLEEP = text("SELECT pg_sleep(30)")


@contextmanager
def watched(engine: Any) -> Iterator[Monitor]:
    monitor = Monitor(installed_plugins=False, tick=False)
    monitor.database.instrument(engine)
    try:
        yield monitor
        assert not monitor.faults
    finally:
        monitor.close()


def total(monitor: Monitor, name: str) -> int:
    monitor.metrics.flush()
    return sum(getattr(each, name) for each in monitor.database.statements)


def wait_until_asleep(database: Any) -> None:
    """Return once a query of the database sleeps."""
    until = time.monotonic() + 20
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' "
        f"AND datname = '{database}'"
    )
    while database.say(asked) != [(1,)]:
        assert time.monotonic() < until


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize("by", ["cancel", "timeout"])
async def test_a_cancelled_query_is_an_error_once(driver: str, by: str, pg_database: Any):
    """The cancellation arrives as it would without us, and the pool goes on working."""
    engine = create_async_engine(pg_database.url(driver), pool_size=1, max_overflow=0)

    async def sleep() -> None:
        async with engine.connect() as connection:
            if by == "timeout":
                async with asyncio.timeout(0.2):
                    await connection.execute(SLEEP)
            await connection.execute(SLEEP)

    try:
        with watched(engine) as monitor:
            async with monitor.database.scope() as scope:
                task = asyncio.create_task(sleep())
                if by == "cancel":
                    await asyncio.to_thread(wait_until_asleep, pg_database)
                    task.cancel()
                with pytest.raises(asyncio.CancelledError if by == "cancel" else TimeoutError):
                    await task
                async with engine.connect() as connection:
                    assert await connection.scalar(select(1)) == 1
            assert scope.queries == total(monitor, "count") == 2
            asleep = [each for each in monitor.database.statements if "pg_sleep" in each.shape.sql]
            assert [(each.count, each.errors) for each in asleep] == [(1, 1)]
    finally:
        await engine.dispose()


@pytest.mark.filterwarnings("ignore:.*ServerCursor:ResourceWarning")  # SQLAlchemy leaves it open
def test_a_lost_connection_is_an_error_once(pg_database: Any):
    """Terminated in the midst of a query and of a stream; the engine reconnects."""
    engine = create_engine(pg_database.url("psycopg"), pool_pre_ping=True)
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{pg_database}' AND pid <> pg_backend_pid()"
    )

    def terminate() -> None:
        wait_until_asleep(pg_database)
        pg_database.say(kill)

    try:
        with watched(engine) as monitor:
            killer = threading.Thread(target=terminate)
            killer.start()
            with engine.connect() as connection, pytest.raises(OperationalError):
                connection.execute(SLEEP)
            killer.join()
            with engine.connect() as connection:
                numbers = text("SELECT n FROM generate_series(1, 100000) AS n")
                stream = connection.execution_options(yield_per=10).execute(numbers)
                assert stream.fetchone() == (1,)
                pg_database.say(kill)
                with pytest.raises(DBAPIError):
                    stream.fetchall()
                del stream
                gc.collect()
            with engine.connect() as connection:
                assert connection.scalar(select(1)) == 1
            assert total(monitor, "errors") == 2
            assert total(monitor, "count") >= 3
    finally:
        engine.dispose()


def test_a_killed_server_is_an_error_of_each_query(fresh_postgres: Any):
    """What is counted is what the client caught, before, during and after."""
    engine = create_engine(fresh_postgres.url("psycopg"))
    caught = done = 0
    try:
        with engine.connect():  # SQLAlchemy asks a server some things once
            pass
        with watched(engine) as monitor:
            with engine.connect() as connection:
                for turn in range(20):
                    if turn == 10:
                        fresh_postgres.kill()
                    try:
                        connection.execute(select(1)).all()
                        done += 1
                    except DBAPIError:
                        caught += 1
                        break
            assert (done, caught) == (10, 1)
            assert (total(monitor, "count"), total(monitor, "errors")) == (11, 1)
            fresh_postgres.restart()
            with engine.connect() as connection:
                assert connection.scalar(select(1)) == 1
    finally:
        engine.dispose()


def test_a_fork_under_load_leaves_both_counting():
    """Threads count queries while the process forks: each child counts its own and no other.

    They count without a database: SQLite's own locks do not survive a fork that finds them held.
    """
    engine = create_engine("sqlite://", poolclass=StaticPool)
    stop = threading.Event()
    done = [0] * 3

    def load(thread: int) -> None:
        book = monitor.database.statements
        while not stop.is_set():
            shape = shapes.of_text(f"SELECT a FROM t{thread}", engine.dialect)
            book.add(shape).take((0.1, 0.1, 1, 1))
            book.fail(book.add(shape), 0.1)
            book.drain(book.add(shape))
            done[thread] += 2
            if not done[thread] % 100:
                monitor.metrics.flush()

    with watched(engine) as monitor, engine.connect() as connection:
        connection.execute(text("SELECT 'parent'")).all()
        shapes = monitor.database._seer.shapes
        threads = [threading.Thread(target=load, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        statuses = []
        for _ in range(20):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    signal.signal(signal.SIGALRM, signal.SIG_DFL)
                    signal.alarm(20)
                    with monitor.database.scope() as scope:
                        for _ in range(7):
                            connection.execute(text("SELECT 'child'")).all()
                    counts = (total(monitor, "count"), total(monitor, "errors"), scope.queries)
                    status = 0 if counts == (7, 0, 7) and not monitor.faults else 2
                finally:
                    os._exit(status)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        stop.set()
        for thread in threads:
            thread.join()
        assert statuses == [0] * 20
        assert total(monitor, "count") == sum(done) + 1
    engine.dispose()


def test_an_engine_disposed_under_load_goes_on(tmp_path: Any):
    """Every query is counted, whichever pool its connection came from."""
    engine = create_engine(f"sqlite:///{tmp_path / 'db'}")
    done = [0] * 3

    def load(thread: int) -> None:
        for _ in range(100):
            with engine.connect() as connection:
                connection.execute(select(1)).all()
                done[thread] += 1

    with watched(engine) as monitor:
        threads = [threading.Thread(target=load, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            engine.dispose()
        for thread in threads:
            thread.join()
        assert total(monitor, "count") == sum(done) == 300
    engine.dispose()


def flood(statements: int) -> None:
    """Send distinct statements that masking cannot fold; nothing may grow with them."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with watched(engine) as monitor, engine.connect() as connection:
        for number in range(6000):
            connection.exec_driver_sql(f"SELECT 1 AS a{number}x").scalar()
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(6000, statements):
            connection.exec_driver_sql(f"SELECT 1 AS a{number}x").scalar()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert total(monitor, "count") == statements
        kept = {each.key: each.count for each in monitor.database.statements}
        assert len(kept) == 4097
        assert kept["other"] == statements - 4096
        assert grown < 30_000, f"{grown} kB"
    engine.dispose()


def test_fifty_thousand_distinct_statements_are_bounded():
    """4,096 have a name, `other` takes the rest, exactly; memory stays."""
    flood(50_000)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_million_distinct_statements_are_bounded():
    """Likewise."""
    flood(1_000_000)


def test_statements_of_a_megabyte_are_counted():
    """As text, as driver SQL, with a million characters of values or of names."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with watched(engine) as monitor, engine.connect() as connection:
        for filler in ("x", "1"):
            for _ in range(3):
                connection.exec_driver_sql(f"SELECT '{filler * 1_000_000}'").scalar()
                connection.execute(text(f"SELECT 1 -- {filler * 900_000}")).scalar()
        assert total(monitor, "count") == 12
        assert all(len(each.shape.sql) < 5000 for each in monitor.database.statements)
    engine.dispose()


class Hostile:
    """A parameter that nobody may look at."""

    def __conform__(self, _protocol: object) -> str:
        return "bound"

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError("not to be looked at")

    __repr__ = __str__ = __len__ = __eq__ = __bool__ = __iter__ = __hash__ = _refuse


@pytest.mark.parametrize("profiling", [False, True])
def test_hostile_parameters_are_not_looked_at(profiling: bool):
    """Binary ones neither."""
    import attrs

    from hhs_perf import Settings

    held = attrs.evolve(Settings().database, profiling=profiling, slow_query=1e-9)
    monitor = Monitor(attrs.evolve(Settings(), database=held), installed_plugins=False, tick=False)
    engine = create_engine("sqlite://", poolclass=StaticPool)
    monitor.database.instrument(engine)
    with monitor.database.scope() as scope, engine.connect() as connection:
        for value in (Hostile(), os.urandom(100_000), "\0", memoryview(b"\xff")):
            connection.exec_driver_sql("SELECT ?", (value,)).all()
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql("SELECT ?", (object(),))
    assert scope.queries == 5
    assert total(monitor, "errors") == 1
    assert not monitor.faults
    monitor.close()
    engine.dispose()


def test_finalizers_may_run_queries_at_any_time():
    """The collector runs in the midst of whatever we do."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    other = create_engine("sqlite://", poolclass=StaticPool)
    sent = 0

    class Sends:
        def __del__(self) -> None:
            nonlocal sent
            with other.connect() as connection:
                connection.execute(text(f"SELECT {sent}, :a"), {"a": 1}).all()
            sent += 1

    was = gc.get_threshold()
    with watched(engine) as monitor:
        monitor.database.instrument(other)
        gc.set_threshold(7, 2, 2)
        try:
            with monitor.database.scope() as scope, engine.connect() as connection:
                for number in range(400):
                    ring = [Sends()]
                    ring.append(ring)
                    del ring
                    connection.execute(text(f"SELECT 1 AS b{number % 50}")).all()
        finally:
            gc.set_threshold(*was)
        gc.collect()
        assert sent == 400
        assert total(monitor, "count") == 800
        assert scope.queries > 400
    engine.dispose()
    other.dispose()


def test_signal_handlers_may_run_queries():
    """A handler runs between any two instructions of the main thread, ours among them."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    other = create_engine("sqlite://", poolclass=StaticPool)
    handled = 0

    def again(seconds: float = 0.001) -> None:
        # Once, of the time that the process runs: however slow the machine, none is interrupted.
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)

    def handle(*_: object) -> None:
        nonlocal handled
        handled += 1
        with other.connect() as connection:
            connection.execute(text("SELECT 2")).all()
        again()

    was = signal.signal(signal.SIGVTALRM, handle)
    try:
        with watched(engine) as monitor, engine.connect() as connection:
            monitor.database.instrument(other)
            again()
            done = 0
            while handled < 100:
                connection.execute(text("SELECT 1")).all()
                done += 1
                if not done % 50:
                    monitor.metrics.flush()
            again(0)
            assert total(monitor, "count") == done + handled
    finally:
        again(0)
        signal.signal(signal.SIGVTALRM, was)
        engine.dispose()
        other.dispose()


@pytest.fixture
def hears_ctrl_c():
    """Who runs the tests in the background may have taught them to pass over it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_an_interrupt_in_the_midst_of_a_query_goes_through():
    """KeyboardInterrupt is an error of the query, and nothing is broken after it."""
    engine = create_engine("sqlite://", poolclass=StaticPool)

    def interrupt(_cursor: Any, sql: str, *_: Any) -> None:
        if "interrupted" in sql:
            signal.raise_signal(signal.SIGINT)

    with watched(engine) as monitor:
        event.listen(engine, "do_execute", interrupt)
        with monitor.database.scope() as scope, engine.connect() as connection:
            with pytest.raises(KeyboardInterrupt):
                connection.execute(text("SELECT 1 AS interrupted")).all()
            connection.rollback()
            for _ in range(3):
                connection.execute(select(1)).all()
        assert scope.queries == 4
        assert total(monitor, "count") == 4
        assert total(monitor, "errors") == 1
    engine.dispose()
