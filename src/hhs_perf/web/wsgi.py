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
    that answers given early are seen. `is_rehearsal` knows requests of test clients: for them a
    response of known length ends when the application returns it, since many tests neither read
    nor close what they got.
    """

    def __init__(
        self,
        app: WsgiApp,
        monitor: Monitor,
        route_of: Callable[[Environ], str | None],
        own_routes: Iterable[str] = (),
        is_rehearsal: Callable[[Environ], bool] = lambda _: False,
    ) -> None:
        self.app = app
        self._is_rehearsal = is_rehearsal
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
        start = _Start(recorder, scope, start_response)
        try:
            body = self.app(environ, start)
        except BaseException:
            start.fail()
            raise
        response = _Response(start, body)
        if self._is_rehearsal(environ) and start.is_whole:
            start.finish()
        if type(body) is environ.get("wsgi.file_wrapper"):
            return response.watched()
        return response


class _Start:
    """The request, and the `start_response` that the application calls."""

    __slots__ = (
        "_headers",
        "_outer",
        "_start_response",
        "_status",
        "first_byte",
        "recorder",
        "scope",
    )

    def __init__(
        self, recorder: RequestRecorder, scope: RequestScope, start_response: StartResponse
    ) -> None:
        self.recorder = recorder
        self.scope = scope
        self.first_byte: float | None = None
        self._start_response = start_response
        self._status = _UNANSWERED
        self._headers: list[tuple[str, str]] = []
        outer = current.get()
        # In a server's thread this is the request before, which is not worth a way back.
        self._outer = outer if outer is not None and outer.is_open else None
        current.set(scope)

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        scope, recorder = self.scope, self.recorder
        try:
            self._status = int(status[:3])
            self._headers = headers
            if scope.route is None:
                scope.route = recorder.route_of(scope.source) or UNMATCHED
            for name, value in headers:
                # Cheap looks first: lower() on each would be half of this function.
                if len(name) == _LENGTH and name.lower() == "content-type":
                    if value[:1] in "tT" and value.lower().startswith("text/event-stream"):
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

    @property
    def is_whole(self) -> bool:
        """Tell whether the response is known to be complete: it says how long it is."""
        return any(name.lower() == "content-length" for name, _ in self._headers)

    def fail(self) -> None:
        """Record the request as failed: the application raised."""
        if self.scope.is_open:
            self._status = _UNANSWERED
            self.finish()

    def finish(self) -> None:
        """Record the request, which must be open."""
        scope = self.scope
        self.recorder.finish(scope, self._status, self.first_byte)
        if self._outer is not None and current.get() is scope:
            current.set(self._outer)


class _Response:
    """The response under way, which the server iterates and closes."""

    __slots__ = ("_body", "_close", "_scope", "_start")

    def __init__(self, start: _Start, body: Iterable[bytes]) -> None:
        self._start = start
        self._scope = start.scope
        self._body = body
        self._close: Callable[[], object] | None = None

    def watched(self) -> Iterable[bytes]:
        """Give the server's own file wrapper back, so that only its end is seen.

        The server recognises it and sends the file by sendfile(), which another iterator around
        it would undo.
        """
        body: Any = self._body
        close = getattr(body, "close", None)
        try:
            body.close = self.close
        except AttributeError:  # a wrapper written in C
            return self
        self._close = close
        return body  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[bytes]:
        # A generator, since its steps and its end cost a fraction of those of a __next__.
        start = self._start
        try:
            for chunk in self._body:
                # Before the first chunk that is not empty no header leaves (PEP 3333).
                if start.first_byte is None and chunk and self._scope.streaming:
                    start.first_byte = start.recorder.now()
                yield chunk
        except GeneratorExit:
            raise  # the server went on without it
        except BaseException:
            start.fail()
            raise
        if self._scope.is_open:
            start.finish()

    def close(self) -> None:
        """Be called by the server, early when the client has gone: then the status counts."""
        if self._scope.is_open:
            self._start.finish()
        body, self._body = self._body, ()
        close = self._close or getattr(body, "close", None)
        if close is not None:
            close()

    def __del__(self) -> None:
        # Some servers and test clients never close.
        if self._scope.is_open:
            self._start.finish()
