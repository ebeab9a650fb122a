"""HTTP by httpx or httpx2: by httpcore, the part of them that talks to servers.

The clients above it follow redirects, keep cookies and write each URL to the log, secrets in its
query and all; their pools look through all connections at each request. None of that is wanted
here, and it is most of what a request costs them.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from ..platform import Reply
from ..transport import SendError
from .bodies import Body, folded
from .requests import Writer, proxy_of
from .streams import connect

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import ModuleType

    from ..platform import Call
    from ..transport import Phase, TransportOptions
    from .guard import Guard
    from .requests import Origin, Prepared
    from .streams import Stream

__all__ = ["HttpcoreTransport", "core_of"]

_KEPT_FOR: Final = 15.0
_PARTING: Final = 1.0
_LONGEST_DETAIL: Final = 120


def core_of(name: str) -> ModuleType:
    """Import the httpcore of httpx, or of httpx2."""
    return import_module({"httpx": "httpcore", "httpx2": "httpcore2"}[name])


class HttpcoreTransport:
    """Sends the requests of one platform; one connection for each that is under way."""

    def __init__(
        self,
        core: ModuleType,
        base_url: str,
        options: TransportOptions,
        tls: ssl.SSLContext,
        guard: Guard,
        wall: Callable[[], float],
    ) -> None:
        self._core = core
        self._writer = Writer(base_url, options.user_agent)
        self._home = self._writer.home
        self._options = options
        self._tls = tls
        self._guard = guard
        self._wall = wall
        self._idle: list[_Connection] = []
        self._open: set[Stream] = set()
        self._timeouts = {
            "timeout": {
                "connect": options.connect_timeout,
                "write": options.read_timeout,
                "read": options.read_timeout,
                "pool": options.total_timeout,
            }
        }
        self._phases: tuple[tuple[tuple[type[Exception], ...], Phase], ...] = (
            ((core.ReadTimeout, core.ReadError, core.RemoteProtocolError), "read"),
            ((core.WriteTimeout, core.WriteError, core.LocalProtocolError), "send"),
            ((Exception,), "connect"),
        )
        self._proxy = self._proxied(proxy_of(self._home))

    async def send(self, url: str, call: Call) -> Reply:
        """Send `call` to `url`; see Transport."""
        prepared = self._writer.write(url, call)
        seconds = self._options.total_timeout
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(prepared, call.method)
        except TimeoutError as exc:
            raise SendError("total", f"no whole reply within {seconds:g} s") from exc

    async def close(self) -> None:
        """Let go of the connections."""
        if self._proxy is not None:
            await self._proxy.aclose()
        self._idle.clear()
        parting = [each.gone for each in self._open]
        for each in self._open:
            each.abort()
        if parting:
            await asyncio.wait(parting, timeout=_PARTING)

    async def _exchange(self, prepared: Prepared, method: str) -> Reply:
        scheme, host, port = prepared.origin
        core = self._core
        request = core.Request(
            method,
            core.URL(scheme=scheme, host=host, port=port, target=prepared.target),
            headers=[(name.encode(), text.encode()) for name, text in prepared.headers.items()],
            content=prepared.body,
            extensions=self._timeouts,
        )
        if self._proxy is not None and prepared.origin == self._home:
            return await self._talk(self._proxy, request)
        connection = self._rested(prepared.origin) or await self._connected(prepared.origin)
        try:
            return await self._talk(connection.http, request)
        finally:
            self._rest(connection)

    async def _talk(self, http: Any, request: Any) -> Reply:  # noqa: ANN401 - of either httpcore
        try:
            response = await http.handle_async_request(request)
            headers = folded(response.headers)
            parts = response.stream.__aiter__()
            try:
                body = Body(headers, self._options.max_body)
                async for part in parts:
                    if not body.take(part):
                        break
            finally:
                # What is left unread would leave the connection in the middle of a reply.
                await parts.aclose()
                await response.aclose()
            return Reply(
                status=response.status,
                headers=headers,
                body=body.whole(),
                received_at=self._wall(),
                is_cut=body.is_cut,
            )
        except _errors_of(self._core) as exc:
            phase = next(phase for kinds, phase in self._phases if isinstance(exc, kinds))
            # What libraries say of protocol errors quotes the reply; of ours, what was sent.
            said = "" if phase == "send" else str(exc)[:_LONGEST_DETAIL]
            raise SendError(phase, said or type(exc).__name__) from exc

    def _proxied(self, url: str | None) -> Any:  # noqa: ANN401 - likewise
        if url is None:
            return None
        parts = urlsplit(url)
        login = None
        if parts.username:
            login = (unquote(parts.username).encode(), unquote(parts.password or "").encode())
        return self._core.AsyncHTTPProxy(
            proxy_url=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
            proxy_auth=login,
            ssl_context=self._tls,
            max_connections=self._options.max_connections,
            keepalive_expiry=_KEPT_FOR,
        )

    def _rested(self, origin: Origin) -> _Connection | None:
        for index in range(len(self._idle) - 1, -1, -1):
            connection = self._idle[index]
            if connection.http.has_expired():
                del self._idle[index]
                connection.stream.abort()
            elif connection.origin == origin:
                del self._idle[index]
                return connection
        return None

    async def _connected(self, origin: Origin) -> _Connection:
        core, options = self._core, self._options
        guard = None if origin == self._home else self._guard
        stream = await connect(origin, self._tls, options.connect_timeout, core.WriteError, guard)
        self._open.add(stream)
        stream.gone.add_done_callback(lambda _: self._open.discard(stream))
        scheme, host, port = origin
        http = core.AsyncHTTP11Connection(
            origin=core.Origin(scheme.encode(), host.encode(), port),
            stream=stream,
            keepalive_expiry=_KEPT_FOR,
        )
        return _Connection(origin, stream, http)

    def _rest(self, connection: _Connection) -> None:
        if not connection.http.is_idle():
            connection.stream.abort()
            return
        self._idle.append(connection)
        if len(self._idle) > self._options.max_connections:
            self._idle.pop(0).stream.abort()


class _Connection:
    __slots__ = ("http", "origin", "stream")

    def __init__(self, origin: Origin, stream: Stream, http: Any) -> None:  # noqa: ANN401 - likewise
        self.origin = origin
        self.stream = stream
        self.http = http


def _errors_of(core: ModuleType) -> tuple[type[Exception], ...]:
    return (core.TimeoutException, core.NetworkError, core.ProtocolError, core.ProxyError)
