"""A standby that is killed, restarted, promoted or hangs, and a process that forks."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter

import pytest
from sqlalchemy import create_engine, func, insert, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from hhs_perf.database.replicas import (
    ReplicaRouter,
    RoutingSession,
    async_routing_sessionmaker,
    routing_sessionmaker,
    tokens,
)
from tests.servers import wait_until

IN_RECOVERY = select(func.pg_is_in_recovery())


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


@contextlib.contextmanager
def engines_of(pair):
    """Make engines for a database of the test's own, on both servers of a pair."""
    database = pair.database()
    database.say("CREATE TABLE note (id integer PRIMARY KEY)")
    pair.wait_for_replay()
    made = [
        create_engine(server.url("psycopg", database), pool_size=10)
        for server in (pair.primary, pair.replica)
    ]
    yield made
    for engine in made:
        engine.dispose()


@pytest.fixture
def engines(frail_standby):
    with engines_of(frail_standby) as made:
        yield made


def watched(engines, **options):
    router = ReplicaRouter(engines[0], engines[1:], **{"probe_every": 0.1} | options)
    router.start()
    router.probe()
    assert router.report().replicas[0].state == "healthy"
    return router


def reads_replica(router):
    with RoutingSession(router=router) as session:
        return session.scalar(IN_RECOVERY)


class Load:
    """Threads that read, some of them several times in a transaction, and note what they saw."""

    def __init__(self, router, readers=4):
        self.seen = Counter()
        self.errors = []
        self._sessions = routing_sessionmaker(router)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, args=(number,)) for number in range(readers)
        ]

    def _read(self, number):
        while not self._stop.is_set():
            try:
                with self._sessions() as session:
                    where = session.scalar(IN_RECOVERY)
                    if number == 0:
                        session.execute(insert(Note).values(id=time.monotonic_ns() % 2**31))
                    for _ in range(3 * number):
                        session.scalar(select(func.count()).select_from(Note))
                    session.commit()
                self.seen[where] += 1
            except Exception as exc:
                self.errors.append(exc)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def wait_for(self, where, more=20):
        before = self.seen[where]
        wait_until(lambda: self.seen[where] > before + more, f"reads where recovery is {where}")


def test_a_replica_killed_and_restarted_under_load_costs_no_error(engines, frail_standby):
    with watched(engines) as router, Load(router) as load:
        load.wait_for(True)
        frail_standby.kill()
        load.wait_for(False)
        wait_until(lambda: router.report().replicas[0].state == "down", "the death to be seen")
        frail_standby.restart()
        began = time.monotonic()
        load.wait_for(True)
        back = time.monotonic() - began
        report = router.report()
    print(f"{len(load.errors)} errors of {load.seen.total()} reads, back after {back:.2f} s")
    assert load.errors == []
    assert {each.reason for each in report.fallbacks} >= {"down"}


def test_a_replica_killed_between_two_reads_costs_an_error_only_if_they_are_isolated(
    engines, frail_standby
):
    isolated = engines[1].execution_options(isolation_level="REPEATABLE READ")
    with (
        watched(engines) as router,
        watched([engines[0], isolated]) as strict,
        RoutingSession(router=router) as loose,
        RoutingSession(router=strict) as session,
    ):
        assert [each.scalar(IN_RECOVERY) for each in (loose, session)] == [True, True]
        frail_standby.kill()
        assert loose.scalar(IN_RECOVERY) is False
        loose.add(Note(id=1))
        loose.commit()
        with pytest.raises(OperationalError):
            session.scalar(IN_RECOVERY)
        session.rollback()
        assert session.scalar(IN_RECOVERY) is False


@pytest.mark.soak
def test_a_replica_killed_again_and_again_costs_no_error(engines, frail_standby):
    with watched(engines) as router, Load(router) as load:
        for _ in range(15):
            load.wait_for(True)
            frail_standby.kill()
            load.wait_for(False)
            frail_standby.restart()
    print(f"{len(load.errors)} errors of {load.seen.total()} reads")
    assert load.errors == []


async def test_a_replica_killed_costs_asynchronous_sessions_no_error(engines, frail_standby):
    name = engines[0].url.database
    made = [
        create_async_engine(server.url("asyncpg", name))
        for server in (frail_standby.primary, frail_standby.replica)
    ]
    with watched(made) as router:
        sessions = async_routing_sessionmaker(router)

        async def where():
            async with sessions() as session:
                seen = await session.scalar(IN_RECOVERY)
                await session.commit()
                return seen

        assert [await where() for _ in range(20)] == [True] * 20
        async with sessions() as session:
            assert await session.scalar(IN_RECOVERY) is True
            frail_standby.kill()
            assert await session.scalar(IN_RECOVERY) is False
        assert [await where() for _ in range(20)] == [False] * 20
        assert router.report().replicas[0].state == "down"
    for engine in made:
        await engine.dispose()


def test_a_promoted_standby_is_read_no_more(fresh_standby):
    with engines_of(fresh_standby) as engines, watched(engines) as router:
        assert reads_replica(router)
        fresh_standby.promote()
        wait_until(lambda: router.report().replicas[0].state == "promoted", "the promotion")
        with RoutingSession(router=router) as session:
            session.add(Note(id=1))
            session.commit()
            assert session.get(Note, 1) is not None
        router.remember(None)
        assert not reads_replica(router)
        (replica,) = router.report().replicas
        assert "promoted" in replica.note
        reasons = {each.reason for each in router.report().fallbacks}
        assert reasons == {"promoted", "write"}


def test_a_standby_cut_off_from_its_primary_is_left_once_something_is_missing(
    engines, frail_standby
):
    """It has replayed all that it received, and nothing of what it received no more."""
    with watched(engines, max_lag=0.3) as router:
        replica = frail_standby.replica
        [(feed,)] = replica.say("SELECT quote_literal(current_setting('primary_conninfo'))")
        replica.say("ALTER SYSTEM SET primary_conninfo = ''")
        replica.say("SELECT pg_reload_conf()")
        try:
            gone = "SELECT count(*) FROM pg_stat_wal_receiver"
            wait_until(lambda: replica.say(gone) == [(0,)], "the receiver to end")
            with engines[0].begin() as connection:
                connection.execute(insert(Note).values(id=1))
            wait_until(lambda: router.report().replicas[0].state == "lagging", "the lag")
            assert not reads_replica(router)
        finally:
            replica.say(f"ALTER SYSTEM SET primary_conninfo = {feed}")
            replica.say("SELECT pg_reload_conf()")
        wait_until(lambda: reads_replica(router), "the replica to be read again")


def test_while_the_primary_is_dead_the_replica_is_read(engines, frail_standby):
    with watched(engines) as router:
        frail_standby.primary.kill()
        probes = router.report().replicas[0].probes
        wait_until(lambda: router.report().replicas[0].probes > probes + 3, "probes")
        assert reads_replica(router)
        (replica,) = router.report().replicas
        assert (replica.state, replica.lag) == ("healthy", 0.0)
        assert "primary did not tell" in replica.note


def test_a_probe_that_hangs_delays_no_request(engines, frail_standby):
    """Its own thread waits, and the replica is down a second after it was asked."""
    with watched(engines) as router:
        assert reads_replica(router)
        (watch,) = router._watches
        frail_standby.replica.pause()
        try:
            wait_until(watch._looking.locked, "a probe that hangs")
            time_taken = time.monotonic()
            router.choose()
            router.report()
            assert time.monotonic() - time_taken < 0.5
            wait_until(lambda: router.choose() == (None, "down"), "the silence to be seen", 10)
            assert not reads_replica(router)
        finally:
            frail_standby.replica.resume()
        wait_until(lambda: reads_replica(router), "the replica to be read again")


def test_a_forked_child_watches_with_connections_of_its_own(engines, frail_standby):
    with watched(engines) as router:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for engine in engines:
                    engine.dispose(close=False)
                wait_until(lambda: router.report().replicas[0].state == "healthy", "the probe", 8)
                code = 0 if reads_replica(router) else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        probes = router.report().replicas[0].probes
        wait_until(lambda: router.report().replicas[0].probes > probes + 2, "the parent's probes")
        (replica,) = router.report().replicas
        assert (replica.state, replica.last_error) == ("healthy", None)
        assert reads_replica(router)
