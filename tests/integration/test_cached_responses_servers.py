"""On real servers, many ask at once: the view runs once, in one process or in two."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs
import pytest
import uvicorn
from fastapi import FastAPI, HTTPException
from flask import Flask
from werkzeug.exceptions import Conflict
from werkzeug.serving import WSGIRequestHandler, make_server

from hhs_perf import Monitor
from hhs_perf.adapters import fastapi as fastapi_adapter
from hhs_perf.adapters import flask as flask_adapter
from hhs_perf.collectors.api import DURATION
from hhs_perf.web import allow_all
from tests.servers import wait_until
from tests.web_calls import quiet_monitor

PATIENCE = 20.0
MANY = 50


@attrs.define
class View:
    """What a view does: it counts its runs, and ends when it is let go."""

    go: threading.Event = attrs.field(factory=threading.Event)
    refuses_with: Exception | None = None
    runs: int = 0

    def run(self) -> str:
        self.runs += 1
        assert self.go.wait(PATIENCE)
        if self.refuses_with is not None:
            raise self.refuses_with
        return f"run {self.runs}"


class _Silent(WSGIRequestHandler):
    def log(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def _flask(monitor: Monitor, view: View, *, is_async: bool) -> Iterator[int]:
    app = Flask("host")
    flask_adapter.init_app(app, monitor, auth=allow_all)
    if is_async:
        app.async_to_sync = lambda run: lambda: asyncio.run(run())  # type: ignore[method-assign]

        async def slow() -> str:
            return view.run()
    else:

        def slow() -> str:  # type: ignore[misc]
            return view.run()

    app.get("/slow")(flask_adapter.cached_response()(slow))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


class _Uvicorn(uvicorn.Server):
    def __init__(self, app: Any) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.monitor.cache.aio.close()
        await super().shutdown(sockets)

    monitor: Monitor


@contextmanager
def _fastapi(monitor: Monitor, view: View, *, is_async: bool) -> Iterator[int]:
    app = FastAPI()
    fastapi_adapter.init_app(app, monitor, auth=allow_all)
    if is_async:

        async def slow() -> str:
            return await asyncio.to_thread(view.run)
    else:

        def slow() -> str:  # type: ignore[misc]
            return view.run()

    app.get("/slow")(fastapi_adapter.cached_response()(slow))
    server = _Uvicorn(app)
    server.monitor = monitor
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.is_up.wait(PATIENCE)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def _ask(port: int) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/slow", headers={"Host": "shop.example", "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _waiting(monitor: Monitor) -> int:
    return sum(row.count for row in monitor.in_flight.routes())


Serve = Callable[..., Any]


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
@pytest.mark.parametrize("serve", [_flask, _fastapi], ids=["flask", "fastapi"])
@pytest.mark.parametrize("processes", [1, 2])
def test_the_view_runs_once_for_all_who_ask_at_a_time(
    serve: Serve, processes: int, is_async: bool, valkey_url: str, namespace: str
) -> None:
    """The second of two has caches of its own, as another process has."""
    view = View()
    environ = {"REDIS_URL": valkey_url, "HHS_PERF_NAMESPACE": namespace}
    monitors = [quiet_monitor(environ=environ) for _ in range(processes)]
    with ExitStack() as stack:
        ports = [stack.enter_context(serve(m, view, is_async=is_async)) for m in monitors]
        for monitor in monitors:
            below = monitor.cache.core.below
            assert below is not None
            monitor.cache.get("something")
            wait_until(lambda below=below: below.backplane.is_linked, "the link")
        pool = stack.enter_context(ThreadPoolExecutor(MANY))
        answers = [pool.submit(_ask, ports[n % processes]) for n in range(MANY)]
        wait_until(lambda: sum(map(_waiting, monitors)) == MANY, "all to have asked")
        view.go.set()
        assert {answer.result(PATIENCE) for answer in answers} == {
            (200, b'"run 1"' if serve is _fastapi else b"run 1")
        }
        assert view.runs == 1
        assert _ask(ports[0])[0] == 200
    kinds: dict[str, int] = {}
    for monitor in monitors:
        for tags, seen in monitor.reader.read("5m").timers(DURATION):
            kinds[tags["kind"]] = kinds.get(tags["kind"], 0) + seen.count
        assert monitor.faults == {}
        monitor.close()
    # Who waited for the view was not answered from the cache.
    assert kinds == {"uncached": MANY, "cached": 1}
    assert view.runs == 1


@pytest.mark.parametrize(
    ("serve", "refusal"),
    [(_flask, Conflict()), (_fastapi, HTTPException(409))],
    ids=["flask", "fastapi"],
)
def test_what_is_for_one_request_alone_is_made_for_each(serve: Serve, refusal: Exception) -> None:
    """Those who waited for the first run have their own, at once and side by side."""
    monitor, view = quiet_monitor(), View(refuses_with=refusal)
    with serve(monitor, view, is_async=False) as port, ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(_ask, port) for _ in range(10)]
        wait_until(lambda: _waiting(monitor) == 10, "all to have asked")
        assert view.runs == 1
        view.go.set()
        assert {answer.result(PATIENCE)[0] for answer in answers} == {409}
    assert view.runs == 10
    monitor.close()


@pytest.mark.parametrize("serve", [_flask, _fastapi], ids=["flask", "fastapi"])
def test_an_error_of_the_view_reaches_all_who_wait_for_it(serve: Serve) -> None:
    """A database that is down is asked once, and nobody hangs."""
    monitor, view = quiet_monitor(), View(refuses_with=RuntimeError("down"))
    with serve(monitor, view, is_async=False) as port, ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(_ask, port) for _ in range(10)]
        wait_until(lambda: _waiting(monitor) == 10, "all to have asked")
        view.go.set()
        assert {answer.result(PATIENCE)[0] for answer in answers} == {500}
    assert view.runs == 1
    monitor.close()
