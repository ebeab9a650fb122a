"""The ASGI timer: a plain wrapper around the application (ASGI 3, HTTP spec 2.5)."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, Final

from .._scope import RequestScope, current
from .recorder import METHODS, OTHER_METHOD, RequestRecorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    from .._monitor import Monitor

    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["AsgiTimer"]

_SERVER_ERROR: Final = 500
_CLIENT_GONE: Final = 499  # nginx's word for a client that left before it was answered
_LAST_WORDS: Final = frozenset(
    ("lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed")
)


class AsgiTimer:
    """Times each request of `app` to its last byte, and closes the monitor at shutdown.

    `route_of` finds the route template in the scope, once the response starts. `disconnects` are
    the exceptions by which the application says that the client has gone. Wrap this around all
    other middleware, so that answers given early are seen.
    """

    def __init__(
        self,
        app: AsgiApp,
        monitor: Monitor,
        route_of: Callable[[Scope], str | None],
        own_routes: Iterable[str] = (),
        *,
        disconnects: tuple[type[Exception], ...] = (),
    ) -> None:
        self.app = app
        self._monitor = monitor
        self._recorder = RequestRecorder(monitor, route_of, own_routes)
        self._disconnects: tuple[type[BaseException], ...] = (CancelledError, *disconnects)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, hold a websocket, or live through the application's lifespan."""
        if scope["type"] != "http":
            await self._pass(scope, receive, send)
            return
        recorder = self._recorder
        try:
            recorder.ensure_started()
            request = _Request(recorder, self._disconnects, scope, send)
            recorder.begin(request, recorder.shown)
        except Exception as error:  # noqa: BLE001 -- the border
            recorder.fault(error)
            await self.app(scope, receive, send)
            return
        outer = current.get()
        current.set(request)
        try:
            await self.app(scope, receive, request.send)
        except BaseException as error:
            request.fail(error)
            raise
        finally:
            if request.is_open:
                request.finish()
            # Without a token: the coroutine may be closed in another context than it ran in.
            if outer is not None:
                current.set(outer)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            handshake = _Handshake(self._recorder, scope, send)
            try:
                await self.app(scope, receive, handshake.send)
            finally:
                handshake.count()
        elif scope["type"] == "lifespan":

            async def closing(message: Message) -> None:
                await send(message)
                if message["type"] in _LAST_WORDS:
                    self._monitor.close()

            await self.app(scope, receive, closing)
        else:
            await self.app(scope, receive, send)


class _Request(RequestScope):
    """A request with its response, which it sees on the way to the server.

    One object and not three, since each costs a tenth of what timing may cost.
    """

    __slots__ = ("_disconnects", "_first_byte", "_recorder", "_send", "_status", "_trailers")

    def __init__(
        self,
        recorder: RequestRecorder,
        disconnects: tuple[type[BaseException], ...],
        scope: Scope,
        send: Send,
    ) -> None:
        RequestScope.__init__(
            self, METHODS.get(scope["method"], OTHER_METHOD), recorder.now(), scope
        )
        self._recorder = recorder
        self._disconnects = disconnects
        self._send = send
        self._status = 0
        self._trailers = False
        self._first_byte: float | None = None

    async def send(self, message: Message) -> None:
        """Be the `send` that the application calls."""
        kind = message["type"]
        if kind == "http.response.start":
            message = self._start(message)
        try:
            await self._send(message)
        except OSError:
            # The server's way to say that the client has gone (ASGI HTTP spec 2.4).
            if self.is_open:
                self.finish()
            raise
        if kind == "http.response.body":
            if message.get("more_body") or self._trailers or not self.is_open:
                return
            # Here, not when the application returns: tasks in the background come in between.
            self.finish()
        elif kind == "http.response.start":
            if self.streaming:
                self._first_byte = self._recorder.now()
        elif self.is_open and self._is_last(kind, message):
            self.finish()

    def _is_last(self, kind: str, message: Message) -> bool:
        if kind == "http.response.trailers":
            return not message.get("more_trailers")
        if kind == "http.response.zerocopysend":
            return not (message.get("more_body") or self._trailers)
        return kind == "http.response.pathsend" and not self._trailers

    def _start(self, message: Message) -> Message:
        recorder = self._recorder
        try:
            status = self._status = message["status"]
            if status >= _SERVER_ERROR and isinstance(sys.exception(), self._disconnects):
                # A framework's answer to its own word for a client that has left.
                self._status = _CLIENT_GONE
            if self.route is None:
                self.route = recorder.route_of(self.source)
            if "trailers" in message:
                self._trailers = message["trailers"]
            headers = message.get("headers", ())
            for name, value in headers:
                if name == b"content-type":
                    if b"text/event-stream" in value:
                        self.streaming = True
                    break
            if self.at_response_start is not None:
                pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers]
                recorder.respond(self, pairs)
                changed = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in pairs]
                return {**message, "headers": changed}
        except Exception as error:  # noqa: BLE001 -- the border
            recorder.fault(error)
        return message

    def fail(self, error: BaseException) -> None:
        """Record a request whose application raised, unless its response was complete."""
        if not self.is_open:
            return
        if isinstance(error, self._disconnects):
            self.finish(unanswered=_CLIENT_GONE)
        else:
            self.finish(failed=True)

    def finish(self, *, failed: bool = False, unanswered: int = _SERVER_ERROR) -> None:
        """Record the request; `unanswered` is the status of one that got no response."""
        recorder = self._recorder
        if not self._status:
            self._status = unanswered
            try:
                self.route = self.route or recorder.route_of(self.source)
            except Exception as error:  # noqa: BLE001 -- the border
                recorder.fault(error)
        recorder.finish(self, self._status, self._first_byte, failed=failed)


class _Handshake:
    """A websocket's opening, counted at the first answer; its duration is no request's."""

    __slots__ = ("_counted", "_recorder", "_scope", "_send")

    def __init__(self, recorder: RequestRecorder, scope: Scope, send: Send) -> None:
        self._recorder = recorder
        self._scope = scope
        self._send = send
        self._counted = False

    async def send(self, message: Message) -> None:
        """Be the `send` that the application calls."""
        if not self._counted:
            self.count()
        await self._send(message)

    def count(self) -> None:
        """Count the handshake, the first time this is called."""
        if not self._counted:
            self._counted = True
            self._recorder.count_websocket(self._scope)
