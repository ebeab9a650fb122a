"""Engines made from settings: the pool of the performance guide, errors that say what to do."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from .._settings import Settings
from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL, Engine
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import Pool

    from .._settings import DatabaseSettings

__all__ = [
    "create_async_engine_from_env",
    "create_async_replica_engines_from_env",
    "create_engine_from_env",
    "create_replica_engines_from_env",
]

_URL: Final = "DATABASE_URL"
_REPLICAS: Final = "DATABASE_READ_REPLICA_URL"
_POSTGRES: Final = frozenset({"postgres", "postgresql"})
# In the order of preference; what is installed is taken.
_SYNC_DRIVERS: Final = ("psycopg", "psycopg2")
_ASYNC_DRIVERS: Final = ("psycopg", "asyncpg")
_IN_EXTRA: Final = frozenset({"psycopg", "asyncpg", "psycopg2"})


def create_engine_from_env(
    environ: Mapping[str, str] | None = None,
    *,
    settings: DatabaseSettings | None = None,
    **engine_kwargs: Any,
) -> Engine:
    """Make an engine for `DATABASE_URL` with the pool that the `DB_POOL_…` variables describe.

    Reads `environ`, the environment of the process by default, unless `settings` are given.
    Connections are tested before use (`pool_pre_ping`). What the caller gives in
    `engine_kwargs`, as `create_engine` takes it, wins; what a pool of the kind does not know,
    such as the size of a NullPool, is left out. `postgres://` and `postgresql://` without a
    driver lead to psycopg, or to psycopg2 where that alone is installed.

    Raises ConfigurationError where the URL is missing, cannot be used, or its driver is missing.
    """
    held = _settings(environ, settings)
    return _sync_engine(_url(held), held, _URL, engine_kwargs)


def create_async_engine_from_env(
    environ: Mapping[str, str] | None = None,
    *,
    settings: DatabaseSettings | None = None,
    **engine_kwargs: Any,
) -> AsyncEngine:
    """Make an engine for asyncio; as `create_engine_from_env` in all else.

    `postgresql://` without a driver leads to psycopg or asyncpg, `sqlite://` to aiosqlite.
    """
    held = _settings(environ, settings)
    return _async_engine(_url(held), held, _URL, engine_kwargs)


def create_replica_engines_from_env(
    environ: Mapping[str, str] | None = None,
    *,
    settings: DatabaseSettings | None = None,
    **engine_kwargs: Any,
) -> tuple[Engine, ...]:
    """Make an engine for each URL in `DATABASE_READ_REPLICA_URL`; none without replicas.

    They are used where `ENABLE_READ_REPLICA` is true. Raises ConfigurationError where that is so
    and there is no URL, and as `create_engine_from_env` does.
    """
    held = _settings(environ, settings)
    return tuple(_sync_engine(url, held, _REPLICAS, engine_kwargs) for url in _replicas(held))


def create_async_replica_engines_from_env(
    environ: Mapping[str, str] | None = None,
    *,
    settings: DatabaseSettings | None = None,
    **engine_kwargs: Any,
) -> tuple[AsyncEngine, ...]:
    """Make an engine for asyncio for each read replica; as `create_replica_engines_from_env`."""
    held = _settings(environ, settings)
    return tuple(_async_engine(url, held, _REPLICAS, engine_kwargs) for url in _replicas(held))


def _settings(
    environ: Mapping[str, str] | None, settings: DatabaseSettings | None
) -> DatabaseSettings:
    return Settings.from_env(environ).database if settings is None else settings


def _url(settings: DatabaseSettings) -> str:
    if settings.url is None:
        raise ConfigurationError(f"{_URL} is not set: it says where the database is")
    return settings.url


def _replicas(settings: DatabaseSettings) -> tuple[str, ...]:
    if not settings.read_replica:
        return ()
    if not settings.read_replica_urls:
        raise ConfigurationError(f"ENABLE_READ_REPLICA is true, but {_REPLICAS} is not set")
    return settings.read_replica_urls


def _sync_engine(
    text: str, settings: DatabaseSettings, variable: str, given: dict[str, Any]
) -> Engine:
    url = _with_driver(_parsed(text, variable), _SYNC_DRIVERS)
    dialect = _dialect(url, variable, given)
    if dialect.is_async:
        raise ConfigurationError(
            f"{variable}: the driver {dialect.driver} is for asyncio alone; use"
            " create_async_engine_from_env, or a URL without a driver"
        )
    return create_engine(url, **_pool_arguments(url, dialect, settings, given), **given)


def _async_engine(
    text: str, settings: DatabaseSettings, variable: str, given: dict[str, Any]
) -> AsyncEngine:
    url = _with_driver(_parsed(text, variable), _ASYNC_DRIVERS)
    if url.drivername == "sqlite":
        url = url.set(drivername="sqlite+aiosqlite")
    if url.drivername == "postgresql+psycopg":
        url = url.set(drivername="postgresql+psycopg_async")
    dialect = _dialect(url, variable, given)
    if not dialect.is_async:
        raise ConfigurationError(
            f"{variable}: the driver {dialect.driver} is not for asyncio; use"
            " create_engine_from_env, or a URL without a driver"
        )
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - slow, needs greenlet

    return create_async_engine(url, **_pool_arguments(url, dialect, settings, given), **given)


def _parsed(text: str, variable: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        # Without the cause: its text may hold the password.
        raise ConfigurationError(
            f"{variable}: is no URL of a database, such as"
            " postgresql://user:password@host:5432/name"
        ) from None


def _with_driver(url: URL, drivers: tuple[str, ...]) -> URL:
    if url.drivername not in _POSTGRES:
        # `postgres` is how Heroku spells it; SQLAlchemy knows no such dialect.
        backend, plus, driver = url.drivername.partition("+")
        return url.set(drivername=f"postgresql+{driver}") if plus and backend == "postgres" else url
    installed = (driver for driver in drivers if find_spec(driver) is not None)
    return url.set(drivername=f"postgresql+{next(installed, drivers[0])}")


def _dialect(url: URL, variable: str, given: Mapping[str, Any]) -> Dialect:
    """Make a dialect to ask; raises ConfigurationError where the driver is missing."""
    try:
        dialect = url.get_dialect()()
    except NoSuchModuleError:
        raise ConfigurationError(
            f"{variable}: SQLAlchemy knows no database {url.drivername!r}"
        ) from None
    except ImportError as exc:
        raise ConfigurationError(
            f"{variable}: the dialect {url.drivername!r} cannot be imported: {exc}"
        ) from exc
    driver = dialect.driver.removesuffix("_async")
    try:
        if "module" not in given:
            dialect.import_dbapi()
    except ImportError as exc:
        if driver in _IN_EXTRA:
            raise ConfigurationError.missing_extra(
                f"{variable}: the driver {driver}", "postgres"
            ) from exc
        raise ConfigurationError(
            f"{variable}: the driver {driver} is not installed: pip install {driver}"
        ) from exc
    return dialect


def _pool_arguments(
    url: URL, dialect: Dialect, settings: DatabaseSettings, given: Mapping[str, Any]
) -> dict[str, Any]:
    if "pool" in given:
        return {}
    kind: type[Pool] = given.get("poolclass") or dialect.get_dialect_pool_class(url)
    arguments: dict[str, Any] = {
        "pool_pre_ping": True,
        "pool_recycle": settings.pool_recycle,
    }
    if issubclass(kind, QueuePool):
        arguments |= {
            "pool_size": settings.pool_size,
            "max_overflow": settings.max_overflow,
            "pool_timeout": settings.pool_timeout,
        }
    return {name: value for name, value in arguments.items() if name not in given}
