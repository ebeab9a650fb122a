"""The WSGI timer: a plain wrapper around the application (PEP 3333)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._scope import RequestScope, current
from .recorder import METHODS, OTHER_METHOD, UNMATCHED, RequestRecorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .._monitor import Monitor

    Environ = dict[str, Any]
    StartResponse = Callable[..., Callable[[bytes], object]]
    WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

__all__ = ["WsgiTimer"]

_LENGTH: Final = len("content-type")
_UNANSWERED: Final = 500  # what a server answers when the application has not


class WsgiTimer:
    """Times each request of `app` to its last byte.

    `route_of` finds the route template in the environ; it is asked inside of `start_response`,
    since frameworks clean the environ up afterwards. Wrap this around all other middleware, so
    that answers given early are seen.
    """

    def __init__(
        self,
        app: WsgiApp,
        monitor: Monitor,
        route_of: Callable[[Environ], str | None],
        own_routes: Iterable[str] = (),
    ) -> None:
        self.app = app
        self._recorder = RequestRecorder(monitor, route_of, own_routes)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        recorder = self._recorder
        try:
            if not recorder.monitor.is_started:
                recorder.monitor.start()
            method = METHODS.get(environ.get("REQUEST_METHOD", ""), OTHER_METHOD)
            scope = RequestScope(method, recorder.now(), environ)
            # Not the response: a table that held it would keep one that is never closed.
            recorder.held[scope] = recorder.shown
        except Exception as error:  # noqa: BLE001 -- the border
            recorder.fault(error)
            return self.app(environ, start_response)
        response = _Response(recorder, scope, start_response)
        try:
            return response.over(self.app(environ, response.start), environ)
        except BaseException:
            response.fail()
            raise


class _Response:
    """The response under way: stands between application and server in both directions."""

    __slots__ = (
        "_close",
        "_first_byte",
        "_next",
        "_outer",
        "_recorder",
        "_scope",
        "_start_response",
        "_status",
    )

    _next: Callable[[], bytes]

    def __init__(
        self, recorder: RequestRecorder, scope: RequestScope, start_response: StartResponse
    ) -> None:
        self._recorder = recorder
        self._scope = scope
        self._start_response = start_response
        self._status = _UNANSWERED
        self._first_byte: float | None = None
        self._close: Callable[[], object] | None = None
        self._outer = current.get()
        current.set(scope)

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        """Be the `start_response` that the application calls."""
        scope, recorder = self._scope, self._recorder
        try:
            self._status = int(status[:3])
            if scope.route is None:
                scope.route = recorder.route_of(scope.source) or UNMATCHED
            for name, value in headers:
                # The length first: lower() for each name would be half of this function.
                if len(name) == _LENGTH and name.lower() == "content-type":
                    if "text/event-stream" in value.lower():
                        scope.streaming = True
                    break
            if scope.at_response_start is not None:
                headers = list(headers)
                recorder.respond(scope, headers)
        except Exception as error:  # noqa: BLE001 -- the border
            recorder.fault(error)
        if exc_info is None:
            return self._start_response(status, headers)
        return self._start_response(status, headers, exc_info)

    def over(self, body: Iterable[bytes], environ: Environ) -> Iterable[bytes]:
        """Take the body that the application returned, and give what the server shall iterate."""
        self._close = getattr(body, "close", None)
        if type(body) is environ.get("wsgi.file_wrapper"):
            # The server recognises its own wrapper and sends the file by sendfile(); another
            # iterator around it would undo that, so this one only learns of its end.
            try:
                body.close = self.close  # type: ignore[attr-defined]
            except AttributeError:
                pass  # a wrapper written in C
            else:
                return body
        self._next = iter(body).__next__
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = self._next()
        except StopIteration:
            self._finish()
            raise
        except BaseException:
            self.fail()
            raise
        # Before the first chunk that is not empty no header leaves (PEP 3333).
        if self._first_byte is None and chunk and self._scope.streaming:
            self._first_byte = self._recorder.now()
        return chunk

    def close(self) -> None:
        """Be called by the server, early when the client has gone: then the status counts."""
        self._finish()
        close, self._close = self._close, None
        if close is not None:
            close()

    def fail(self) -> None:
        """Record the request as failed: the application raised."""
        self._status = _UNANSWERED
        self._finish()

    def _finish(self) -> None:
        scope = self._scope
        if not scope.is_open:
            return
        self._recorder.finish(scope, self._status, self._first_byte)
        if self._outer is not None and current.get() is scope:
            current.set(self._outer)

    def __del__(self) -> None:
        # Some servers and test clients never close.
        self._finish()
