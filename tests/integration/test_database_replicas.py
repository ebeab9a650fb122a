"""Routing on a real streaming standby: own writes, lag, permissions, read-only transactions."""

from __future__ import annotations

import contextlib
import time

import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, func, insert, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from hhs_perf.adapters import fastapi as fastapi_adapter
from hhs_perf.database.replicas import (
    ReplicaRouter,
    RoutingSession,
    async_routing_sessionmaker,
    primary,
    read_only,
    routing_sessionmaker,
    tokens,
)
from hhs_perf.exceptions import ReadOnlyError
from hhs_perf.web import allow_all
from tests.servers import wait_until
from tests.web_calls import call_asgi, quiet_monitor

PAIRS = 200
IN_RECOVERY = select(func.pg_is_in_recovery())
MODE = select(func.current_setting("transaction_read_only"))


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture(autouse=True)
def own_context():
    token = tokens._written.set(None)
    yield
    tokens._written.reset(token)


def made_on(pair):
    made = pair.database()
    made.say("CREATE TABLE note (id integer PRIMARY KEY)")
    made.say(
        "CREATE FUNCTION sly() RETURNS integer LANGUAGE sql VOLATILE AS"
        " 'INSERT INTO note VALUES (7) RETURNING id'"
    )
    pair.wait_for_replay()
    return made


@pytest.fixture(scope="module")
def module_database(shared_standby):
    return made_on(shared_standby)


@pytest.fixture
def database(standby, module_database):
    """An empty table, and `sly()`, which writes though its name does not say so."""
    module_database.say("DELETE FROM note")
    standby.wait_for_replay()
    return module_database


def loose(driver):
    """Commit without waiting for the disk: the position written lags behind the commit's."""
    if driver == "asyncpg":
        return {"server_settings": {"synchronous_commit": "off"}}
    return {"options": "-c synchronous_commit=off"}


@pytest.fixture
def engines(standby, database):
    made = [
        create_engine(database.url("psycopg"), connect_args=loose("psycopg")),
        create_engine(standby.replica.url("psycopg", database)),
    ]
    yield made
    for engine in made:
        engine.dispose()


@pytest.fixture(params=["asyncpg", "psycopg"])
async def async_engines(request, standby, database):
    made = [
        create_async_engine(database.url(request.param), connect_args=loose(request.param)),
        create_async_engine(standby.replica.url(request.param, database)),
    ]
    yield made
    for engine in made:
        await engine.dispose()


def watched(engines, **options):
    router = ReplicaRouter(engines[0], engines[1:], **{"probe_every": 0.05} | options)
    router.start()
    router.probe()
    (replica,) = router.report().replicas
    assert (replica.state, replica.last_error) == ("healthy", None)
    return router


def stale_reads(router, start, *, with_token):
    """Commit and read back in another transaction; tell each read that did not see the commit."""
    sessions = routing_sessionmaker(router)
    for number in range(start, start + PAIRS):
        with sessions() as session:
            session.add(Note(id=number))
            session.commit()
        if not with_token:
            router.remember(None)
        with sessions() as session:
            if session.get(Note, number) is None:
                yield number


def test_own_writes_are_never_stale(engines):
    with watched(engines) as router:
        assert list(stale_reads(router, 0, with_token=True)) == []
        report = router.report()
        assert report.replicas[0].state == "healthy"
        # What makes the test worth something: without the token the same reads are stale.
        assert next(stale_reads(router, PAIRS, with_token=False), None) is not None


async def stale_reads_async(router, start, *, with_token):
    sessions = async_routing_sessionmaker(router)
    for number in range(start, start + PAIRS):
        async with sessions() as session:
            session.add(Note(id=number))
            await session.commit()
        if not with_token:
            router.remember(None)
        async with sessions() as session:
            if await session.get(Note, number) is None:
                yield number


async def test_own_writes_are_never_stale_with_asynchronous_drivers(async_engines):
    with watched(async_engines) as router:
        assert [each async for each in stale_reads_async(router, 0, with_token=True)] == []
        without = stale_reads_async(router, PAIRS, with_token=False)
        assert await anext(without, None) is not None
        await without.aclose()


def test_reads_come_back_to_the_replica_as_soon_as_it_shows_the_commit_and_no_sooner(engines):
    with watched(engines) as router, RoutingSession(router=router) as session:
        for number in range(8):
            session.add(Note(id=number))
            session.commit()
            assert session.scalar(IN_RECOVERY) is False

            def is_back():
                session.rollback()
                return session.scalar(IN_RECOVERY)

            wait_until(is_back, "the replica to be read again")
            assert session.get(Note, number, populate_existing=True) is not None
            session.rollback()


def test_the_position_costs_one_round_trip_and_no_second_connection(standby, database):
    engine = create_engine(database.url("psycopg"), pool_size=1, max_overflow=0, pool_timeout=1)
    replica = create_engine(standby.replica.url("psycopg", database))
    with ReplicaRouter(engine, [replica]) as router, RoutingSession(router=router) as session:
        session.add(Note(id=1))
        session.commit()
        assert router.token().startswith("1.")
        assert "-" not in router.token()
        assert engine.pool.checkedout() == 0
        session.add(Note(id=2))
        session.commit()
    engine.dispose()
    replica.dispose()


def test_a_replica_that_replays_nothing_is_left_within_the_lag_allowed_and_one_probe(
    engines, standby
):
    max_lag, every = 0.5, 0.1
    router = watched(engines, max_lag=max_lag, probe_every=every)
    with router, RoutingSession(router=router) as session:
        numbers = iter(range(10**6))
        insert_note = insert(Note)

        def reads_replica():
            with RoutingSession(router=router) as writer:
                writer.execute(insert_note.values(id=next(numbers)))
                writer.commit()
            router.remember(None)
            where = session.scalar(IN_RECOVERY)
            session.rollback()
            return where

        assert reads_replica()
        standby.pause()
        began = time.monotonic()
        wait_until(lambda: not reads_replica(), "reads to leave the replica")
        left = time.monotonic() - began
        assert router.report().replicas[0].state == "lagging"
        assert router.report().replicas[0].lag > max_lag
        standby.resume()
        began = time.monotonic()
        wait_until(reads_replica, "reads to come back")
        print(f"left after {left:.2f} s, back after {time.monotonic() - began:.2f} s")
    # A quarter of a second for a machine that stalls.
    assert left <= max_lag + every + 0.25


def test_an_idle_primary_makes_no_lag(engines, standby):
    with watched(engines, max_lag=0.05) as router:
        standby.primary.say("SELECT pg_switch_wal()")

        def seen():
            return router.report().replicas[0]

        first = seen().probes
        wait_until(lambda: seen().lag == 0.0 and seen().probes > first + 2, "the replica")
        lags = set()
        wait_until(lambda: lags.add(seen().lag) or seen().probes > first + 15, "probes")
        print(f"a probe takes {seen().probe_p50 * 1000:.1f} ms")
        assert (seen().state, lags) == ("healthy", {0.0})


def test_own_writes_at_the_end_of_a_segment_are_reached(engines, standby):
    """The insert position then stands behind a page header that is not written yet."""
    with watched(engines) as router, RoutingSession(router=router) as session:
        session.add(Note(id=1))
        session.execute(text("SELECT pg_switch_wal()"))
        session.commit()
        session.execute(text("INSERT INTO note VALUES (2)"))
        session.commit()
        standby.primary.say("SELECT pg_switch_wal()")
        connection = engines[0].connect()
        router.committed(connection)
        connection.close()

        def is_back():
            where = session.scalar(IN_RECOVERY)
            session.rollback()
            return where

        wait_until(is_back, "the replica to be read again", 5)


def test_a_probe_that_may_not_ask_for_positions_leaves_the_lag_unknown(standby):
    database = made_on(standby)
    database.say("CREATE ROLE poor LOGIN")
    try:
        database.say("REVOKE EXECUTE ON FUNCTION pg_last_wal_replay_lsn() FROM PUBLIC")
        database.say("GRANT ALL ON note TO poor")
        standby.wait_for_replay()
        urls = [database.url("psycopg"), standby.replica.url("psycopg", database)]
        engines = [create_engine(url.replace("postgres@", "poor@")) for url in urls]
        with watched(engines, stick_for=0.2) as router, RoutingSession(router=router) as session:
            (replica,) = router.report().replicas
            assert replica.lag is None
            assert "permission denied" in replica.note
            assert session.scalar(IN_RECOVERY) is True
            session.rollback()
            session.add(Note(id=1))
            session.commit()
            assert session.scalar(IN_RECOVERY) is False
            session.rollback()
            wait_until(lambda: session.scalar(IN_RECOVERY) or session.rollback(), "the time's end")
        for engine in engines:
            engine.dispose()
    finally:
        database.say("DROP OWNED BY poor")
        database.say("DROP ROLE poor")


def test_a_function_that_writes_is_run_again_on_the_primary(engines):
    with watched(engines) as router, RoutingSession(router=router) as session:
        assert session.scalar(IN_RECOVERY) is True
        assert session.scalar(select(func.sly())) == 7
        assert session.scalar(IN_RECOVERY) is False
        session.commit()
        assert session.get(Note, 7) is not None
        assert router.report().replicas[0].state == "healthy"
        assert router.token() is not None


async def test_threads_of_one_request_read_what_another_one_wrote(engines, standby):
    """FastAPI runs a `def` dependency and a `def` endpoint in threads, each in its own context."""
    app = FastAPI()
    with watched(engines) as router:
        sessions = routing_sessionmaker(router)

        def written():
            with sessions.begin() as session:
                session.add(Note(id=1))

        @app.post("/", dependencies=[Depends(written)])
        def count():
            with sessions() as session:
                return session.scalar(select(func.count()).select_from(Note))

        fastapi_adapter.init_app(app, quiet_monitor(), auth=allow_all)
        standby.pause()
        assert (await call_asgi(app, "/", "POST")).body == b"1"


def test_within_read_only_the_server_refuses_what_writes_unseen(engines):
    with watched(engines) as router, RoutingSession(router=router) as session:
        with read_only(), pytest.raises(ReadOnlyError, match="refused by the server"):
            session.scalar(select(func.sly()))
        session.rollback()
        with primary(), read_only(), pytest.raises(ReadOnlyError, match="refused by the server"):
            session.scalar(select(func.sly()))
        session.rollback()
        session.add(Note(id=1))
        session.commit()


def test_read_only_leaves_nothing_behind_on_the_connections(engines):
    """A driver was told to write on a standby, once a read-only transaction had ended there."""
    with watched(engines) as router, RoutingSession(router=router) as session:
        for _ in range(3):
            with read_only():
                assert session.scalar(IN_RECOVERY) is True
                session.commit()
            assert session.scalar(IN_RECOVERY) is True
            session.commit()
            with primary(), read_only():
                assert session.scalar(MODE) == "on"
                session.commit()
            with primary():
                assert session.scalar(MODE) == "off"
                session.commit()
        assert router.faults.counts == {}


def test_a_write_behind_a_read_only_part_on_the_primary_takes_no_second_connection(
    standby, database
):
    engine = create_engine(database.url("psycopg"), pool_size=1, max_overflow=0, pool_timeout=1)
    replica = create_engine(standby.replica.url("psycopg", database))
    writes = {
        3: lambda session: session.add(Note(id=3)),
        4: lambda session: session.execute(insert(Note).values(id=4)),
        5: lambda session: session.connection().execute(insert(Note).values(id=5)),
        7: lambda session: session.scalar(select(func.sly())),
    }
    with watched([engine, replica]) as router, RoutingSession(router=router) as session:
        for write in writes.values():
            router.remember(None)
            with primary(), read_only():
                assert session.scalar(MODE) == "on"
            assert session.scalar(MODE) == "on"
            write(session)
            session.commit()
            assert router.token() is not None
            assert session.scalar(select(func.count()).select_from(Note)) > 0
            session.commit()
        with primary(), read_only(), session.begin_nested():
            session.scalar(MODE)
        with session.begin_nested():
            session.add(Note(id=6))
        session.commit()
        notes = set(session.scalars(select(Note.id)))
        assert notes == {*writes, 6}
    engine.dispose()
    replica.dispose()


@pytest.mark.parametrize("why", ["pinned", "lag", "own writes"])
def test_what_a_function_wrote_on_the_primary_is_read_back(engines, standby, why):
    with watched(engines) as router, RoutingSession(router=router) as session:
        standby.pause()
        if why == "own writes":
            session.add(Note(id=1))
            session.commit()
            written = router.token()
        elif why == "lag":
            router._watches[0].refusal = lambda *_: "lag"
        with primary() if why == "pinned" else contextlib.nullcontext():
            assert session.scalar(select(func.sly())) == 7
            session.commit()
        if why == "lag":
            del router._watches[0].refusal
        assert session.scalar(select(Note.id).where(Note.id == 7)) == 7
        if why == "own writes":
            assert router.token() != written


async def test_read_only_leaves_nothing_behind_on_asynchronous_connections(async_engines):
    with watched(async_engines) as router:
        async with async_routing_sessionmaker(router)() as session:
            for _ in range(3):
                async with read_only():
                    assert await session.scalar(IN_RECOVERY) is True
                    await session.commit()
                assert await session.scalar(IN_RECOVERY) is True
                await session.commit()


async def test_within_read_only_asynchronous_transactions_are_read_only_too(async_engines):
    with watched(async_engines) as router:
        sessions = async_routing_sessionmaker(router)
        async with read_only(), sessions() as session:
            where = await session.execute(select(func.pg_is_in_recovery()))
            assert where.scalar_one() is True
            assert await session.scalar(MODE) == "on"
        async with primary(), read_only(), sessions() as session:
            assert await session.scalar(MODE) == "on"
        async with sessions() as session:
            session.add(Note(id=1))
            await session.commit()


def test_errors_of_the_statement_travel_as_they_are(engines):
    with watched(engines) as router, RoutingSession(router=router) as session:
        with pytest.raises(ProgrammingError):
            session.execute(text("SELECT * FROM nowhere"))
        session.rollback()
        assert session.scalar(IN_RECOVERY) is True
