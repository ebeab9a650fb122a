"""Engines made from the environment: the guide's pool, and errors that say what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import registry
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool, QueuePool, StaticPool

from hhs_perf._settings import DatabaseSettings
from hhs_perf.database import engines
from hhs_perf.database.engines import (
    create_async_engine_from_env,
    create_async_replica_engines_from_env,
    create_engine_from_env,
    create_replica_engines_from_env,
)
from hhs_perf.exceptions import ConfigurationError

SECRET = "s3cr3t"
LOGIN = f"me:{SECRET}@db.example:5432"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/x.db"


def refused(environ: dict[str, str], make: object = create_engine_from_env) -> str:
    with pytest.raises(ConfigurationError) as caught:
        make(environ)
    said = str(caught.value)
    assert SECRET not in said
    assert caught.value.__cause__ is None or SECRET not in str(caught.value.__cause__)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return said


def test_pool_of_the_guide(sqlite_url: str) -> None:
    """10 connections, 20 above, 30 s patience, an hour of life, tested before use."""
    engine = create_engine_from_env({"DATABASE_URL": sqlite_url})
    pool = engine.pool
    assert type(pool) is QueuePool
    assert (pool.size(), pool._max_overflow, pool.timeout()) == (10, 20, 30.0)
    assert (pool._recycle, pool._pre_ping) == (3600.0, True)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()


def test_variables_and_arguments_win(sqlite_url: str) -> None:
    """Arguments over variables, variables over defaults."""
    environ = {
        "DATABASE_URL": sqlite_url,
        "DB_POOL_SIZE": "3",
        "DB_MAX_OVERFLOW": "4",
        "DB_POOL_TIMEOUT": "1.5",
        "DB_POOL_RECYCLE": "-1",
    }
    engine = create_engine_from_env(environ, max_overflow=7, pool_pre_ping=False, echo=False)
    pool = engine.pool
    assert (pool.size(), pool._max_overflow, pool.timeout()) == (3, 7, 1.5)
    assert (pool._recycle, pool._pre_ping) == (-1, False)


def test_settings_instead_of_the_environment(sqlite_url: str) -> None:
    engine = create_engine_from_env(settings=DatabaseSettings(url=sqlite_url, pool_size=2))
    assert engine.pool.size() == 2


@pytest.mark.parametrize("kind", [NullPool, StaticPool])
def test_what_a_pool_does_not_know_is_left_out(kind: type, sqlite_url: str) -> None:
    engine = create_engine_from_env({"DATABASE_URL": sqlite_url}, poolclass=kind)
    assert type(engine.pool) is kind
    assert engine.pool._pre_ping is True


def test_memory_database_keeps_its_own_pool() -> None:
    engine = create_engine_from_env({"DATABASE_URL": "sqlite://"})
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    assert not isinstance(engine.pool, QueuePool)
    engine.dispose()


def test_pool_made_by_the_caller_is_used_as_it_is(sqlite_url: str) -> None:
    first = create_engine_from_env({"DATABASE_URL": sqlite_url})
    assert create_engine_from_env({"DATABASE_URL": sqlite_url}, pool=first.pool).pool is first.pool


async def test_async_engine_from_the_same_variables(sqlite_url: str) -> None:
    """`sqlite://` leads to aiosqlite: both engines read one variable."""
    engine = create_async_engine_from_env({"DATABASE_URL": sqlite_url, "DB_POOL_SIZE": "4"})
    assert isinstance(engine.pool, AsyncAdaptedQueuePool)
    assert engine.pool.size() == 4
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await engine.dispose()
    memory = create_async_engine_from_env({"DATABASE_URL": "sqlite://"})
    assert isinstance(memory.sync_engine.pool, StaticPool)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgres+psycopg"])
def test_postgresql_without_a_driver_leads_to_psycopg(scheme: str) -> None:
    """Also in Heroku's spelling, which SQLAlchemy does not know."""
    environ = {"DATABASE_URL": f"{scheme}://{LOGIN}/shop"}
    made = [create_engine_from_env(environ), create_async_engine_from_env(environ)]
    assert [engine.dialect.is_async for engine in made] == [False, True]
    assert [engine.dialect.driver for engine in made] == ["psycopg", "psycopg"]
    assert made[0].url.password == SECRET


def test_url_is_missing() -> None:
    assert refused({}) == "DATABASE_URL is not set: it says where the database is"


def test_url_cannot_be_read() -> None:
    """What SQLAlchemy would say holds the password."""
    settings = DatabaseSettings(url=f"no url {SECRET}")
    with pytest.raises(ConfigurationError, match="DATABASE_URL: is no URL") as caught:
        create_engine_from_env(settings=settings)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_database_is_unknown() -> None:
    said = refused({"DATABASE_URL": f"klingon://{LOGIN}/x"})
    assert said == "DATABASE_URL: SQLAlchemy knows no database 'klingon'"


def test_driver_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it is named."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError) as caught:
        create_engine_from_env({"DATABASE_URL": f"postgresql+psycopg://{LOGIN}/x"})
    assert str(caught.value) == (
        "DATABASE_URL: the driver psycopg needs an extra that is not installed:"
        " pip install 'hhs-perf[postgres]'"
    )
    with pytest.raises(ConfigurationError, match="pip install pymssql"):
        create_engine_from_env({"DATABASE_URL": f"mssql+pymssql://{LOGIN}/x"})


def test_installed_driver_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asyncpg where psycopg is not there; the first in order where nothing is."""
    monkeypatch.setattr(engines, "find_spec", lambda name: name == "asyncpg" or None)
    engine = create_async_engine_from_env({"DATABASE_URL": f"postgresql://{LOGIN}/x"})
    assert engine.dialect.driver == "asyncpg"


def test_driver_of_the_other_kind() -> None:
    """The function to use instead is named."""
    said = refused({"DATABASE_URL": f"postgresql+asyncpg://{LOGIN}/x"})
    assert said.startswith("DATABASE_URL: the driver asyncpg is for asyncio alone")
    said = refused({"DATABASE_URL": "sqlite+pysqlite:///x.db"}, create_async_engine_from_env)
    assert "pysqlite is not for asyncio; use create_engine_from_env" in said


def test_replica_engines() -> None:
    """One for each URL where replicas are enabled, none where they are not."""
    environ = {
        "DATABASE_READ_REPLICA_URL": f"postgresql://{LOGIN}/a,postgresql://{LOGIN}/b",
        "ENABLE_READ_REPLICA": "true",
        "DB_POOL_SIZE": "2",
    }
    made = create_replica_engines_from_env(environ)
    assert [(engine.url.database, engine.pool.size()) for engine in made] == [("a", 2), ("b", 2)]
    later = create_async_replica_engines_from_env(environ)
    assert [engine.url.database for engine in later] == ["a", "b"]
    assert create_replica_engines_from_env({**environ, "ENABLE_READ_REPLICA": "false"}) == ()


def test_replicas_enabled_but_not_named() -> None:
    said = refused({"ENABLE_READ_REPLICA": "true"}, create_replica_engines_from_env)
    assert said == "ENABLE_READ_REPLICA is true, but DATABASE_READ_REPLICA_URL is not set"


def test_fault_in_a_replica_url_names_its_variable() -> None:
    environ = {
        "DATABASE_READ_REPLICA_URL": f"klingon://{LOGIN}/a",
        "ENABLE_READ_REPLICA": "true",
    }
    assert refused(environ, create_replica_engines_from_env).startswith("DATABASE_READ_REPLICA_URL")


def test_dialect_that_cannot_be_imported_is_said() -> None:
    """A dialect of somebody else's may be registered and its library be missing."""
    registry.register("absent", "no_such_library", "Dialect")
    try:
        said = refused({"DATABASE_URL": f"absent://{LOGIN}/x"})
    finally:
        registry.impls.pop("absent")
    assert said == (
        "DATABASE_URL: the dialect 'absent' cannot be imported: No module named 'no_such_library'"
    )
