"""Reading values over a connection that is kept, which is what a cache does most.

A client of redis-py takes a connection out of a pool for every command and puts it back, which
costs more than the command. Here each thread, or event loop, keeps one connection and sends what
it packed itself; connecting, logging in, TLS and reading remain redis-py's.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis
    import redis.asyncio

__all__ = ["LoopReader", "ThreadReader"]

_GET: Final = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n"


def _get(name: str) -> bytes:
    word = name.encode()
    return _GET % (len(word), word)


def _mget(names: Sequence[str]) -> bytes:
    words = "".join([f"${len(name)}\r\n{name}\r\n" for name in names])
    if not words.isascii():  # the lengths are those in bytes
        words = "".join([f"${len(name.encode())}\r\n{name}\r\n" for name in names])
    return f"*{len(names) + 1}\r\n$4\r\nMGET\r\n{words}".encode()


class ThreadReader:
    """Reads over one connection of each thread; raises what redis-py raises.

    For a client of one server only: which one to ask is not decided anew.
    """

    def __init__(self, client: redis.Redis) -> None:
        from redis.exceptions import ConnectionError as LostError  # noqa: PLC0415 - optional
        from redis.exceptions import ResponseError  # noqa: PLC0415 - likewise

        self._lost = LostError
        self._answered = ResponseError
        self._pool: Any = client.connection_pool
        self._held = threading.local()
        # Guards the set of the connections that are open; reentrant as finalizers run anywhere.
        self._lock = threading.RLock()
        self._open: WeakSet[Any] = WeakSet()

    def get(self, name: str) -> bytes | None:
        """Read the value of one name."""
        return self._exchange(_get(name))  # type: ignore[no-any-return]  # redis-py's word for it

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Read the values of several names."""
        return self._exchange(_mget(names))  # type: ignore[no-any-return]  # likewise

    def _exchange(self, command: bytes) -> Any:
        held = self._held
        connection = getattr(held, "connection", None)
        if connection is not None:
            # A signal handler that reads as well, in the midst of it, opens one of its own.
            held.connection = None
            try:
                return self._ask(connection, command)
            except self._lost:
                # The server may have closed what was idle, or have been restarted.
                connection = None
        return self._ask(self._connect(), command)

    def _ask(self, connection: Any, command: bytes) -> Any:
        try:
            connection.send_packed_command([command], check_health=False)
            answer = connection.read_response()
        except self._answered:
            self._held.connection = connection
            raise
        except BaseException:
            # Half an answer may be on its way: nothing else may read it.
            with self._lock:
                self._open.discard(connection)
            connection.disconnect()
            raise
        self._held.connection = connection
        return answer

    def _connect(self) -> Any:
        pool = self._pool
        connection = pool.connection_class(**pool.connection_kwargs)
        connection.connect()
        with self._lock:
            self._open.add(connection)
        return connection

    def close(self) -> None:
        """Close the connections of all threads; the next read opens one again."""
        with self._lock:
            opened = list(self._open)
        for connection in opened:
            connection.disconnect()


class LoopReader:
    """Reads over one connection of one event loop, by one task at a time."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        from redis.exceptions import ConnectionError as LostError  # noqa: PLC0415 - optional
        from redis.exceptions import ResponseError  # noqa: PLC0415 - likewise

        self._lost = LostError
        self._answered = ResponseError
        self._pool: Any = client.connection_pool
        self._connection: Any = None

    async def get(self, name: str) -> bytes | None:
        """Read the value of one name."""
        return await self._exchange(_get(name))  # type: ignore[no-any-return]  # see above

    async def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Read the values of several names."""
        return await self._exchange(_mget(names))  # type: ignore[no-any-return]  # see above

    async def _exchange(self, command: bytes) -> Any:
        if self._connection is not None:
            try:
                return await self._ask(self._connection, command)
            except self._lost:
                pass  # likewise
        return await self._ask(await self._connect(), command)

    async def _ask(self, connection: Any, command: bytes) -> Any:
        try:
            await connection.send_packed_command([command], check_health=False)
            return await connection.read_response()
        except self._answered:
            raise
        except BaseException:
            self._connection = None
            await connection.disconnect(nowait=True)
            raise

    async def _connect(self) -> Any:
        pool = self._pool
        connection = pool.connection_class(**pool.connection_kwargs)
        await connection.connect()
        self._connection = connection
        return connection

    async def close(self) -> None:
        """Close the connection; the next read opens one again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect()
