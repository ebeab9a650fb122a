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
_BODILESS: Final = (204, 304)
_OTHER_ENDS: Final = frozenset(
    ("http.response.trailers", "http.response.pathsend", "http.response.zerocopysend")
)
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
            if not recorder.monitor.is_started:
                recorder.monitor.start()
            request = _Request(recorder, self._disconnects, scope, send)
            recorder.held[request] = recorder.shown
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
            if request.source is not None:  # not counted yet
                request.finish()
            # Without a token: the coroutine may be closed in another context than it ran in. One
            # that has ended is not worth the way back: request_scope() shows neither.
            if outer is not None and outer.is_open:
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
                    await self._monitor.aclose()

            await self.app(scope, receive, closing)
        else:
            await self.app(scope, receive, send)


class _Request(RequestScope):
    """A request with its response, which it sees on the way to the server.

    One object for both, since each costs a tenth of what timing may cost.
    """

    __slots__ = (
        "_disconnects",
        "_headers",
        "_pieces",
        "_recorder",
        "_send",
        "_status",
        "_trailers",
    )

    def __init__(
        self,
        recorder: RequestRecorder,
        disconnects: tuple[type[BaseException], ...],
        scope: Scope,
        send: Send,
    ) -> None:
        # What RequestScope.__init__ does, without the call.
        self.method = METHODS.get(scope["method"], OTHER_METHOD)
        self.started = recorder.now()
        self.source = scope
        self.is_open = True
        self.streaming = False
        self.route = None
        self._kind = None
        self.at_response_start = None
        self.at_end = None
        self.queries = None
        self.written = None
        self._recorder = recorder
        self._disconnects = disconnects
        self._send = send
        self._status = 0
        self._trailers = False
        self._pieces: _Pieces | None = None
        self._headers: Iterable[tuple[bytes, bytes]] = ()

    async def send(self, message: Message) -> None:
        """Be the `send` that the application calls."""
        kind = message["type"]
        if kind == "http.response.start":
            status = self._status = message["status"]
            self._headers = message.get("headers", ())
            if (
                status >= _SERVER_ERROR
                or self.at_response_start is not None
                or "trailers" in message
            ):
                message = self._start(message)
        try:
            await self._send(message)
        except OSError:
            # The server's way to say that the client has gone (ASGI HTTP spec 2.4).
            if self.is_open:
                self.finish()
            raise
        if kind == "http.response.body":
            if message.get("more_body"):
                self._note_piece(message)
            elif self.is_open and not self._trailers:
                # Not when the application returns: tasks in the background come in between.
                self._end(message)
        elif self.is_open and kind in _OTHER_ENDS and self._is_last(message):
            self._end(message)

    def _start(self, message: Message) -> Message:
        recorder = self._recorder
        try:
            self._trailers = message.get("trailers", False)
            if self._status >= _SERVER_ERROR and isinstance(sys.exception(), self._disconnects):
                # A framework's answer to its own word for a client that has left.
                self._status = _CLIENT_GONE
            if self.at_response_start is not None:
                return {**message, "headers": self._let_change(self._headers)}
        except Exception as error:  # noqa: BLE001 -- the border
            recorder.fault(error)
        return message

    def _let_change(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        recorder = self._recorder
        self.route = self.route or recorder.route_of(self.source)
        pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers]
        recorder.respond(self, pairs)
        return [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in pairs]

    def _note_piece(self, message: Message) -> None:
        if self._pieces is None:
            # Only now, since whole bodies need no such look.
            self._pieces = _Pieces(self._recorder.now())
            if not self.streaming:
                self.streaming = b"text/event-stream" in self._header(b"content-type").lower()
        self._pieces.sent += len(message.get("body", b""))

    def _end(self, message: Message) -> None:
        """Count a response that is known to be complete; leave another to the application's end.

        Starlette closes a stream that broke off as if it were whole, and lets the exception out
        only then.
        """
        pieces = self._pieces
        if pieces is None:
            if message.get("body") or message["type"] != "http.response.body":
                # finish(), without the call
                self._recorder.finish(self, self._status or _SERVER_ERROR)
                return
            # A stream that failed before its first byte looks like this.
            pieces = self._pieces = _Pieces(self._recorder.now())
        pieces.sent += len(message.get("body", b""))
        announced = self._header(b"content-length") == b"%d" % pieces.sent
        if announced or self._status in _BODILESS:
            self.finish()
            return
        pieces.last_byte = self._recorder.now()
        self.is_open = False
        self._recorder.held.pop(self, None)

    def _header(self, wanted: bytes) -> bytes:
        return next((value for name, value in self._headers if name.lower() == wanted), b"")

    def _is_last(self, message: Message) -> bool:
        if message["type"] == "http.response.trailers":
            return not message.get("more_trailers")
        return not (message.get("more_body") or self._trailers)

    def fail(self, error: BaseException) -> None:
        """Record a request whose application raised, unless its response was complete."""
        if self.source is None:
            return
        if not isinstance(error, self._disconnects):
            self._status = _SERVER_ERROR
        elif not self._status:
            self._status = _CLIENT_GONE
        self.finish()

    def finish(self) -> None:
        """Record the request, as a server's error if nothing was answered."""
        pieces, status = self._pieces, self._status or _SERVER_ERROR
        if pieces is None:
            self._recorder.finish(self, status)
        else:
            self._recorder.finish(self, status, pieces.first_byte, pieces.last_byte)


class _Pieces:
    """How far a response in several pieces has come; both moments are monotonic readings."""

    __slots__ = ("first_byte", "last_byte", "sent")

    def __init__(self, first_byte: float) -> None:
        self.first_byte = first_byte
        self.last_byte: float | None = None
        self.sent = 0


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
