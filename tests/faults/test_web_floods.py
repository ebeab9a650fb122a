"""Scanners, fuzzers and hostile clients: the number of series does not depend on them."""

from __future__ import annotations

import asyncio
import random
import string
from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from flask import Flask

from hhs_perf import Monitor
from hhs_perf.adapters import fastapi as fastapi_adapter
from hhs_perf.adapters import flask as flask_adapter
from hhs_perf.collectors.api import DURATION
from hhs_perf.web import allow_all
from tests.web_calls import call_asgi, call_wsgi, counted, quiet_monitor

REQUESTS = 10_000
_LETTERS = string.ascii_letters + string.digits + "/%.-_~<>'\"{}*\u00e9"
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT")
HOSTILE = "<img src=x onerror=alert(1)>"

Send = Callable[[str, str], None]
Make = Callable[[Monitor, asyncio.Runner], Send]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def _flask(monitor: Monitor, runner: asyncio.Runner) -> Send:
    app = Flask("host")
    flask_adapter.init_app(app, monitor, auth=allow_all)
    app.add_url_rule("/x/<int:y>", view_func=lambda y: f"{y}")

    def send(method: str, path: str) -> None:
        answer = call_wsgi(app, path, method, HTTP_USER_AGENT=HOSTILE)
        assert answer.error is None

    return send


def _fastapi(monitor: Monitor, runner: asyncio.Runner) -> Send:
    app = FastAPI()
    fastapi_adapter.init_app(app, monitor, auth=allow_all)

    @app.get("/x/{y}")
    async def x(y: int) -> int:
        return y

    def send(method: str, path: str) -> None:
        headers = [(b"user-agent", HOSTILE.encode())]
        answer = runner.run(call_asgi(app, path, method, headers=headers))
        assert answer.error is None

    return send


@pytest.mark.parametrize("make", [_flask, _fastapi])
def test_random_paths_and_methods_are_one_route(make: Make, runner: asyncio.Runner) -> None:
    """Ten thousand random requests leave one route and at most a series for each known method."""
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    monitor = quiet_monitor()
    send = make(monitor, runner)
    for number in range(REQUESTS):
        path = "/nothing/" + "".join(rng.choices(_LETTERS, k=rng.randrange(1, 30)))
        random_method = "".join(rng.choices(string.ascii_uppercase, k=rng.randrange(1, 12)))
        send(rng.choice((*_METHODS, random_method)), path.replace("%", f"%{number % 256:02x}"))
    found = counted(monitor)
    assert sum(found.values()) == REQUESTS
    assert {route for _, route, _ in found} == {"unmatched"}
    assert {method for method, _, _ in found} <= {*_METHODS, "OTHER"}
    assert len(monitor.metrics) <= 4 * (len(_METHODS) + 1)
    assert monitor.faults == {}
    assert monitor.in_flight.routes() == ()


@pytest.mark.parametrize("make", [_flask, _fastapi])
def test_many_ids_of_one_route_are_one_series(make: Make, runner: asyncio.Runner) -> None:
    monitor = quiet_monitor()
    send = make(monitor, runner)
    for number in range(1_000):
        send("GET", f"/x/{number}")
    assert list(counted(monitor).values()) == [1_000]
    assert len(monitor.metrics) == 2


@pytest.mark.parametrize("make", [_flask, _fastapi])
def test_markup_in_a_path_or_user_agent_reaches_no_tag(make: Make, runner: asyncio.Runner) -> None:
    monitor = quiet_monitor()
    send = make(monitor, runner)
    for path in (f"/{HOSTILE}", f"/x/{HOSTILE}", f"/x/1?q={HOSTILE}"):
        send("GET", path)
        send(HOSTILE, path)
    tags = [dict(series) for series, _ in monitor.reader.read("5m").timers(DURATION)]
    assert {value for each in tags for value in each.values()} <= {
        "GET",
        "OTHER",
        "unmatched",
        "uncached",
        "/x/{y}",
        "/x/<int:y>",
    }


def test_routes_past_the_cap_go_to_one_series() -> None:
    """An application with more routes than series still is timed whole."""
    monitor = quiet_monitor(environ={"HHS_PERF_MAX_SERIES": "100"})
    app = Flask("host")
    flask_adapter.init_app(app, monitor, auth=allow_all)
    for number in range(300):
        app.add_url_rule(f"/route{number}", f"view{number}", lambda: "x")
    for number in range(300):
        assert call_wsgi(app, f"/route{number}").status == 200
    found = counted(monitor)
    assert sum(found.values()) == 300
    assert ("other", "other", "2xx") in found
    assert len(monitor.metrics) <= 102
    assert monitor.faults == {}
