"""Calls applications as a server does, and reads what came of it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import unquote, unquote_to_bytes
from wsgiref.util import setup_testing_defaults

import attrs

from hhs_perf import Monitor
from hhs_perf.collectors.api import DURATION, RESPONSES
from hhs_perf.testing import FakeClock

Message = dict[str, Any]


@attrs.define
class Answer:
    """What a server saw: status 0 if none came, and the exception that reached it."""

    status: int = 0
    headers: dict[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    error: BaseException | None = None
    sent: list[Message] = attrs.field(factory=list)


@attrs.frozen(order=True)
class Series:
    """What is known of one method, route and class of status."""

    method: str
    route: str
    status_class: str
    count: int
    shortest: float
    longest: float


def quiet_monitor(clock: FakeClock | None = None, environ: dict[str, str] | None = None) -> Monitor:
    """Make a monitor without thread and without the plugins that happen to be installed."""
    from hhs_perf import Settings

    return Monitor(
        Settings.from_env(environ or {}), clock=clock, tick=False, installed_plugins=False
    )


def series(monitor: Monitor) -> list[Series]:
    """Read all that was recorded of requests."""
    snapshot = monitor.reader.read("5m")
    times = {(t["method"], t["route"]): seen for t, seen in snapshot.timers(DURATION)}
    rows = []
    for tags, count in snapshot.counters(RESPONSES):
        seen = times[tags["method"], tags["route"]]
        assert seen.min is not None
        assert seen.max is not None
        rows.append(
            Series(tags["method"], tags["route"], tags["class"], int(count), seen.min, seen.max)
        )
    return sorted(rows)


def counted(monitor: Monitor) -> dict[tuple[str, str, str], int]:
    """Read the counts by method, route and class."""
    return {(s.method, s.route, s.status_class): s.count for s in series(monitor)}


def environ_for(path: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    """Make the environ of a request."""
    path, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        **more,
    }
    setup_testing_defaults(environ)
    return environ


def call_wsgi(
    app: Callable[..., Iterable[bytes]],
    path: str = "/",
    method: str = "GET",
    *,
    chunks: int | None = None,
    close: bool = True,
    **more: Any,
) -> Answer:
    """Send a request; read at most `chunks` of the body, and close it or not."""
    answer = Answer()

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        answer.status = int(status[:3])
        answer.headers = {name.lower(): value for name, value in headers}
        return lambda data: None

    try:
        body = app(environ_for(path, method, **more), start_response)
        try:
            if chunks is None:
                answer.body = b"".join(body)
            else:
                for _, chunk in zip(range(chunks), body, strict=False):
                    answer.body += chunk
        finally:
            if close and hasattr(body, "close"):
                body.close()
    except Exception as error:
        answer.error = error
    return answer


def scope_for(path: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    """Make the scope of a request."""
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        **more,
    }


async def call_asgi(
    app: Callable[..., Awaitable[None]],
    path: str = "/",
    method: str = "GET",
    *,
    received: Iterable[Message] = (),
    on_send: Callable[[Message], None] | None = None,
    **more: Any,
) -> Answer:
    """Send a request with the messages `received`; `on_send` may raise as a server does."""
    answer = Answer()
    waiting = iter([*received, {"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        return next(waiting, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        if on_send is not None:
            on_send(message)
        answer.sent.append(message)
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {n.decode(): v.decode() for n, v in message.get("headers", ())}
        answer.body += message.get("body", b"")

    try:
        await app(scope_for(path, method, **more), receive, send)
    except Exception:
        answer.error = sys.exception()
    return answer
