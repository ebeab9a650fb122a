"""A connection of the probe's own: neither of the host's pool nor of its event loop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.pool import NullPool
from sqlalchemy.util.concurrency import greenlet_spawn

from ..._fork import keep_of_parent
from ..marks import OURS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import PoolProxiedConnection

__all__ = ["OwnConnection"]

T = TypeVar("T")


class OwnConnection:
    """Asks a server with the engine's own way to connect, on one connection kept between probes.

    For engines of asynchronous drivers it runs an event loop of its own, in the calling thread,
    where no other may be running. `timeout`, in seconds, ends what hangs there, and on PostgreSQL
    what the server does not finish; a driver that blocks while the network is silent hangs the
    calling thread only.
    """

    def __init__(self, engine: Engine, timeout: float) -> None:
        self.engine = engine
        self._timeout = timeout
        self._connection: PoolProxiedConnection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def ask(self, sql: str) -> tuple[Any, ...]:
        """Send one statement and give its first row; raises what the driver raises."""
        try:
            return self._run(self._ask, OURS + sql)
        except BaseException:
            self._drop()
            raise

    def close(self) -> None:
        """End the connection and the event loop."""
        self._drop()
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()

    def forsake(self) -> None:
        """Let go of the parent's connection in a forked child, without ending it."""
        keep_of_parent(self._connection, self._loop)
        self._connection = self._loop = None

    def _run(self, call: Callable[..., T], *args: object) -> T:
        if not self.engine.dialect.is_async:
            return call(*args)
        if self._loop is None:
            self._loop = asyncio.new_event_loop()

        async def bounded() -> T:
            async with asyncio.timeout(self._timeout):
                return await greenlet_spawn(call, *args)

        return self._loop.run_until_complete(bounded())

    def _ask(self, sql: str) -> tuple[Any, ...]:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect()
        cursor = connection.cursor()
        try:
            cursor.execute(sql)
            row = cursor.fetchone()
        finally:
            cursor.close()
        connection.commit()
        return tuple(row or ())

    def _connect(self) -> PoolProxiedConnection:
        # The pool's own function connects: it knows the host's arguments, `creator` and events
        # that set a password. Where it is not found, those of the address must do.
        pool = self.engine.pool
        create = getattr(pool, "_creator", None)
        if create is None:  # pragma: no cover - not so in any release yet
            dialect = self.engine.dialect
            args, kwargs = dialect.create_connect_args(self.engine.url)

            def create() -> DBAPIConnection:
                return dialect.connect(*args, **kwargs)

        connection = NullPool(create, dialect=self.engine.dialect).connect()
        if self.engine.dialect.name == "postgresql":
            cursor = connection.cursor()
            cursor.execute(f"{OURS}SET statement_timeout = {round(self._timeout * 1000)}")
            cursor.close()
            connection.commit()
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is being dropped for it does not answer
                self._run(_end, connection)


def _end(connection: PoolProxiedConnection) -> None:
    connection.invalidate()
