"""Factories and test clients make applications by the dozen; nothing of them may stay."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.testclient import TestClient

import hhs_perf
from hhs_perf import Monitor, Settings
from hhs_perf.adapters import fastapi as fastapi_adapter
from hhs_perf.adapters import flask as flask_adapter
from hhs_perf.web import allow_all
from tests.web_calls import call_wsgi, counted, quiet_monitor

Use = Callable[[], Monitor]
APPS = 30
OUR_FILES = str(Path(hhs_perf.__file__).parent / "*")


def _ticking() -> Monitor:
    return Monitor(Settings(), installed_plugins=False)


def _use_flask() -> Monitor:
    app = Flask("host")
    monitor = flask_adapter.init_app(app, _ticking(), auth=allow_all)
    app.add_url_rule("/x/<int:y>", view_func=lambda y: f"{y}")
    with app.test_client() as client:
        assert client.get("/x/1").status_code == 200
        assert client.get("/api/performance").json["api"]["count"] == 1  # type: ignore[index]
    return monitor


def _use_fastapi() -> Monitor:
    app = FastAPI()
    monitor = fastapi_adapter.init_app(app, _ticking(), auth=allow_all)

    @app.get("/x/{y}")
    async def x(y: int) -> int:
        return y

    with TestClient(app) as client:
        assert client.get("/x/1").status_code == 200
        assert client.get("/api/performance").json()["api"]["count"] == 1
    return monitor


Ticks = Callable[[], list[threading.Thread]]


@pytest.fixture
def ticks() -> Ticks:
    """Give what lists our threads that this test started."""
    before = set(threading.enumerate())

    def started() -> list[threading.Thread]:
        now = [each for each in threading.enumerate() if each not in before]
        return [each for each in now if each.name.startswith("hhs_perf")]

    return started


@pytest.mark.parametrize("use", [_use_flask, _use_fastapi])
@pytest.mark.parametrize("close", [True, False], ids=["closed", "forgotten"])
def test_many_applications_leave_no_thread_and_no_memory(
    use: Use, close: bool, ticks: Ticks
) -> None:
    """Those that nobody closes go, with their thread, when they are collected."""
    gone: list[weakref.ref[Monitor]] = []

    def round_trip() -> None:
        for _ in range(APPS):
            monitor = use()
            if close:
                monitor.close()
            gone.append(weakref.ref(monitor))
            del monitor
        for _ in range(3):  # what goes lets other things go
            gc.collect()

    round_trip()  # fills the caches of the frameworks
    for thread in ticks():
        thread.join(5)
    assert ticks() == []
    tracemalloc.start()
    try:
        round_trip()
        for thread in ticks():
            thread.join(5)
        gc.collect()
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, OUR_FILES)])
    finally:
        tracemalloc.stop()
    assert ticks() == []
    assert [each for each in gone if each() is not None] == []
    # FastAPI keeps the last views it has seen in caches of its own, ours among them.
    assert sum(trace.size for trace in ours.traces) < APPS * 4_096


def test_no_thread_starts_before_the_first_request(ticks: Ticks) -> None:
    """A server that forks after loading the application must find no thread in it."""
    flask_app, fastapi_app = Flask("host"), FastAPI()
    monitors = [_ticking(), _ticking()]
    flask_adapter.init_app(flask_app, monitors[0], auth=allow_all)
    fastapi_adapter.init_app(fastapi_app, monitors[1], auth=allow_all)
    assert ticks() == []
    call_wsgi(flask_app, "/")
    assert len(ticks()) == 1
    with TestClient(fastapi_app) as client:
        assert len(ticks()) == 1
        client.get("/")
        assert len(ticks()) == 2
    assert len(ticks()) == 1, "the lifespan's end closes the monitor"
    monitors[0].close()
    assert ticks() == []


def test_two_applications_in_one_process_know_nothing_of_each_other() -> None:
    one, other = Flask("one"), Flask("other")
    monitors = quiet_monitor(), quiet_monitor()
    for app, monitor in zip((one, other), monitors, strict=True):
        flask_adapter.init_app(app, monitor, auth=allow_all)
    other.add_url_rule("/inner", view_func=lambda: "x")
    one.add_url_rule("/outer", view_func=lambda: call_wsgi(other, "/inner").body)
    for _ in range(3):
        assert call_wsgi(one, "/outer").body == b"x"
    assert counted(monitors[0]) == {("GET", "/outer", "2xx"): 3}
    assert counted(monitors[1]) == {("GET", "/inner", "2xx"): 3}


def test_two_applications_may_share_a_monitor() -> None:
    monitor = quiet_monitor()
    for name in ("one", "other"):
        app = Flask(name)
        flask_adapter.init_app(app, monitor, auth=allow_all)
        app.add_url_rule(f"/{name}", view_func=lambda: "x")
        call_wsgi(app, f"/{name}")
    assert counted(monitor) == {("GET", "/one", "2xx"): 1, ("GET", "/other", "2xx"): 1}
