from __future__ import annotations

import gc
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from hhs_perf import Monitor, RequestScope, request_scope
from hhs_perf.testing import FakeClock
from hhs_perf.web.wsgi import WsgiTimer
from tests.web_calls import Series, call_wsgi, counted, environ_for, quiet_monitor, series

App = Callable[..., Iterable[bytes]]


@pytest.fixture
def monitor(clock: FakeClock) -> Monitor:
    return quiet_monitor(clock)


def _timed(app: App, monitor: Monitor, own: Iterable[str] = ()) -> WsgiTimer:
    return WsgiTimer(app, monitor, lambda environ: environ.get("test.route"), own)


def _hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    environ["test.route"] = "/hello"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def test_the_template_is_asked_for_while_the_response_starts(monitor: Monitor) -> None:
    """Flask forgets the rule as soon as its context ends."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = _hello(environ, start_response)
        del environ["test.route"]
        return body

    assert call_wsgi(_timed(app, monitor)).body == b"hello"
    assert counted(monitor) == {("GET", "/hello", "2xx"): 1}


def test_time_runs_to_the_last_byte_and_not_to_the_end_of_close(
    monitor: Monitor, clock: FakeClock
) -> None:
    """What is done in close() comes after the client has its answer, like a background task."""

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            clock.advance(1.0)
            yield b"x"
            clock.advance(2.0)

        def close(self) -> None:
            clock.advance(100.0)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body()

    call_wsgi(_timed(app, monitor))
    assert series(monitor) == [Series("GET", "unmatched", "2xx", 1, 3.0, 3.0)]


def test_close_is_passed_on_exactly_once(monitor: Monitor) -> None:
    closed = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body([b"x"])

    body = _timed(app, monitor)(environ_for("/"), lambda *_: None)
    assert closed == []
    body.close()  # type: ignore[attr-defined]
    body.close()  # type: ignore[attr-defined]
    assert closed == [True]
    assert sum(counted(monitor).values()) == 1


def test_a_client_that_leaves_counts_with_the_status_that_it_got(monitor: Monitor) -> None:
    """The server then closes early; that is no error of the application."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        while True:
            yield b"more"

    call_wsgi(_timed(app, monitor), chunks=2)
    assert counted(monitor) == {("GET", "unmatched", "2xx"): 1}


def test_an_exception_midway_is_an_error(monitor: Monitor) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"x"
        raise RuntimeError("midway")

    answer = call_wsgi(_timed(app, monitor))
    assert isinstance(answer.error, RuntimeError)
    assert counted(monitor) == {("GET", "unmatched", "5xx"): 1}


def test_an_exception_before_the_response_is_an_error(monitor: Monitor) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raise RuntimeError("early")

    assert isinstance(call_wsgi(_timed(app, monitor)).error, RuntimeError)
    assert counted(monitor) == {("GET", "unmatched", "5xx"): 1}


def test_a_body_that_cannot_be_iterated_is_an_error(monitor: Monitor) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])

    assert isinstance(call_wsgi(_timed(app, monitor)).error, TypeError)
    assert counted(monitor) == {("GET", "unmatched", "5xx"): 1}


def test_a_second_start_with_exc_info_replaces_the_status(monitor: Monitor) -> None:
    passed = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError as error:
            start_response("503 Busy", [], (ValueError, error, None))
        return [b""]

    def start_response(*args: Any) -> None:
        passed.append(args)

    list(_timed(app, monitor)(environ_for("/"), start_response))
    assert [len(args) for args in passed] == [2, 3]
    assert counted(monitor) == {("GET", "unmatched", "5xx"): 1}


def test_the_servers_write_function_reaches_the_application(monitor: Monitor) -> None:
    written: list[bytes] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"by hand")
        return []

    list(_timed(app, monitor)(environ_for("/"), lambda *_: written.append))
    assert written == [b"by hand"]


@pytest.mark.parametrize("content_type", ["text/event-stream", "Text/Event-Stream; charset=utf-8"])
def test_an_event_stream_is_judged_to_its_first_byte_and_timed_whole(
    content_type: str, monitor: Monitor, clock: FakeClock
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        environ["test.route"] = "/events"
        start_response("200 OK", [("X-A", "b"), ("content-TYPE", content_type)])
        yield b""
        clock.advance(0.25)
        yield b"data: 1\n\n"
        clock.advance(60.0)
        yield b"data: 2\n\n"

    call_wsgi(_timed(app, monitor))
    assert series(monitor) == [Series("GET", "/events", "2xx", 1, 0.25, 0.25)]
    (_, whole) = monitor.reader.read("5m").timers("http.server.stream.duration")[0]
    assert (whole.count, whole.max) == (1, 60.25)


def test_a_response_marked_as_streaming_is_one(monitor: Monitor, clock: FakeClock) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        scope = request_scope()
        assert scope is not None
        scope.streaming = True
        start_response("200 OK", [("Content-Type", "application/x-ndjson")])
        clock.advance(0.5)
        yield b"{}"
        clock.advance(9.0)

    call_wsgi(_timed(app, monitor))
    assert series(monitor)[0].longest == 0.5


def test_kind_and_scope_belong_to_the_request_under_way(monitor: Monitor) -> None:
    seen: list[RequestScope | None] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        seen.append(request_scope())
        yield b"x"
        scope = request_scope()
        assert scope is not None
        scope.kind = "cached"

    call_wsgi(_timed(app, monitor))
    assert request_scope() is None
    (scope,) = seen
    assert scope is not None
    assert (scope.method, scope.route, scope.is_open) == ("GET", "unmatched", False)
    rows = monitor.reader.read("5m").counters("http.server.responses")
    assert [tags["kind"] for tags, _ in rows] == ["cached"]


def test_a_request_inside_of_another_gives_the_scope_back(monitor: Monitor) -> None:
    inner = _timed(_hello, monitor)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        before = request_scope()
        call_wsgi(inner)
        assert request_scope() is before is not None
        start_response("200 OK", [])
        return []

    assert call_wsgi(_timed(app, monitor)).error is None


def test_headers_can_be_changed_once_when_the_response_starts(monitor: Monitor) -> None:
    routes = []

    def change(headers: list[tuple[str, str]]) -> None:
        scope = request_scope()
        assert scope is not None
        routes.append(scope.route)
        headers.append(("Server-Timing", "app"))

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        scope = request_scope()
        assert scope is not None
        scope.at_response_start = [change]
        return _hello(environ, start_response)

    assert call_wsgi(_timed(app, monitor)).headers["server-timing"] == "app"
    assert routes == ["/hello"]


def test_a_raising_callback_hurts_nobody(
    monitor: Monitor, caplog: pytest.LogCaptureFixture
) -> None:
    def bad(_headers: list[tuple[str, str]]) -> None:
        raise LookupError("mine")

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        scope = request_scope()
        assert scope is not None
        scope.at_response_start = [bad, lambda headers: headers.append(("X-Good", "1"))]
        return _hello(environ, start_response)

    for _ in range(3):
        assert call_wsgi(_timed(app, monitor)).headers["x-good"] == "1"
    assert monitor.faults == {"response start: LookupError": 3}
    assert [bool(record.exc_info) for record in caplog.records] == [True]


def test_a_fault_in_timing_never_reaches_the_host(
    monitor: Monitor, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_environ: object) -> str:
        raise ZeroDivisionError

    for _ in range(2):
        assert call_wsgi(WsgiTimer(_hello, monitor, broken)).body == b"hello"
    assert monitor.faults["request timing: ZeroDivisionError"] >= 2
    assert len(caplog.records) == 1


def test_a_request_that_cannot_be_opened_is_answered_untimed(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start() -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(monitor, "start", start)
    assert call_wsgi(_timed(_hello, monitor)).body == b"hello"
    assert monitor.faults == {"request timing: RuntimeError": 1}
    assert counted(monitor) == {}


def test_a_malformed_status_is_the_servers_to_judge(monitor: Monitor) -> None:
    statuses = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("fine", [])
        return []

    list(_timed(app, monitor)(environ_for("/"), lambda status, _: statuses.append(status)))
    assert statuses == ["fine"]
    assert counted(monitor) == {("GET", "unmatched", "5xx"): 1}


def test_what_is_under_way_shows_with_its_route(monitor: Monitor, clock: FakeClock) -> None:
    clock.advance(5.0)
    rows = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        rows.append(monitor.in_flight.routes())
        environ["test.route"] = "/slow"
        rows.append(monitor.in_flight.routes())
        start_response("200 OK", [])
        yield b"x"

    call_wsgi(_timed(app, monitor))
    found = [[(r.method, r.route, r.count, r.oldest) for r in row] for row in rows]
    assert found == [[("GET", "unmatched", 1, 5.0)], [("GET", "/slow", 1, 5.0)]]
    assert monitor.in_flight.routes() == ()


def test_an_open_event_stream_does_not_look_hung(monitor: Monitor) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        yield b"x"
        assert monitor.in_flight.routes() == ()

    assert call_wsgi(_timed(app, monitor)).error is None


def test_own_and_ignored_routes_are_left_out_everywhere(clock: FakeClock) -> None:
    monitor = quiet_monitor(clock, {"HHS_PERF_IGNORE_ROUTES": "/health, /internal/*"})
    shown = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["test.route"] = environ["PATH_INFO"]
        shown.extend(monitor.in_flight.routes())
        stream = environ["PATH_INFO"] == "/internal/events"
        kind = "text/event-stream" if stream else "text/plain"
        start_response("200 OK", [("Content-Type", kind)])
        return [b"x"]

    timed = _timed(app, monitor, {"/api/performance"})
    for path in ("/api/performance", "/health", "/internal/x", "/internal/events", "/healthy"):
        call_wsgi(timed, path)
    assert counted(monitor) == {("GET", "/healthy", "2xx"): 1}
    assert [row.route for row in shown] == ["/healthy"]


def test_a_body_that_is_never_closed_is_counted_when_it_is_dropped(monitor: Monitor) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"x"
        yield b"y"

    timed = _timed(app, monitor)
    body = timed(environ_for("/"), lambda *_: None)
    assert next(iter(body)) == b"x"
    assert len(monitor.in_flight.routes()) == 1
    del body
    gc.collect()
    assert monitor.in_flight.routes() == ()
    assert counted(monitor) == {("GET", "unmatched", "2xx"): 1}
    timed(environ_for("/"), lambda *_: None)
    gc.collect()
    assert monitor.in_flight.routes() == ()


def test_the_servers_file_wrapper_is_handed_back_to_it(monitor: Monitor) -> None:
    """The server sends a file by sendfile() only if it gets its own wrapper."""
    file = io.BytesIO(b"contents")

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file)  # type: ignore[no-any-return]

    environ = environ_for("/file", **{"wsgi.file_wrapper": FileWrapper})
    body = _timed(app, monitor)(environ, lambda *_: None)
    assert type(body) is FileWrapper
    assert len(monitor.in_flight.routes()) == 1
    assert b"".join(body) == b"contents"
    body.close()
    assert file.closed
    assert counted(monitor) == {("GET", "unmatched", "2xx"): 1}


def test_a_file_wrapper_that_cannot_be_watched_is_wrapped(monitor: Monitor) -> None:
    class InC:
        __slots__ = ("_file",)

        def __init__(self, file: io.BytesIO) -> None:
            self._file = file

        def __iter__(self) -> Iterator[bytes]:
            yield self._file.read()

        def close(self) -> None:
            self._file.close()

    file = io.BytesIO(b"contents")

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file)  # type: ignore[no-any-return]

    answer = call_wsgi(_timed(app, monitor), **{"wsgi.file_wrapper": InC})
    assert answer.body == b"contents"
    assert file.closed
    assert sum(counted(monitor).values()) == 1


def test_the_monitor_starts_with_the_first_request_and_again_after_a_close() -> None:
    monitor = quiet_monitor()
    timed = _timed(_hello, monitor)
    assert not monitor.is_started
    call_wsgi(timed)
    assert monitor.is_started
    monitor.close()
    call_wsgi(timed)
    assert monitor.is_started
    monitor.close()
