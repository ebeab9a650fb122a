"""What hosts' own tests see, which often neither read nor close a response."""

from __future__ import annotations

import time

import pytest
from flask import Flask, Response

from hhs_perf import Monitor
from hhs_perf.adapters.flask import init_app
from hhs_perf.web import allow_all


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    monitor = Monitor(tick=False, installed_plugins=False)
    init_app(app, monitor, auth=allow_all)

    @app.get("/bad")
    def bad() -> str:
        raise RuntimeError("on purpose")

    @app.get("/stream")
    def stream() -> Response:
        def pieces():
            yield "a"
            time.sleep(0.05)  # the time that must be seen: the subject of the test
            yield "b"

        return Response(pieces())

    return app


@pytest.mark.parametrize(("path", "counted"), [("/nope", "client_errors"), ("/bad", "errors")])
def test_a_response_nobody_reads_is_counted_at_once(app: Flask, path: str, counted: str) -> None:
    client = app.test_client()
    for number in range(1, 4):
        client.get(path)
        api = client.get("/api/performance").json["api"]  # type: ignore[index]
        assert (api["count"], api[counted]) == (number, number)
        assert api["in_flight"] == []


def test_a_stream_is_timed_to_its_last_byte_all_the_same(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/stream").text == "ab"
    (route,) = client.get("/api/performance").json["api"]["routes"]  # type: ignore[index]
    assert route["max"] >= 0.05
