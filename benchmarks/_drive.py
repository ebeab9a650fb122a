"""Drivers that call an application in process, as a server does, with nothing in between."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any, Final, Self

from werkzeug.test import EnvironBuilder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    Message = MutableMapping[str, Any]
    Send = Callable[[Message], Awaitable[None]]
    Receive = Callable[[], Awaitable[Message]]
    AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]
    WsgiApp = Callable[..., Iterable[bytes]]

PATHS: Final = tuple(f"/items/{n}" for n in range(16))


class WsgiDriver:
    """Sends GET requests to a WSGI application and reads each body to its end."""

    def __init__(self, app: WsgiApp, paths: tuple[str, ...] = PATHS) -> None:
        """Prepare one environ for each path; they take turns."""
        self._app = app
        self._environs = [EnvironBuilder(path).get_environ() for path in paths]
        self.status = ""
        self.body = b""

    def _start_response(self, status: str, *_: object) -> None:
        self.status = status

    def __call__(self, requests: int) -> None:
        """Send so many requests; raises AssertionError if the last was not answered with 200."""
        environs, app, start_response = self._environs, self._app, self._start_response
        for n in range(requests):
            environ = environs[n % len(environs)].copy()
            environ["wsgi.input"] = io.BytesIO()
            chunks = app(environ, start_response)
            try:
                self.body = b"".join(chunks)
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
        assert self.status.startswith("200"), self.status

    def close(self) -> None:
        """Do nothing: there is no loop to close."""


class AsgiDriver:
    """Sends GET requests to an ASGI application on an event loop of its own."""

    def __init__(self, app: AsgiApp, paths: tuple[str, ...] = PATHS) -> None:
        """Prepare one scope for each path; they take turns."""
        self._app = app
        self._scopes = [_scope(path) for path in paths]
        self._runner = asyncio.Runner()
        self._forever: asyncio.Event | None = None
        self.status = 0

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]

    async def _requests(self, requests: int) -> None:
        scopes, app, send = self._scopes, self._app, self._send
        forever = self._forever = self._forever or asyncio.Event()
        for n in range(requests):
            scope = scopes[n % len(scopes)].copy()
            messages = iter(({"type": "http.request", "body": b"", "more_body": False},))

            async def receive(messages: Any = messages) -> Message:  # noqa: ANN401 - an iterator
                for message in messages:
                    return message
                await forever.wait()  # a client that stays until it has its answer
                return {"type": "http.disconnect"}

            await app(scope, receive, send)
        assert self.status == 200, self.status

    def __call__(self, requests: int) -> None:
        """Send so many requests; raises AssertionError if the last was not answered with 200."""
        self._runner.run(self._requests(requests))

    def close(self) -> None:
        """Close the event loop."""
        self._runner.close()

    def __enter__(self) -> Self:
        """Return the driver."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the event loop."""
        self.close()


def _scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }
