"""Fake platforms behind a real socket of this machine."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

import attrs

from .rebased import rebased
from .world import FakeWorld

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from ..platform import Platform
    from .values import Answer

__all__ = ["Arrival", "FakeServer"]

_REASONS: Final = {each.value: each.phrase for each in HTTPStatus}
_RST: Final = struct.pack("ii", 1, 0)
_ELSEWHERE: Final = "-"


@attrs.frozen
class Arrival:
    """A request that came in."""

    at: float
    """By `time.perf_counter`, when its last byte was there."""
    platform: str
    path: str
    """Without the query, where secrets may be."""
    status: int


class FakeServer:
    """Serves a FakeWorld on 127.0.0.1, in a thread of its own; use `with`.

    Each platform has its own base: `base_url("x")`. `latency` are the seconds from the request's
    last byte to the answer's first.

    >>> from hhs_perf.scrapers import bundled
    >>> with FakeServer(latency=0.02) as server:
    ...     platforms = server.platforms(bundled())
    """

    def __init__(
        self, world: FakeWorld | None = None, *, latency: float = 0.0, port: int = 0
    ) -> None:
        self.world = world or FakeWorld()
        self.latency = latency
        self.arrivals: list[Arrival] = []
        self.connections = 0
        """Connections that were made so far."""
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._open: set[_Connection] = set()

    def __enter__(self) -> Self:
        started = threading.Event()
        listening = socket.create_server(("127.0.0.1", self._port), backlog=512)
        self._port = listening.getsockname()[1]
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listening, started)),
            name="hhs_perf-fake-server",
            daemon=True,
        )
        self._thread.start()
        started.wait()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """The address of all platforms."""
        return f"http://127.0.0.1:{self._port}"

    def base_url(self, platform: str) -> str:
        """Give what goes in the place of a platform's `base_url`."""
        return f"{self.url}/{platform}"

    def platforms(self, platforms: Iterable[Platform]) -> tuple[Platform, ...]:
        """Give the same platforms with all their requests led here."""
        return tuple(rebased(each, self.base_url(each.name)) for each in platforms)

    def environment(
        self, platforms: Iterable[Platform], *, interval: float | None = None
    ) -> dict[str, str]:
        """Give variables that lead another process here and hold what it needs to get in.

        `interval` replaces the pace of each platform.
        """
        held: dict[str, str] = {}
        for platform in platforms:
            prefix = f"HHS_PERF_{platform.name.upper()}"
            held[f"{prefix}_URL"] = self.base_url(platform.name)
            if interval is not None:
                held[f"{prefix}_INTERVAL"] = f"{interval:g}"
            for credential in platform.credentials:
                token = self.world.tokens.get(platform.name, "0123456789")
                held[credential.variable(platform.name)] = token
        return held

    def arrived(self, platform: str | None = None) -> tuple[Arrival, ...]:
        """Give the requests to a platform, or all, in their order."""
        return tuple(each for each in self.arrivals if platform in (None, each.platform))

    def gaps(self, platform: str) -> list[float]:
        """Give the seconds between the arrivals at a platform."""
        times = [each.at for each in self.arrived(platform)]
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    async def _serve(self, listening: socket.socket, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await self._loop.create_server(
            lambda: _Connection(self, self._open), sock=listening
        )
        started.set()
        await self._stop.wait()
        server.close()
        for connection in tuple(self._open):
            connection.abort()
        await asyncio.sleep(0)  # the transports say goodbye in the next round of the loop
        await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    """One client: requests one after the other, kept alive."""

    def __init__(self, server: FakeServer, everyone: set[_Connection]) -> None:
        self._server = server
        self._everyone = everyone
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._is_busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's types are wider
        self._transport = transport
        self._server.connections += 1
        self._everyone.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's own
        self._transport = None
        self._everyone.discard(self)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_busy:
            self._next()

    def _next(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        start = end + 4
        if len(self._buffer) < start + length:
            return
        body = self._buffer[start : start + length]
        self._buffer = self._buffer[start + length :]
        method, target, _ = head[0].split(" ", 2)
        self._answer(method, target, headers, body)

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        at = time.perf_counter()
        path, _, query = target.partition("?")
        platform, _, rest = path.lstrip("/").partition("/")
        host = headers.get("host", "")
        if rest.startswith(f"{_ELSEWHERE}/"):
            host, _, rest = rest.removeprefix(f"{_ELSEWHERE}/").partition("/")
        world = self._server.world
        if platform not in world.names:
            self._write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return
        answer = world.answer_raw(platform, method, host, f"/{rest}", query, headers, body)
        self._server.arrivals.append(Arrival(at, platform, f"/{rest}", answer.status))
        self._is_busy = True
        is_paused = answer.pause and answer.delivery != "dripped"
        seconds = self._server.latency + (answer.pause if is_paused else 0.0)
        if seconds > 0:
            self._loop.call_later(seconds, self._deliver, answer)
        else:
            self._deliver(answer)

    def _deliver(self, answer: Answer) -> None:
        head = _head(answer)
        body = answer.body
        match answer.delivery:
            case "whole":
                self._write(head + body)
                self._done()
            case "silent":
                pass
            case "stalled":
                self._write(head + body[: len(body) // 2])
            case "dripped":
                self._write(head)
                self._drip(memoryview(body), answer.pause)
            case "closed":
                self._close()
            case "reset":
                self._reset()
            case "cut":
                self._write(head + body[: len(body) // 2])
                self._close()

    def _drip(self, left: memoryview, pause: float) -> None:
        if self._transport is None:
            return
        self._write(left[:1])
        if len(left) > 1:
            self._loop.call_later(pause, self._drip, left[1:], pause)
        else:
            self._done()

    def _done(self) -> None:
        self._is_busy = False
        if self._buffer:
            self._next()

    def _write(self, data: bytes | memoryview) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _reset(self) -> None:
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            self._transport.abort()


def _head(answer: Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines += [f"content-length: {len(answer.body)}", "\r\n"]
    return "\r\n".join(lines).encode("latin-1")
