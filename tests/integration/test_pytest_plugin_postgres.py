"""What SQLAlchemy asks a server of its own accord is no query of the code under test."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from hhs_perf.pytest_plugin import assert_query_count
from tests.postgres import Database


def test_the_first_connection_of_an_engine_adds_nothing(pg_database: Database) -> None:
    engine = sa.create_engine(pg_database.url(), pool_pre_ping=True)
    for _ in range(2):
        with assert_query_count(1), engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
    engine.dispose()


async def test_the_first_connection_of_an_asynchronous_engine_adds_nothing(
    pg_database: Database,
) -> None:
    engine = create_async_engine(pg_database.url("asyncpg"), pool_pre_ping=True)
    for _ in range(2):
        with assert_query_count(1, engine):
            async with engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
    await engine.dispose()
