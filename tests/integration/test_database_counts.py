"""What was counted is what the databases themselves counted, statement for statement.

Left out are what no engine sends: BEGIN, COMMIT and ROLLBACK are the drivers', as are two-phase
commits with psycopg, cursors declared and fetched from on the server's side (one statement of the
application each), and what asyncpg asks about types for itself.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from hhs_perf import Monitor

METADATA = MetaData()
THINGS = Table(
    "things",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(40)),
    Column("number", Integer),
)
# Takes the rows of batches, by the thousand: nobody reads it, so reading stays as fast as it was.
PILES = Table(
    "piles",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(40)),
    Column("number", Integer),
)
STATEMENTS = 10_000


@contextmanager
def watched(engine: Any) -> Iterator[Monitor]:
    monitor = Monitor(installed_plugins=False, tick=False)
    monitor.database.instrument(engine)
    try:
        yield monitor
        assert not monitor.faults
    finally:
        monitor.close()


def figures(monitor: Monitor) -> tuple[int, int, int]:
    """Return executions, executions by sets of parameters, and errors."""
    monitor.metrics.flush()
    statements = list(monitor.database.statements)
    return tuple(
        sum(getattr(each, name) for each in statements) for name in ("count", "executed", "errors")
    )


class Deeds:
    """A mixed run over a connection; counts the errors that the client caught."""

    def __init__(self, seed: int, has_functions: bool) -> None:
        self.random = random.Random(seed)
        self.errors = 0
        self.done = 0
        self.deeds: list[Callable[[Any], None]] = [
            *(self.read, self.read_many, self.change, self.driver_sql, self.text) * 3,
            *(self.many, self.batches, self.stream, self.savepoint, self.fail, self.unread),
            *((self.function,) if has_functions else ()),
        ]

    def run(self, connection: Any, statements: int) -> None:
        while self.done < statements:
            self.done += 1
            self.random.choice(self.deeds)(connection)

    def read(self, connection: Any) -> None:
        number = self.random.randrange(50)
        connection.execute(select(THINGS).where(THINGS.c.number == number)).all()

    def read_many(self, connection: Any) -> None:
        numbers = range(self.random.randrange(1, 40))
        connection.execute(select(THINGS.c.name).where(THINGS.c.id.in_(numbers))).first()

    def change(self, connection: Any) -> None:
        number = self.random.randrange(50)
        connection.execute(insert(THINGS).values(name="one", number=number))
        connection.execute(update(THINGS).where(THINGS.c.number == number).values(name="x"))
        connection.execute(delete(THINGS).where(THINGS.c.id < 0))
        self.done += 2

    def driver_sql(self, connection: Any) -> None:
        connection.exec_driver_sql(f"SELECT {self.random.randrange(9)}, 'a'").scalar()

    def text(self, connection: Any) -> None:
        connection.execute(text("SELECT count(*) FROM things WHERE number > :n"), {"n": 3}).scalar()

    def many(self, connection: Any) -> None:
        rows = self.random.randrange(2, 20)
        connection.execute(
            update(THINGS).where(THINGS.c.id == -1).values(name=text("'z'")),
            [{"number": n} for n in range(rows)],
        )
        self.done += rows - 1

    def batches(self, connection: Any) -> None:
        rows = [{"name": "b", "number": n} for n in range(self.random.randrange(2, 30))]
        sized = connection.execution_options(insertmanyvalues_page_size=10)
        found = sized.execute(insert(PILES).returning(PILES.c.id), rows).all()
        assert len(found) == len(rows)

    def stream(self, connection: Any) -> None:
        query = select(THINGS.c.id).limit(30).execution_options(stream_results=True)
        with connection.execute(query) as result:
            for _ in result.partitions(10):
                pass

    def unread(self, connection: Any) -> None:
        connection.execute(select(THINGS.c.id)).close()

    def savepoint(self, connection: Any) -> None:
        with connection.begin_nested() as nested:
            self.read(connection)
            if self.random.random() < 0.5:
                nested.rollback()
        self.done += 2

    def fail(self, connection: Any) -> None:
        try:
            with connection.begin_nested():
                if self.random.random() < 0.5:
                    connection.execute(text("SELECT nonsense FROM nowhere"))
                else:
                    connection.execute(insert(THINGS).values(id=1, name="twice"))
        except DBAPIError:
            self.errors += 1
        self.done += 2

    def function(self, connection: Any) -> None:
        connection.execute(select(func.add_thing("f"))).scalar_one()
        connection.execute(text("CALL touch_things(:n)"), {"n": 1})
        self.done += 1


def prepare(connection: Any) -> None:
    METADATA.create_all(connection)
    rows = [{"id": number, "name": "first", "number": number % 50} for number in range(1, 61)]
    connection.execute(insert(THINGS), rows)


@pytest.fixture
def traced(tmp_path: Any) -> Iterator[tuple[Any, Callable[[], list[str]]]]:
    """An engine on SQLite, and what SQLite says it executed."""
    seen: list[str] = []
    engine = create_engine(f"sqlite:///{tmp_path / 'db'}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def trace(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        connection.set_trace_callback(seen.append)

    with engine.begin() as connection:
        prepare(connection)
    engine.dispose()

    def told() -> list[str]:
        own = ("BEGIN", "COMMIT", "ROLLBACK")
        # A statement that could not be compiled is no execution; a rollback to a savepoint is one.
        return [sql for sql in seen if not sql.startswith(own) or sql.startswith("ROLLBACK TO")]

    seen.clear()
    yield engine, told
    engine.dispose()


def successes(told: list[str]) -> int:
    """Count what SQLite traced without the INSERTs that failed."""
    failed = sum("(1, 'twice'" in sql for sql in told)
    return len(told) - failed


def test_counts_are_sqlites_own(traced: Any):
    """10,000 statements of every kind, by sets of parameters."""
    engine, told = traced
    deeds = Deeds(1, has_functions=False)
    with watched(engine) as monitor:
        with engine.connect() as connection:
            deeds.run(connection, STATEMENTS)
            connection.commit()
        count, executed, errors = figures(monitor)
    assert deeds.errors > 100
    assert errors == deeds.errors
    assert executed == successes(told()) > STATEMENTS * 0.8
    assert count <= executed + errors


def test_counts_are_sqlites_own_under_threads(traced: Any):
    """Four threads write one after the other, and read side by side."""
    engine, told = traced
    runs = [Deeds(seed, has_functions=False) for seed in range(4)]

    def work(deeds: Deeds) -> None:
        done = 0
        while done < 500:
            with turn, engine.connect() as connection:
                done += 50
                deeds.run(connection, done)
                connection.commit()
            with engine.connect() as connection:
                for _ in range(10):
                    deeds.read(connection)

    turn = threading.Lock()
    with watched(engine) as monitor:
        threads = [threading.Thread(target=work, args=(deeds,)) for deeds in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _, executed, errors = figures(monitor)
    assert errors == sum(deeds.errors for deeds in runs) > 0
    assert executed == successes(told())


async def test_counts_are_sqlites_own_with_aiosqlite(tmp_path: Any):
    """The same over greenlets, with tasks that take turns."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'db'}")
    seen: list[str] = []

    @event.listens_for(engine.sync_engine, "connect")
    def trace(connection: Any, _record: Any) -> None:
        connection.run_async(lambda driver: driver.set_trace_callback(seen.append))

    try:
        async with engine.begin() as connection:
            await connection.run_sync(prepare)
        seen.clear()
        runs = [Deeds(seed, has_functions=False) for seed in range(3)]
        turn = asyncio.Lock()

        async def work(deeds: Deeds) -> None:
            for done in range(100, 600, 100):
                async with turn, engine.connect() as connection:
                    await connection.run_sync(deeds.run, done)
                    await connection.commit()

        with watched(engine) as monitor:
            await asyncio.gather(*map(work, runs))
            _, executed, errors = figures(monitor)
    finally:
        await engine.dispose()
    own = ("BEGIN", "COMMIT", "ROLLBACK")
    told = [sql for sql in seen if not sql.startswith(own) or sql.startswith("ROLLBACK TO")]
    assert errors == sum(deeds.errors for deeds in runs) > 0
    assert executed == successes(told)


FUNCTIONS = """
CREATE FUNCTION add_thing(given text) RETURNS int LANGUAGE sql
    AS $$ INSERT INTO things (name) VALUES (given) RETURNING id $$;
CREATE PROCEDURE touch_things(given int) LANGUAGE sql
    AS $$ UPDATE things SET number = number WHERE id = given $$;
"""
OWN = (
    *("BEGIN", "COMMIT%", "ROLLBACK%", "PREPARE TRANSACTION%", "SELECT pg_stat%", "DECLARE%"),
    *("FETCH%", "CLOSE%", "MOVE%", "SAVEPOINT%", "RELEASE%", "DEALLOCATE%", "%pg_type%", "SET %"),
    "%LIMIT%",  # a stream: a cursor with psycopg, itself with asyncpg
)


def calls(database: Any) -> Counter[str]:
    """Return how often PostgreSQL executed what, without what the drivers send."""
    unlike = " AND ".join(f"query NOT ILIKE '{each}'" for each in OWN)
    rows = database.say(
        "SELECT query, calls FROM pg_stat_statements WHERE toplevel AND dbid = "
        f"(SELECT oid FROM pg_database WHERE datname = current_database()) AND {unlike}"
    )
    found: Counter[str] = Counter()
    for query, count in rows:
        found[query] += count
    return found


def executed_like_that(monitor: Monitor) -> int:
    """Return what we counted of that: savepoints left out, and streams, which are cursors.

    So is what prepares a two-phase commit: newer releases of SQLAlchemy leave it to psycopg, older
    ones, as 2.0.38, execute it like any statement.
    """
    own = ("SAVEPOINT", "RELEASE", "ROLLBACK", "PREPARE TRANSACTION")
    monitor.metrics.flush()
    return sum(
        each.executed
        for each in monitor.database.statements
        if not each.shape.sql.startswith(own) and "LIMIT" not in each.shape.sql
    )


@pytest.fixture
def counting(pg_database: Any) -> Any:
    """A database whose functions stand and whose statistics are empty."""
    engine = create_engine(pg_database.url("psycopg"))
    with engine.begin() as connection:
        prepare(connection)
        connection.exec_driver_sql(FUNCTIONS)
        connection.exec_driver_sql("SELECT setval('things_id_seq', 100)")
    engine.dispose()
    return pg_database


def connected(engine: Any) -> None:
    """Have the engine ask what it asks of every server once."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def test_counts_are_postgresqls_own(counting: Any):
    """10,000 statements over psycopg in three threads, two-phase transactions among them."""
    engine = create_engine(counting.url("psycopg"))
    runs = [Deeds(seed, has_functions=True) for seed in range(3)]

    def work(deeds: Deeds) -> None:
        done = 0
        while done < STATEMENTS // 3:
            done += 500
            with engine.connect() as connection:
                transaction = connection.begin_twophase()
                deeds.run(connection, done)
                transaction.prepare()
                transaction.commit()

    try:
        connected(engine)
        counting.say("SELECT pg_stat_statements_reset()")
        with watched(engine) as monitor:
            # Rows of one another would be waited for until the end of the transaction.
            for deeds in runs:
                writing = {"change", "many", "function"}
                deeds.deeds = [deed for deed in deeds.deeds if deed.__name__ not in writing]
            threads = [threading.Thread(target=work, args=(deeds,)) for deeds in runs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            alone = Deeds(9, has_functions=True)
            with Session(engine) as session:
                alone.run(session.connection(), STATEMENTS // 3)
                session.commit()
            _, _, errors = figures(monitor)
            executed = executed_like_that(monitor)
    finally:
        engine.dispose()
    assert errors == sum(deeds.errors for deeds in (*runs, alone)) > 100
    assert executed == calls(counting).total() > STATEMENTS * 0.8


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_counts_are_postgresqls_own_when_awaited(driver: str, counting: Any):
    """Tasks side by side over asyncpg and asynchronous psycopg."""
    engine = create_async_engine(counting.url(driver), pool_size=3)
    runs = [Deeds(seed, has_functions=True) for seed in range(3)]
    turn = asyncio.Lock()

    async def work(deeds: Deeds) -> None:
        for done in range(100, 700, 100):
            async with turn, engine.connect() as connection:
                await connection.run_sync(deeds.run, done)
                await connection.commit()
            async with engine.connect() as connection:
                for _ in range(20):
                    await connection.run_sync(deeds.read)

    try:
        for _ in range(2):
            async with engine.connect() as connection:
                await connection.run_sync(Deeds(0, has_functions=True).run, 60)
        counting.say("SELECT pg_stat_statements_reset()")
        with watched(engine) as monitor:
            await asyncio.gather(*map(work, runs))
            _, _, errors = figures(monitor)
            executed = executed_like_that(monitor)
    finally:
        await engine.dispose()
    assert errors == sum(deeds.errors for deeds in runs) > 0
    assert executed == calls(counting).total() > 1000


@pytest.mark.parametrize("rows", [1, 4, 5, 300])
@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_rows_are_counted_that_the_driver_held_already(
    driver: str, is_stream: bool, rows: int, counting: Any
):
    """As many as were sent, whether fetching them is timed or taken for done."""
    engine = create_async_engine(counting.url(driver))
    sync = create_engine(counting.url("psycopg"))
    query = select(func.generate_series(1, rows).column_valued("n"))
    query = query.execution_options(stream_results=is_stream)
    try:
        with watched(sync) as monitor, sync.connect() as connection:
            for _ in range(4):
                assert len(connection.execute(query).all()) == rows
            [statement] = _seen(monitor)
            assert (statement.count, statement.rows, statement.errors) == (4, 4 * rows, 0)
        with watched(engine) as monitor:
            async with engine.connect() as connection:
                for _ in range(4):
                    result = await connection.stream(query) if is_stream else None
                    found = (
                        await result.all() if result else (await connection.execute(query)).all()
                    )
                    assert len(found) == rows
            [statement] = _seen(monitor)
            assert (statement.count, statement.rows, statement.errors) == (4, 4 * rows, 0)
    finally:
        await engine.dispose()
        sync.dispose()


def _seen(monitor: Monitor) -> list[Any]:
    monitor.metrics.flush()
    return [each for each in monitor.database.statements if "generate_series" in each.shape.sql]


@pytest.mark.parametrize("listens", [False, True])
def test_an_error_of_rows_that_the_driver_held_already_is_counted(listens: bool, counting: Any):
    """A driver cannot make a datetime of what lies beyond the last: each attempt is an error."""
    engine = create_engine(counting.url("psycopg"))
    if listens:
        event.listen(engine, "handle_error", lambda _: None)
    query = select(literal_column("'infinity'::timestamp"))
    try:
        with watched(engine) as monitor, engine.connect() as connection:
            for _ in range(5):
                with pytest.raises(DBAPIError, match="too large"):
                    connection.execute(query).all()
            count, _, errors = figures(monitor)
    finally:
        engine.dispose()
    assert (count, errors) == (5, 5)
