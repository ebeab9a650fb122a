"""Faults that only a server and a socket make: clients that leave, uploads that break off."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import uvicorn
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import FileResponse, StreamingResponse
from flask import Flask, Response, send_file
from flask import request as flask_request
from starlette.testclient import TestClient
from werkzeug.serving import WSGIRequestHandler as WerkzeugHandler
from werkzeug.serving import make_server as make_werkzeug_server

from hhs_perf import Monitor
from hhs_perf.adapters import fastapi as fastapi_adapter
from hhs_perf.adapters import flask as flask_adapter
from hhs_perf.web import allow_all
from tests.web_calls import counted, quiet_monitor

PATIENCE = 20.0
STREAM = b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPLOAD = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nsome"


class _Server(uvicorn.Server):
    def __init__(self, app: Any) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@contextmanager
def _uvicorn(app: FastAPI) -> Iterator[tuple[str, int]]:
    """Serve `app`; at the end all connections are closed and all requests are over."""
    server = _Server(app)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.is_up.wait(PATIENCE)
        yield server.servers[0].sockets[0].getsockname()[:2]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


class _Silent(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class _SilentWerkzeug(WerkzeugHandler):
    def log(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def _one_request(app: Flask) -> Iterator[tuple[str, int]]:
    """Serve one request of `app`; at the end it is over."""
    with make_server("127.0.0.1", 0, app, handler_class=_Silent) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        try:
            yield server.server_address[0], server.server_port  # type: ignore[misc]
        finally:
            thread.join(PATIENCE)


@pytest.fixture
def monitor() -> Monitor:
    return quiet_monitor()


def _leave(address: tuple[str, int], request: bytes, until: Callable[[bytes], bool]) -> None:
    """Send a request, read until enough has come, and go without a word."""
    with socket.create_connection(address, PATIENCE) as client:
        client.sendall(request)
        got = b""
        while not until(got):
            got += client.recv(4096)
        # Reset and not closed, so that the next write of the server fails at once.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_a_client_that_leaves_an_asgi_stream_is_no_error(monitor: Monitor) -> None:
    app = FastAPI()
    fastapi_adapter.init_app(app, monitor, auth=allow_all)
    ended = threading.Event()

    @app.get("/stream")
    async def stream(request: Request) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                while not await request.is_disconnected():
                    yield b"chunk" * 1_000
            finally:
                ended.set()

        return StreamingResponse(chunks())

    with _uvicorn(app) as address:
        _leave(address, STREAM, lambda got: b"chunk" in got)
        assert ended.wait(PATIENCE)
    assert counted(monitor) == {("GET", "/stream", "2xx"): 1}
    assert monitor.in_flight.routes() == ()
    assert monitor.faults == {}


def test_a_client_that_leaves_a_wsgi_stream_is_no_error(monitor: Monitor) -> None:
    app = Flask("host")
    flask_adapter.init_app(app, monitor, auth=allow_all)

    @app.get("/stream")
    def stream() -> Response:
        def chunks() -> Iterator[bytes]:
            while True:
                yield b"chunk" * 10_000

        return Response(chunks())

    with _one_request(app) as address:
        _leave(address, STREAM, lambda got: b"chunk" in got)
    assert counted(monitor) == {("GET", "/stream", "2xx"): 1}
    assert monitor.in_flight.routes() == ()


def test_an_upload_that_breaks_off_is_no_error_of_the_application(monitor: Monitor) -> None:
    """Starlette raises ClientDisconnect, and answers itself with 500."""
    app = FastAPI()
    fastapi_adapter.init_app(app, monitor, auth=allow_all)
    reading = threading.Event()

    @app.post("/upload")
    async def upload(request: Request) -> int:
        reading.set()
        return len(await request.body())

    with _uvicorn(app) as address:
        _leave(address, UPLOAD, lambda _: reading.wait(PATIENCE))
    assert counted(monitor) == {("POST", "/upload", "4xx"): 1}


def test_a_wsgi_upload_that_breaks_off_is_no_error_of_the_application(monitor: Monitor) -> None:
    app = Flask("host")
    flask_adapter.init_app(app, monitor, auth=allow_all)
    reading = threading.Event()

    @app.post("/upload")
    def upload() -> str:
        reading.set()
        try:
            return str(len(flask_request.get_data()))
        except OSError:
            return "gone"

    with _one_request(app) as address:
        _leave(address, UPLOAD, lambda _: reading.wait(PATIENCE))
    ((_, route, status_class),) = counted(monitor)
    assert route == "/upload"
    assert status_class in ("2xx", "4xx")


@pytest.mark.parametrize("agent", ["curl/8", "Werkzeug/3"])
def test_a_wsgi_response_that_breaks_off_is_an_error_whatever_its_client_is_called(
    agent: str, monitor: Monitor
) -> None:
    """Flask's test client has that name as well, and is told apart by having no server."""
    app = Flask("host")
    flask_adapter.init_app(app, monitor, auth=allow_all)

    @app.get("/broken")
    def broken() -> Response:
        def chunks() -> Iterator[bytes]:
            yield b"first"
            raise RuntimeError("broken off")

        return Response(chunks(), headers={"Content-Length": "100"})

    server = make_werkzeug_server("127.0.0.1", 0, app, request_handler=_SilentWerkzeug)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        assert b"first" in _get(server.server_address, "/broken", f"User-Agent: {agent}\r\n")
    finally:
        thread.join(PATIENCE)
        server.server_close()
    assert counted(monitor) == {("GET", "/broken", "5xx"): 1}


def _get(address: tuple[str, int], path: str, headers: str = "") -> bytes:
    asked = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
    with socket.create_connection(address, PATIENCE) as client:
        client.sendall(asked.encode())
        got = b""
        while more := client.recv(65536):
            got += more
    return got


def test_files_arrive_whole_and_are_counted(monitor: Monitor, tmp_path: Path) -> None:
    contents = b"0123456789" * 100_000
    (tmp_path / "file").write_bytes(contents)
    flask, fastapi = Flask("host"), FastAPI()
    other = quiet_monitor()
    flask_adapter.init_app(flask, monitor, auth=allow_all)
    fastapi_adapter.init_app(fastapi, other, auth=allow_all)
    flask.add_url_rule("/file", view_func=lambda: send_file(tmp_path / "file"))

    @fastapi.get("/file")
    async def file() -> FileResponse:
        return FileResponse(tmp_path / "file")

    with _one_request(flask) as address:
        assert _get(address, "/file").endswith(contents)
    with _uvicorn(fastapi) as address:
        assert _get(address, "/file").endswith(contents)
    assert counted(monitor) == counted(other) == {("GET", "/file", "2xx"): 1}


def test_websockets_work_and_are_counted_once_by_route(monitor: Monitor) -> None:
    app = FastAPI()
    fastapi_adapter.init_app(app, monitor, auth=allow_all)

    @app.websocket("/ws/{room}")
    async def room(websocket: WebSocket, room: str) -> None:
        await websocket.accept()
        await websocket.send_text(room)
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    client = TestClient(app)
    for name in ("a", "b"):
        with client.websocket_connect(f"/ws/{name}") as session:
            assert session.receive_text() == name
            session.send_text("echo")
            assert session.receive_text() == "echo"
    found = monitor.reader.read("5m").counters("http.server.websockets")
    assert found == [({"route": "/ws/{room}"}, 2.0)]
    assert counted(monitor) == {}
