from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from hhs_perf import Monitor, RequestScope, request_scope
from hhs_perf.testing import FakeClock
from hhs_perf.web.asgi import AsgiTimer
from tests.web_calls import Series, call_asgi, counted, quiet_monitor, scope_for, series

App = Callable[..., Awaitable[None]]
PLAIN = [(b"content-type", b"text/plain")]


class LeftError(Exception):
    """The framework's word for a client that has gone."""


@pytest.fixture
def monitor(clock: FakeClock) -> Monitor:
    return quiet_monitor(clock)


def _timed(app: App, monitor: Monitor, own: Iterable[str] = ()) -> AsgiTimer:
    return AsgiTimer(
        app, monitor, lambda scope: scope.get("test.route"), own, disconnects=(LeftError,)
    )


async def _begin(send: Any, status: int = 200, **more: Any) -> None:
    await send({"type": "http.response.start", "status": status, "headers": PLAIN, **more})


async def _body(send: Any, body: bytes = b"x", **more: Any) -> None:
    await send({"type": "http.response.body", "body": body, **more})


async def _hello(scope: Any, receive: Any, send: Any) -> None:
    scope["test.route"] = "/hello"
    await _begin(send)
    await _body(send, b"hello")


async def test_a_request_is_timed_to_its_last_byte_without_what_follows(
    monitor: Monitor, clock: FakeClock
) -> None:
    """Background tasks run after the last byte, inside the same call."""
    under_way = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await _begin(send)
        clock.advance(1.0)
        await _body(send, more_body=True)
        clock.advance(2.0)
        await _body(send, b"")
        under_way.extend(monitor.in_flight.routes())
        clock.advance(100.0)

    await call_asgi(_timed(app, monitor))
    assert series(monitor) == [Series("GET", "unmatched", "2xx", 1, 3.0, 3.0)]
    assert under_way == []


async def test_an_exception_in_a_background_task_is_no_error_of_the_request(
    monitor: Monitor,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await _hello(scope, receive, send)
        raise RuntimeError("in the background")

    assert isinstance((await call_asgi(_timed(app, monitor))).error, RuntimeError)
    assert counted(monitor) == {("GET", "/hello", "2xx"): 1}


async def test_a_stream_closed_properly_before_its_exception_comes_out_has_failed(
    monitor: Monitor, clock: FakeClock
) -> None:
    """So does Starlette under a BaseHTTPMiddleware; the time is that of the last byte."""
    under_way = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await _begin(send)
        await _body(send, more_body=True)
        clock.advance(2.0)
        await _body(send, b"")
        under_way.extend(monitor.in_flight.routes())
        assert request_scope() is None
        clock.advance(100.0)
        raise RuntimeError("in the middle")

    await call_asgi(_timed(app, monitor))
    assert series(monitor) == [Series("GET", "unmatched", "5xx", 1, 2.0, 2.0)]
    assert under_way == []


@pytest.mark.parametrize("said", [b"3", b"4"])
async def test_a_stream_of_the_length_that_it_announced_is_complete_at_its_last_byte(
    said: bytes, monitor: Monitor
) -> None:
    """What the application does afterwards can then be nothing but background work."""
    counts = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Content-Length", said)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _body(send, b"a", more_body=True)
        await _body(send, b"b", more_body=True)
        await _body(send, b"c")
        counts.append(counted(monitor))
        raise RuntimeError("afterwards")

    await call_asgi(_timed(app, monitor))
    complete = said == b"3"
    assert counts == [{("GET", "unmatched", "2xx"): 1} if complete else {}]
    assert counted(monitor) == {("GET", "unmatched", "2xx" if complete else "5xx"): 1}


@pytest.mark.parametrize(
    ("status", "headers", "complete"),
    [
        (200, [], False),
        (200, [(b"content-length", b"0")], True),
        (204, [], True),
        (304, [], True),
    ],
)
async def test_an_empty_response_is_complete_where_it_says_so(
    status: int, headers: list[Any], complete: bool, monitor: Monitor
) -> None:
    """Without a word of it, it may be a stream that failed before its first byte."""
    counts = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await _body(send, b"")
        counts.append(len(counted(monitor)))
        raise RuntimeError("afterwards")

    await call_asgi(_timed(app, monitor))
    assert counts == [complete]
    ((_, _, status_class),) = counted(monitor)
    assert (status_class == "5xx") is not complete


async def test_a_stream_cancelled_after_its_last_byte_keeps_its_status(monitor: Monitor) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await _begin(send)
        await _body(send, more_body=True)
        await _body(send, b"")
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await call_asgi(_timed(app, monitor))
    assert counted(monitor) == {("GET", "unmatched", "2xx"): 1}


@pytest.mark.parametrize(
    ("start", "last"),
    [
        ({}, {"type": "http.response.body", "body": b""}),
        ({}, {"type": "http.response.pathsend", "path": "/file"}),
        ({}, {"type": "http.response.zerocopysend", "file": 3, "more_body": False}),
        ({"trailers": True}, {"type": "http.response.trailers", "more_trailers": False}),
    ],
    ids=["body", "pathsend", "zerocopysend", "trailers"],
)
async def test_every_way_to_end_a_response_is_its_end(
    start: dict[str, Any], last: dict[str, Any], monitor: Monitor, clock: FakeClock
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.debug", "info": {}})
        await _begin(send, **start)
        if start:
            await _body(send)
            await send({"type": "http.response.trailers", "more_trailers": True})
        else:
            await send({"type": "http.response.zerocopysend", "file": 3, "more_body": True})
        clock.advance(1.0)
        await send(last)
        clock.advance(9.0)

    await call_asgi(_timed(app, monitor))
    assert series(monitor) == [Series("GET", "unmatched", "2xx", 1, 1.0, 1.0)]


@pytest.mark.parametrize("started", [False, True])
async def test_an_exception_is_an_error_whatever_was_sent(started: bool, monitor: Monitor) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["test.route"] = "/boom"
        if started:
            await _begin(send)
            await _body(send, more_body=True)
        raise RuntimeError("boom")

    assert isinstance((await call_asgi(_timed(app, monitor))).error, RuntimeError)
    assert counted(monitor) == {("GET", "/boom", "5xx"): 1}


async def test_an_application_that_answers_nothing_is_an_error(monitor: Monitor) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["test.route"] = "/mute"

    await call_asgi(_timed(app, monitor))
    assert counted(monitor) == {("GET", "/mute", "5xx"): 1}


async def test_a_stream_whose_client_leaves_counts_with_its_status(monitor: Monitor) -> None:
    """Starlette then ends the stream without a last message."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await _begin(send)
        await _body(send, more_body=True)

    await call_asgi(_timed(app, monitor))
    assert counted(monitor) == {("GET", "unmatched", "2xx"): 1}


async def test_a_server_that_cannot_send_is_no_error_of_the_application(monitor: Monitor) -> None:
    """Since spec 2.4 servers raise OSError to say that the client has gone."""

    def gone(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise ConnectionResetError

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await _hello(scope, receive, send)
        except OSError as error:
            raise RuntimeError from error

    answer = await call_asgi(_timed(app, monitor), on_send=gone)
    assert isinstance(answer.error, RuntimeError)
    assert counted(monitor) == {("GET", "/hello", "2xx"): 1}


async def test_a_client_that_leaves_in_its_upload_is_a_client_error(monitor: Monitor) -> None:
    """Frameworks answer their own exception with 500, to nobody."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            raise LeftError
        except LeftError:
            await _begin(send, 500)
            await _body(send)
            raise

    await call_asgi(_timed(app, monitor))
    assert counted(monitor) == {("GET", "unmatched", "4xx"): 1}


async def test_a_client_that_leaves_before_any_answer_is_a_client_error(monitor: Monitor) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise LeftError

    await call_asgi(_timed(app, monitor))
    assert counted(monitor) == {("GET", "unmatched", "4xx"): 1}


async def test_a_cancelled_request_lets_go_of_everything(monitor: Monitor) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(call_asgi(_timed(app, monitor)))
    await asyncio.sleep(0)
    assert len(monitor.in_flight.routes()) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert monitor.in_flight.routes() == ()
    assert counted(monitor) == {("GET", "unmatched", "4xx"): 1}


async def test_a_coroutine_that_is_thrown_away_lets_go_of_everything(monitor: Monitor) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def nothing(*_: Any) -> None: ...

    call = _timed(app, monitor)(scope_for("/"), nothing, nothing)
    call.send(None)
    assert len(monitor.in_flight.routes()) == 1
    call.close()
    assert monitor.in_flight.routes() == ()


async def test_an_event_stream_is_judged_to_its_first_byte_and_timed_whole(
    monitor: Monitor, clock: FakeClock
) -> None:
    shown = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["test.route"] = "/events"
        headers = [(b"x-a", b"b"), (b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        clock.advance(0.25)
        await _body(send, more_body=True)
        shown.extend(monitor.in_flight.routes())
        clock.advance(60.0)
        await _body(send, more_body=True)
        await _body(send)

    await call_asgi(_timed(app, monitor))
    assert series(monitor) == [Series("GET", "/events", "2xx", 1, 0.25, 0.25)]
    (_, whole) = monitor.reader.read("5m").timers("http.server.stream.duration")[0]
    assert (whole.count, whole.max) == (1, 60.25)
    assert shown == [], "an open stream does not look hung"


async def test_a_response_marked_as_streaming_is_one(monitor: Monitor, clock: FakeClock) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = request_scope()
        assert request is not None
        request.streaming = True
        await _begin(send)
        clock.advance(0.5)
        await _body(send, more_body=True)
        clock.advance(9.0)
        await _body(send)

    await call_asgi(_timed(app, monitor))
    assert series(monitor)[0].longest == 0.5


async def test_kind_and_scope_belong_to_the_request_under_way(monitor: Monitor) -> None:
    seen: list[RequestScope | None] = []

    async def set_kind() -> None:
        scope = request_scope()
        assert scope is not None
        scope.kind = "database"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(request_scope())
        await asyncio.create_task(set_kind())
        await _hello(scope, receive, send)

    await call_asgi(_timed(app, monitor))
    assert request_scope() is None
    (request,) = seen
    assert request is not None
    assert (request.method, request.route, request.is_open) == ("GET", "/hello", False)
    rows = monitor.reader.read("5m").counters("http.server.responses")
    assert [tags["kind"] for tags, _ in rows] == ["database"]


async def test_the_scope_is_complete_from_the_start(monitor: Monitor) -> None:
    """The timer fills it without calling its constructor."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = request_scope()
        fresh = RequestScope("GET", 0.0, scope)
        for name in RequestScope.__slots__:
            assert getattr(request, name) == getattr(fresh, name)
        await _hello(scope, receive, send)

    assert (await call_asgi(_timed(app, monitor))).error is None


async def test_a_request_inside_of_another_gives_the_scope_back(monitor: Monitor) -> None:
    inner = _timed(_hello, monitor)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        before = request_scope()
        await call_asgi(inner)
        assert request_scope() is before is not None
        await _hello(scope, receive, send)

    assert (await call_asgi(_timed(app, monitor))).error is None


async def test_headers_can_be_changed_once_when_the_response_starts(
    monitor: Monitor, caplog: pytest.LogCaptureFixture
) -> None:
    routes = []

    def change(headers: list[tuple[str, str]]) -> None:
        scope = request_scope()
        assert scope is not None
        routes.append(scope.route)
        headers.append(("Server-Timing", "app"))

    def bad(_headers: list[tuple[str, str]]) -> None:
        raise LookupError("mine")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = request_scope()
        assert request is not None
        request.at_response_start = [bad, change]
        await _hello(scope, receive, send)

    answer = await call_asgi(_timed(app, monitor))
    assert answer.headers == {"content-type": "text/plain", "server-timing": "app"}
    assert routes == ["/hello"]
    assert monitor.faults == {"response start: LookupError": 1}
    assert [bool(record.exc_info) for record in caplog.records] == [True]


async def test_a_fault_in_timing_never_reaches_the_host(
    monitor: Monitor, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_scope: object) -> str:
        raise ZeroDivisionError

    timed = AsgiTimer(_hello, monitor, broken)
    for _ in range(2):
        assert (await call_asgi(timed)).body == b"hello"
    assert monitor.faults == {"request timing: ZeroDivisionError": 2}
    assert len(caplog.records) == 1
    await call_asgi(timed, type="websocket")
    assert monitor.faults == {"request timing: ZeroDivisionError": 3}


async def test_a_callback_that_spoils_the_headers_is_kept_from_the_host(monitor: Monitor) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = request_scope()
        assert request is not None
        request.at_response_start = [lambda headers: headers.append(("x", "\N{SNOWMAN}"))]
        await _hello(scope, receive, send)

    answer = await call_asgi(_timed(app, monitor))
    assert answer.headers == {"content-type": "text/plain"}
    assert monitor.faults == {"request timing: UnicodeEncodeError": 1}


async def test_a_request_that_cannot_be_opened_is_answered_untimed(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start() -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(monitor, "start", start)
    assert (await call_asgi(_timed(_hello, monitor))).body == b"hello"
    assert monitor.faults == {"request timing: RuntimeError": 1}
    assert counted(monitor) == {}


async def test_what_is_under_way_shows_with_its_route(monitor: Monitor, clock: FakeClock) -> None:
    clock.advance(5.0)
    rows = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        rows.append(monitor.in_flight.routes())
        scope["test.route"] = "/slow"
        rows.append(monitor.in_flight.routes())
        await _hello(scope, receive, send)

    await call_asgi(_timed(app, monitor))
    found = [[(r.method, r.route, r.count, r.oldest) for r in row] for row in rows]
    assert found == [[("GET", "unmatched", 1, 5.0)], [("GET", "/slow", 1, 5.0)]]
    assert monitor.in_flight.routes() == ()


async def test_own_and_ignored_routes_are_left_out_everywhere(clock: FakeClock) -> None:
    monitor = quiet_monitor(clock, {"HHS_PERF_IGNORE_ROUTES": "/health, /internal/*"})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["test.route"] = scope["path"]
        if scope["type"] == "http":
            await _begin(send)
            await _body(send)

    timed = _timed(app, monitor, {"/api/performance"})
    for path in ("/api/performance", "/health", "/internal/x", "/healthy"):
        await call_asgi(timed, path)
        await call_asgi(timed, path, type="websocket")
    assert counted(monitor) == {("GET", "/healthy", "2xx"): 1}
    sockets = monitor.reader.read("5m").counters("http.server.websockets")
    assert sockets == [({"route": "/healthy"}, 1.0)]


async def test_a_websocket_is_counted_when_it_opens_and_has_no_duration(
    monitor: Monitor,
) -> None:
    counts = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["test.route"] = "/ws"
        await send({"type": "websocket.accept"})
        counts.append(monitor.reader.read("5m").count("http.server.websockets", route="/ws"))
        await send({"type": "websocket.send", "text": "hello"})
        assert request_scope() is None

    answer = await call_asgi(_timed(app, monitor), type="websocket")
    assert answer.error is None
    assert [message["type"] for message in answer.sent] == ["websocket.accept", "websocket.send"]
    assert counts == [1.0]
    assert monitor.reader.read("5m").count("http.server.websockets") == 1.0
    assert counted(monitor) == {}


async def test_a_websocket_that_fails_before_it_opens_is_counted(monitor: Monitor) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("refused")

    assert (await call_asgi(_timed(app, monitor), type="websocket")).error is not None
    assert monitor.reader.read("5m").count("http.server.websockets", route="unmatched") == 1.0


@pytest.mark.parametrize(
    "last", ["lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"]
)
async def test_the_monitor_closes_with_the_applications_lifespan(
    last: str, monitor: Monitor
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await _hello(scope, receive, send)
            return
        await send({"type": "lifespan.startup.complete"})
        assert monitor.is_started
        await send({"type": last})

    timed = _timed(app, monitor)
    await call_asgi(timed)
    await call_asgi(timed, type="lifespan")
    assert not monitor.is_started


async def test_other_protocols_pass_untouched(monitor: Monitor) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await call_asgi(_timed(app, monitor), type="webtransport")
    assert seen == ["webtransport"]
    assert not monitor.is_started
