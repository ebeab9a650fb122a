"""A server of bytes: what it answers need not be HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from ssl import SSLContext
from typing import Self

__all__ = ["RawServer", "reply"]

Answer = bytes | Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def reply(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """Write a reply of HTTP/1.1 with a Content-Length, unless the headers have another end."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
    if not any(each.lower().startswith(("transfer-encoding", "content-length")) for each in lines):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class RawServer:
    """Answers the requests of all connections one after the other, the last answer for ever.

    An answer is bytes, or a coroutine function of the request and the writer. `requests` are the
    bytes of each request, `connections` counts those accepted; `asked` is set with the first
    request, `ended` once the client has ended a connection.
    """

    def __init__(self, *answers: Answer, tls: SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self.connections = 0
        self.ended = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []
        self._answers = list(answers)
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while request := await self._request(reader):
                self.requests.append(request)
                self.asked.set()
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if isinstance(answer, bytes):
                    writer.write(answer)
                else:
                    await answer(request, writer)
                if writer.is_closing():
                    break
        self.ended.set()
        writer.transport.abort()

    @staticmethod
    async def _request(reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                return head + await reader.readexactly(int(value))
        return head
