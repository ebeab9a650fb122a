"""A connection's bytes, straight from asyncio: what httpcore reads from and writes to."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from ..transport import SendError

if TYPE_CHECKING:
    from ..transport import Phase
    from .guard import Guard
    from .requests import Origin

__all__ = ["Stream", "connect"]

_MANY: Final = 262_144
_HEAD_START: Final = 0.25  # RFC 8305, 5: how long IPv6 is tried alone


class Stream(asyncio.Protocol):
    """A connection, of which at most some 256 KiB wait to be read.

    Has the methods of `httpcore.AsyncNetworkStream` that a connection of HTTP/1.1 calls.
    """

    def __init__(self, write_error: type[Exception]) -> None:
        self._write_error = write_error
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._is_over = False
        self._is_paused = False
        self._loss: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self.gone: asyncio.Future[None] = self._loop.create_future()

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> bytes:
        """Give the next bytes, none at the end. Raises SendError."""
        if not self._chunks:
            if self._loss is not None:
                raise SendError("read", "the connection was lost") from self._loss
            if self._is_over:
                return b""
            self._reader = self._loop.create_future()
            try:
                await self._in_time(self._reader, timeout, "read")
            finally:
                self._reader = None
            return await self.read(max_bytes, timeout)
        chunk = self._chunks.popleft()
        self._waiting -= len(chunk)
        if self._is_paused and self._waiting < _MANY and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return chunk

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - likewise
    ) -> None:
        """Send bytes. Raises httpcore's WriteError, upon which it still looks for a reply."""
        if not buffer:
            return
        if self._is_over or self._transport is None or self._transport.is_closing():
            raise self._write_error
        self._transport.write(buffer)
        if self._writer is not None:
            await self._in_time(self._writer, timeout, "send")

    async def aclose(self) -> None:
        """Let go of the connection at once."""
        self.abort()

    def abort(self) -> None:
        """Let go of the connection at once; `gone` is set a moment later."""
        if self._transport is not None:
            self._transport.abort()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's signature
        """Say what httpcore asks of a connection that rests: whether it has ended."""
        if info == "is_readable":
            return self._is_over or bool(self._chunks)
        return self._transport.get_extra_info(info) if self._transport is not None else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._chunks.append(data)
        self._waiting += len(data)
        if self._waiting > _MANY and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake(self._reader)

    def eof_received(self) -> bool:
        """End: nobody of us writes to one who says that he is done."""
        self._is_over = True
        self._wake(self._reader)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End, one way or the other."""
        self._is_over = True
        self._loss = exc
        self._wake(self._reader)
        self._wake(self._writer)
        self._wake(self.gone)

    def pause_writing(self) -> None:
        """Let writers wait."""
        self._writer = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._wake(self._writer)
        self._writer = None

    async def _in_time(
        self, future: asyncio.Future[None], seconds: float | None, phase: Phase
    ) -> None:
        timer = None
        if seconds is not None:
            timer = self._loop.call_later(seconds, _too_late, future, phase, seconds)
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()

    @staticmethod
    def _wake(future: asyncio.Future[None] | None) -> None:
        if future is not None and not future.done():
            future.set_result(None)


def _too_late(future: asyncio.Future[None], phase: Phase, seconds: float) -> None:
    if not future.done():
        what = "nothing came" if phase == "read" else "nothing was taken"
        future.set_exception(SendError(phase, f"{what} for {seconds:g} s"))


async def connect(
    origin: Origin,
    tls: ssl.SSLContext,
    seconds: float,
    write_error: type[Exception],
    guard: Guard | None,
) -> Stream:
    """Connect, to addresses that `guard` lets pass where there is one. Raises SendError."""
    scheme, host, port = origin
    loop = asyncio.get_running_loop()

    def stream() -> Stream:
        return Stream(write_error)

    security: dict[str, Any] = {}
    if scheme == "https":
        security = {"ssl": tls, "server_hostname": host}
    try:
        async with asyncio.timeout(seconds):
            if guard is None:
                _, made = await loop.create_connection(
                    stream, host, port, happy_eyeballs_delay=_HEAD_START, **security
                )
                return made
            addresses = await guard.addresses(scheme, host, port)
            for address in addresses[:-1]:
                try:
                    return (await loop.create_connection(stream, address, port, **security))[1]
                except OSError:
                    continue
            return (await loop.create_connection(stream, addresses[-1], port, **security))[1]
    except TimeoutError as exc:
        raise SendError("connect", f"no connection to {host} within {seconds:g} s") from exc
    except ssl.SSLCertVerificationError as exc:
        problem = f"the certificate of {host} is not accepted: {exc.verify_message}"
        raise SendError("connect", problem) from exc
    except (OSError, UnicodeError) as exc:
        problem = getattr(exc, "strerror", None) or type(exc).__name__
        raise SendError("connect", f"no connection to {host}: {problem}") from exc
