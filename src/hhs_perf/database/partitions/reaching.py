"""A plan made for whoever has an address and no engine: the command line."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from ..._settings import DatabaseSettings
from ...exceptions import ConfigurationError
from ..engines import create_async_engine_from_env, create_engine_from_env
from ..telling import told
from .planning import plan_partitions

if TYPE_CHECKING:
    from .spec import PartitionSpec
    from .steps import PartitionPlan

__all__ = ["plan_at"]

_CONNECT_WITHIN: Final = 5
_ASYNC: Final = ("+asyncpg", "+psycopg_async")


def plan_at(url: str, spec: PartitionSpec) -> PartitionPlan:
    """Connect to `url` with the driver that it names, plan, and disconnect.

    Raises:
        ConfigurationError: The URL is no address of PostgreSQL, or its driver is not installed.
        ConnectionError: The server cannot be reached or refuses; the message holds no password.
        DatabaseError: As `plan_partitions` does.
    """
    settings = DatabaseSettings(url=url)
    try:
        name = make_url(url).drivername
    except (ArgumentError, ValueError):
        name = ""
    if not name.startswith("postgres"):
        raise ConfigurationError("partitions need a URL of PostgreSQL, postgresql://…")
    if name.endswith(_ASYNC):
        return asyncio.run(_plan_async(settings, spec, name))
    arguments = {"connect_timeout": _CONNECT_WITHIN}
    engine = create_engine_from_env(settings=settings, poolclass=NullPool, connect_args=arguments)
    _reach(engine)
    return plan_partitions(engine, spec)


async def _plan_async(settings: DatabaseSettings, spec: PartitionSpec, name: str) -> PartitionPlan:
    key = "timeout" if name.endswith("asyncpg") else "connect_timeout"
    engine = create_async_engine_from_env(
        settings=settings, poolclass=NullPool, connect_args={key: _CONNECT_WITHIN}
    )
    try:
        connection = await engine.connect()
    except (OSError, DBAPIError) as exc:
        raise _unreachable(exc, engine.sync_engine) from exc
    except Exception as exc:
        # asyncpg's own errors, of which SQLAlchemy wraps some only.
        if type(exc).__module__.partition(".")[0] != "asyncpg":
            raise
        raise _unreachable(exc, engine.sync_engine) from exc
    try:
        return await connection.run_sync(plan_partitions, spec)
    finally:
        await connection.close()


def _reach(engine: Engine) -> None:
    try:
        engine.connect().close()
    except DBAPIError as exc:
        raise _unreachable(exc, engine) from exc


def _unreachable(error: Exception, engine: Engine) -> ConnectionError:
    return ConnectionError(told(error, engine.url))
