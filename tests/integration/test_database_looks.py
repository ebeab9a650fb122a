"""A closer look at a real PostgreSQL, through both drivers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hhs_perf import Monitor, Settings
from hhs_perf.advice import database_advice
from hhs_perf.database.looking import FIRST_AFTER, Looked
from hhs_perf.database.reporting import report_of
from tests.postgres import Database, Postgres

SECRET = "hunter2"
DAY = "2026-02-03"

_META = sa.MetaData()
PERSON = sa.Table(
    "person", _META, sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.Text)
)


def monitor_with(**environ: str) -> Monitor:
    settings = Settings.from_env({"HHS_PERF_SLOW_QUERY": "0.000001"} | environ)
    return Monitor(settings, tick=False, installed_plugins=False)


@pytest.fixture
def filled(pg_database: Database) -> Database:
    for sql in (
        "CREATE TABLE person (id int PRIMARY KEY, email text)",
        "INSERT INTO person SELECT g, 'p' || g FROM generate_series(1, 20000) g",
        "ANALYZE person",
        "CREATE TABLE fact (id int, ts timestamp) PARTITION BY RANGE (ts)",
        *(
            f"CREATE TABLE fact_{n} PARTITION OF fact"
            f" FOR VALUES FROM ('2026-0{n}-01') TO ('2026-0{n + 1}-01')"
            for n in range(1, 5)
        ),
    ):
        pg_database.say(sql)
    return pg_database


@pytest.fixture(params=["psycopg", "asyncpg"])
def engine(request: pytest.FixtureRequest, filled: Database) -> Iterator[sa.Engine | AsyncEngine]:
    if request.param == "psycopg":
        made = sa.create_engine(filled.url("psycopg"))
        yield made
        made.dispose()
        return
    yield create_async_engine(filled.url("asyncpg"), poolclass=sa.NullPool)


def run(engine: sa.Engine | AsyncEngine, statement: sa.Executable) -> None:
    if isinstance(engine, sa.Engine):
        with engine.connect() as connection:
            connection.execute(statement)
        return

    async def ask() -> None:
        async with engine.connect() as connection:
            await connection.execute(statement)

    asyncio.run(ask())


def statements() -> tuple[sa.Executable, ...]:
    return (
        sa.select(PERSON).where(PERSON.c.email == SECRET),
        sa.text("SELECT id FROM fact WHERE CAST(date(ts) AS text) = :day").bindparams(day=DAY),
        sa.text(f"SELECT id FROM fact WHERE id + 471147114711 = 1 AND '{SECRET}' <> ''"),
    )


def shown(monitor: Monitor, looked: Looked) -> Any:
    text = msgspec.json.encode(report_of(monitor.database)).decode()
    for value in (SECRET, DAY, "471147114711"):
        assert value not in text
        assert value not in repr(looked.partitions)
    return msgspec.json.decode(text)


def test_indexes_and_partitions_are_found_and_no_value_is_shown(
    engine: sa.Engine | AsyncEngine,
) -> None:
    monitor = monitor_with()
    monitor.database.instrument(engine)
    for statement in statements():
        run(engine, statement)
    report = shown(monitor, monitor.database.look_closer())
    [indexes] = report["indexes"]
    assert [(each["table"], each["columns"]) for each in indexes["advice"]] == [
        ("person", ["email"])
    ]
    assert indexes["advice"][0]["gain"] is None
    found = {each["why"]: each for each in report["partitions"]}
    assert found["hidden"]["column"] == "ts"
    assert found["hidden"]["expression"] == "date(ts)"
    assert (found["hidden"]["scanned"], found["hidden"]["total"]) == (4, 4)
    rules = [each.rule for each in database_advice(monitor.database.report())]
    assert {"missing-index", "partition-pruning"} <= set(rules)
    assert all(each["plan"] is None for each in report["slow_latest"])
    assert monitor.faults == {}
    monitor.close()


def test_development_keeps_plans_and_proves_indexes(engine: sa.Engine | AsyncEngine) -> None:
    monitor = monitor_with(ENABLE_QUERY_PROFILING="true")
    monitor.database.instrument(engine)
    run(engine, statements()[0])
    report = shown(monitor, monitor.database.look_closer())
    [slow] = [each for each in report["slow_latest"] if "person" in each["statement"]]
    assert "Seq Scan" in slow["plan"]["text"]
    [advice] = report["indexes"][0]["advice"]
    assert advice["gain"] > 2
    assert report["look"]["proves"] is True
    monitor.close()


def test_a_look_counts_as_no_query_and_no_connection(filled: Database) -> None:
    engine = sa.create_engine(filled.url("psycopg"))
    monitor = monitor_with()
    monitor.database.instrument()
    run(engine, statements()[0])
    before = monitor.database.report()
    monitor.database.look_closer()
    report = monitor.database.report()
    assert report.since_start.queries == before.since_start.queries
    assert report.pools == before.pools
    assert len(report.engines) == 1
    monitor.close()
    engine.dispose()


def test_a_look_waits_for_no_server_that_does_not_answer(fresh_postgres: Postgres) -> None:
    """The tick goes on at once, and so does whoever closes the monitor."""
    import time

    fresh_postgres.say("CREATE TABLE person (id int PRIMARY KEY, email text)")
    engine = sa.create_engine(fresh_postgres.url("psycopg"))
    monitor = monitor_with()
    monitor.database.instrument(engine)
    run(engine, statements()[0])
    looker = monitor.database.looker
    looker.tick()
    looker._due_at = looker._clock.monotonic() - FIRST_AFTER
    fresh_postgres.pause()
    began = time.monotonic()
    looker.tick()
    monitor.close()
    assert time.monotonic() - began < 1
    fresh_postgres.resume()
    with looker._looking:
        pass
    engine.dispose()
