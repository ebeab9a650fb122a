"""Pools on PostgreSQL: psycopg in threads, asyncpg and psycopg in tasks, a server that dies."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from sqlalchemy import exc, text

from hhs_perf._clock import SystemClock, Timeline
from hhs_perf._faults import Faults
from hhs_perf.database.engines import create_async_engine_from_env, create_engine_from_env
from hhs_perf.database.pools import PoolBook
from hhs_perf.metrics import LocalReader, Registry
from tests.postgres import Database, Postgres


class Watched:
    def __init__(self) -> None:
        clock = SystemClock()
        self.faults = Faults()
        self.metrics = Registry(clock=clock)
        self.book = PoolBook(
            timeline=Timeline(clock),
            faults=self.faults,
            collector_metrics=self.metrics,
            held_too_long=0.05,
        )


def environ_of(url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "DB_POOL_SIZE": "2",
        "DB_MAX_OVERFLOW": "1",
        "DB_POOL_TIMEOUT": "0.35",
    }


def test_waits_of_threads_agree_with_truth_outside(pg_database: Database) -> None:
    """Twelve threads on 2+1 connections of psycopg: waits, time-outs and connects told apart."""
    watched = Watched()
    engine = create_engine_from_env(environ_of(pg_database.url("psycopg")))
    watched.book.watch(engine)
    waits: list[float] = []
    timeouts: list[float] = []
    gate = threading.Barrier(12)

    def work() -> None:
        gate.wait()
        for _ in range(2):
            begun = time.perf_counter()
            try:
                connection = engine.connect()
            except exc.TimeoutError:
                timeouts.append(time.perf_counter() - begun)
                continue
            waits.append(time.perf_counter() - begun)
            with connection:
                connection.execute(text("SELECT pg_sleep(0.12)"))

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (report,) = watched.book.report()
    assert (report.timeouts, report.checkouts) == (len(timeouts), len(waits))
    assert timeouts
    # Besides the wait, `connect()` outside tests the connection, and sets up a new one.
    extra = sum(waits) + sum(timeouts) - report.connect.total - report.wait.total
    assert 0 <= extra < 24 * 0.02
    assert (report.most_in_use, report.in_use, report.connects) == (3, 0, report.connect.count)
    assert LocalReader(watched.metrics).read().count("db.pool.timeouts") == len(timeouts)
    assert not watched.faults.counts
    watched.book.unwatch(engine)
    engine.dispose()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_tasks_wait_and_hold(pg_database: Database, driver: str) -> None:
    """Eight tasks on 2+1 connections, one of which keeps its own."""
    watched = Watched()
    engine = create_async_engine_from_env(environ_of(pg_database.url(driver)))
    watched.book.watch(engine.sync_engine)
    release = asyncio.Event()

    async def keep() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            await release.wait()

    keeper = asyncio.create_task(keep(), name="keeper")
    outcomes: list[bool] = []

    async def work() -> None:
        try:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT pg_sleep(0.15)"))
            outcomes.append(True)
        except exc.TimeoutError:
            outcomes.append(False)

    await asyncio.gather(*(work() for _ in range(8)))
    (report,) = watched.book.report()
    assert (report.kind, report.timed_by) == ("AsyncAdaptedQueuePool", "pool")
    assert report.timeouts == outcomes.count(False) > 0
    assert report.checkouts == outcomes.count(True) + 1
    assert report.in_use == 1
    (holder,) = report.holders
    assert (holder.task, holder.now.function.rpartition(".")[2]) == ("keeper", "keep")
    assert holder.line.file.endswith("test_database_pools.py")
    release.set()
    await keeper
    assert watched.book.report()[0].in_use == 0
    assert not watched.faults.counts
    watched.book.unwatch(engine.sync_engine)
    await engine.dispose()


def test_server_that_restarts_is_counted(fresh_postgres: Postgres) -> None:
    """The test before use finds the dead connection and replaces it: nobody sees an error."""
    watched = Watched()
    engine = create_engine_from_env(environ_of(fresh_postgres.url("psycopg")))
    watched.book.watch(engine)
    with engine.connect(), engine.connect():
        pass
    fresh_postgres.restart()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    (report,) = watched.book.report()
    assert report.invalidations >= 1
    assert report.reconnects >= 1
    assert (report.in_use, report.timeouts) == (0, 0)
    fresh_postgres.kill()
    with pytest.raises(exc.OperationalError), engine.connect():
        pass
    (report,) = watched.book.report()
    assert report.connect_errors >= 1
    assert report.in_use == 0
    watched.book.unwatch(engine)
    engine.dispose()
