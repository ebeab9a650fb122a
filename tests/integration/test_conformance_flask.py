"""The eight scenarios for Flask, judged by benchmarks/conformance.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Blueprint, Flask, abort, request

from benchmarks import conformance
from hhs_perf import Monitor
from hhs_perf.adapters.flask import init_app
from hhs_perf.testing import FakeClock
from hhs_perf.web import allow_all
from tests.conformance_verdict import judge
from tests.web_calls import call_wsgi, quiet_monitor


def _host(monitor: Monitor, clock: FakeClock) -> Flask:
    app = Flask("host")
    init_app(app, monitor, auth=allow_all)
    api = Blueprint("api", "host", url_prefix="/api/v1")

    @api.get("/x/<int:y>")
    def x(y: int) -> dict[str, int]:
        return {"y": y}

    @app.before_request
    def guard() -> None:
        if request.path == "/private":
            abort(401)

    @app.get("/private")
    def private() -> str:
        return "secret"

    @app.get("/boom")
    def boom() -> str:
        raise RuntimeError("boom")

    @app.get("/stream")
    def stream() -> Iterator[str]:
        yield "first"
        clock.advance(conformance.STREAM_SECONDS)
        yield "last"

    @app.get("/broken")
    def broken() -> Iterator[str]:
        yield "first"
        raise RuntimeError("broken")

    app.register_blueprint(api)
    return app


@pytest.mark.parametrize("propagate", [False, True], ids=["answered", "propagated"])
@pytest.mark.parametrize("scenario", conformance.FLASK, ids=lambda scenario: scenario.name)
def test_flask_is_timed_as_it_should_be(
    scenario: conformance.Scenario, propagate: bool, clock: FakeClock
) -> None:
    monitor = quiet_monitor(clock)
    app = _host(monitor, clock)
    app.config["PROPAGATE_EXCEPTIONS"] = propagate
    for sent in scenario.sent:
        call_wsgi(app, sent.path, sent.method)
    assert judge(scenario, monitor) == []
    assert monitor.faults == {}
