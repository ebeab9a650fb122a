"""One suite over all adapters: the same calls, the same answers."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask, Response
from starlette.responses import PlainTextResponse

from hhs_perf import Monitor
from hhs_perf.adapters import fastapi as fastapi_adapter
from hhs_perf.adapters import flask as flask_adapter
from hhs_perf.exceptions import ConfigurationError
from hhs_perf.testing import FakeClock
from hhs_perf.web import Principal, Request, allow_all
from tests.web_calls import Answer, call_asgi, call_wsgi, counted, quiet_monitor

VIEWER = {"authorization": "Bearer a-viewers-secret"}
ADMIN = {"authorization": "Bearer an-admins-secret"}
TOKENS = {"HHS_PERF_TOKENS": "viewer:a-viewers-secret,admin:an-admins-secret"}
PATHS = (
    *("", "/", "/sla", "/sla/", "/alerts", "/cache", "/database", "/database/", "/settings"),
    *("/database/profile", "/dashboard", "/dashboard/"),
)
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "DELETE", "FAKE")


class FlaskHost:
    """A Flask application and what calls it."""

    def __init__(self) -> None:
        self.app = Flask("host")
        self.app.add_url_rule("/host", view_func=lambda: Response("host"))
        self.init_app: Callable[..., Monitor] = flask_adapter.init_app

    def add(self, path: str) -> None:
        self.app.add_url_rule(path, path, lambda: Response("the host's"))

    def held(self) -> object:
        return self.app.extensions.get("hhs_perf")

    def call(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
        more = {f"HTTP_{n.upper().replace('-', '_')}": v for n, v in (headers or {}).items()}
        return call_wsgi(self.app, path, method, **more)


class FastapiHost:
    """A FastAPI application and what calls it."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.add("/host")
        self.init_app: Callable[..., Monitor] = fastapi_adapter.init_app

    def add(self, path: str) -> None:
        async def view() -> PlainTextResponse:
            return PlainTextResponse("the host's")

        self.app.get(path)(view)

    def held(self) -> object:
        return getattr(self.app.state, "hhs_perf", None)

    def call(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
        pairs = [(n.encode(), v.encode()) for n, v in (headers or {}).items()]
        return asyncio.run(call_asgi(self.app, path, method, headers=pairs))


Host = FlaskHost | FastapiHost
HOSTS = (FlaskHost, FastapiHost)


@pytest.fixture(params=HOSTS, ids=lambda host: host.__name__)
def host(request: pytest.FixtureRequest) -> Host:
    return request.param()  # type: ignore[no-any-return]


def _mounted(clock: FakeClock, **options: Any) -> list[Host]:
    hosts: list[Host] = [make() for make in HOSTS]
    for each in hosts:
        each.init_app(each.app, quiet_monitor(clock, TOKENS), **options)
    return hosts


@pytest.mark.parametrize("headers", [{}, VIEWER, ADMIN, {"authorization": "Bearer wrong"}])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
def test_all_adapters_give_equal_answers(
    path: str, method: str, headers: dict[str, str], clock: FakeClock
) -> None:
    """Status, body and headers are equal, save for the tag that names one process's data."""
    hosts = _mounted(clock)
    for each in hosts:
        for _ in range(3):
            each.call("/host")
    answers = [each.call(f"/api/performance{path}", method, headers) for each in hosts]
    one, other = answers
    assert one.error is other.error is None
    assert one.status == other.status in (200, 204, 401, 403, 405)
    for answer in answers:
        answer.headers.pop("etag", None)
        length = answer.headers.pop("content-length", "0")
        assert method == "HEAD" or int(length) == len(answer.body)
    assert one.headers == other.headers
    if path != "/settings":
        assert one.body == other.body
    if method == "HEAD":
        assert one.body == b""


def test_all_adapters_give_equal_figures(clock: FakeClock) -> None:
    hosts = _mounted(clock)
    for each in hosts:
        for path in ("/host", "/host", "/nothing", "/host"):
            each.call(path)
    clock.advance(1.0)
    one, other = (
        json.loads(each.call("/api/performance?window=1h", headers=VIEWER).body) for each in hosts
    )
    assert one == other
    assert one["api"]["count"] == 4
    assert {row["route"]: row["count"] for row in one["api"]["routes"]} == {
        "/host": 3,
        "unmatched": 1,
    }


@pytest.mark.parametrize(
    "query", ["?window=9h", "?nothing=1", "?window=5m&window=1h", "?fields=nothing", "?window="]
)
def test_all_adapters_refuse_alike(query: str, clock: FakeClock) -> None:
    one, other = (each.call(f"/api/performance{query}", headers=VIEWER) for each in _mounted(clock))
    assert one.status == other.status == 400
    assert json.loads(one.body) == json.loads(other.body)
    assert one.headers["content-type"] == "application/problem+json"


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(host: Host) -> None:
    host.init_app(host.app, quiet_monitor(), auth=allow_all)
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "FAKE"):
        answer = host.call("/api/performance/sla", method)
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
        assert json.loads(answer.body)["status"] == 405


def test_init_app_returns_the_monitor_and_keeps_it_where_the_framework_keeps_such_things(
    host: Host,
) -> None:
    monitor = quiet_monitor()
    assert host.init_app(host.app, monitor, auth=allow_all) is monitor
    assert host.held() is monitor


def test_a_second_monitor_in_one_application_is_refused(host: Host) -> None:
    monitor = quiet_monitor()
    host.init_app(host.app, monitor, auth=allow_all)
    with pytest.raises(ConfigurationError, match="already has a monitor"):
        host.init_app(host.app, monitor, auth=allow_all)
    host.call("/host")
    assert sum(counted(monitor).values()) == 1


@pytest.mark.parametrize(
    ("environ", "options", "said"),
    [
        ({}, {}, "HHS_PERF_TOKENS"),
        (TOKENS, {"url_prefix": "api"}, "url_prefix"),
        (TOKENS, {"url_prefix": "/a/<b>"}, "url_prefix"),
        (TOKENS, {"url_prefix": "/a/{b}"}, "url_prefix"),
        (TOKENS, {"url_prefix": "/a//b"}, "url_prefix"),
        (TOKENS, {"url_prefix": "/.."}, "url_prefix"),
        (TOKENS, {"url_prefix": "/a/./b"}, "url_prefix"),
        (TOKENS, {"url_prefix": None}, "url_prefix"),
        (TOKENS, {"url_prefix": b"/a"}, "url_prefix"),
    ],
)
def test_a_refusal_leaves_the_application_as_it_was(
    environ: dict[str, str], options: dict[str, str], said: str, host: Host
) -> None:
    monitor = quiet_monitor(environ=environ)
    with pytest.raises(ConfigurationError, match=said):
        host.init_app(host.app, monitor, **options)
    assert host.held() is None
    host.call("/host")
    assert host.call("/api/performance", headers=VIEWER).status == 404
    assert counted(monitor) == {}


def test_a_disabled_monitor_times_and_mounts_nothing(host: Host) -> None:
    before = getattr(host.app, "wsgi_app", None)
    monitor = quiet_monitor(environ={"HHS_PERF_ENABLED": "false"})
    assert host.init_app(host.app, monitor) is monitor
    assert host.call("/host").status == 200
    assert host.call("/api/performance").status == 404
    assert counted(monitor) == {}
    assert getattr(host.app, "wsgi_app", None) == before
    assert host.held() is monitor


@pytest.mark.parametrize("url_prefix", ["/ops/perf", "/ops/perf/", "/.well-known/a..b", "", "/"])
def test_the_prefix_may_be_any_path(url_prefix: str, host: Host) -> None:
    monitor = quiet_monitor()
    host.init_app(host.app, monitor, auth=allow_all, url_prefix=url_prefix)
    base = url_prefix.rstrip("/")
    assert host.call(base or "/").status == 200
    assert host.call(f"{base}/sla").status == 200
    assert host.call("/host").status == 200
    assert set(counted(monitor)) == {("GET", "/host", "2xx")}


@pytest.mark.parametrize("first", ["ours", "the host's"])
def test_of_equal_routes_the_one_registered_first_answers(first: str, host: Host) -> None:
    if first == "the host's":
        host.add("/api/performance/sla")
    host.init_app(host.app, quiet_monitor(), auth=allow_all)
    if first == "ours":
        host.add("/api/performance/sla")
    body = host.call("/api/performance/sla").body
    assert (body == b"the host's") == (first == "the host's")


def test_an_equal_route_of_the_host_is_counted_as_any_other(host: Host) -> None:
    """What is left out are the requests that our views answer, whatever their path."""
    path = "/api/performance/sla"
    host.add(path)
    monitor = quiet_monitor(environ=TOKENS)
    host.init_app(host.app, monitor)
    assert host.call(path).body == b"the host's"
    assert host.call("/api/performance").status == 401
    assert host.call("/api/performance/", headers=VIEWER).status == 200
    assert host.call("/api/performance/alerts", "POST").status == 405
    assert host.call("/api/performance/alerts/", "OPTIONS").status == 204
    assert counted(monitor) == {("GET", path, "2xx"): 1}


def test_requests_to_our_views_are_never_shown_under_way(host: Host) -> None:
    monitor = quiet_monitor()
    shown: list[object] = []

    def who(_request: Request) -> Principal:
        shown.append(monitor.in_flight.routes())
        return allow_all(_request)

    host.init_app(host.app, monitor, auth=who)
    assert host.call("/api/performance").status == 200
    assert host.call("/api/performance/sla/").status == 200
    assert shown == [(), ()]


def test_an_authenticator_of_the_host_gets_the_frameworks_own_request(host: Host) -> None:
    seen: list[Request] = []

    async def who(request: Request) -> Principal | None:
        seen.append(request)
        return Principal(name="me", roles={"viewer"}) if request.headers.get("x-me") else None

    host.init_app(host.app, quiet_monitor(), auth=who)
    assert host.call("/api/performance/sla?window=1h&window=&x=%C3%BC").status == 401
    assert host.call("/api/performance/sla", headers={"x-me": "1"}).status == 200
    assert host.call("/api/performance/settings", headers={"x-me": "1"}).status == 403
    first = seen[0]
    assert (first.method, first.path) == ("GET", "/api/performance/sla")
    assert first.query == (
        ("window", "1h"),
        ("window", ""),
        ("x", "\N{LATIN SMALL LETTER U WITH DIAERESIS}"),
    )
    assert type(first.native).__name__ in ("Request", "_Request")
    assert type(first.native).__module__.split(".")[0] in ("flask", "starlette", "fastapi")


def test_an_unchanged_answer_is_304_without_a_body(clock: FakeClock, host: Host) -> None:
    host.init_app(host.app, quiet_monitor(clock), auth=allow_all)
    etag = host.call("/api/performance").headers["etag"]
    again = host.call("/api/performance", headers={"if-none-match": etag})
    assert (again.status, again.body) == (304, b"")
    assert "content-type" not in again.headers


def test_the_monitor_closes_when_its_application_goes() -> None:
    for make in HOSTS:
        host: Host = make()
        monitor = quiet_monitor(environ=TOKENS)
        host.init_app(host.app, monitor)
        host.call("/host")
        assert monitor.is_started
        gone = weakref.ref(host.app)
        del host
        gc.collect()
        assert gone() is None
        assert not monitor.is_started


@pytest.mark.parametrize("framework", ["flask", "fastapi"])
def test_a_missing_framework_is_named_with_the_command_that_installs_it(framework: str) -> None:
    code = (
        f"import sys; sys.modules[{framework!r}] = None\n"
        "from hhs_perf.exceptions import ConfigurationError\n"
        f"try: import hhs_perf.adapters.{framework}\n"
        "except ConfigurationError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50
    )
    assert f"pip install 'hhs-perf[{framework}]'" in done.stdout


def test_flask_hosts_can_exempt_the_blueprint() -> None:
    """Flask-WTF and Flask-Limiter ask for the blueprint or for `request.blueprint`."""
    from flask import request

    host = FlaskHost()
    seen = []
    host.init_app(host.app, quiet_monitor(), auth=allow_all)
    host.app.before_request(lambda: seen.append(request.blueprint))
    host.call("/api/performance")
    assert seen == ["hhs_perf"]
    assert "hhs_perf" in host.app.blueprints


def test_flasks_own_list_of_routes_can_still_be_printed() -> None:
    from flask.cli import routes_command

    host = FlaskHost()
    host.init_app(host.app, quiet_monitor(), auth=allow_all)
    result = host.app.test_cli_runner().invoke(routes_command, args=[])
    assert result.exit_code == 0
    assert "/api/performance/sla" in result.output


def test_the_routes_stand_in_fastapis_openapi() -> None:
    host = FastapiHost()
    host.init_app(host.app, quiet_monitor(), auth=allow_all)
    openapi = host.app.openapi()
    paths = {path: item for path, item in openapi["paths"].items() if "performance" in path}
    assert set(paths) == {
        "/api/performance",
        "/api/performance/sla",
        "/api/performance/alerts",
        "/api/performance/cache",
        "/api/performance/database",
        "/api/performance/database/profile",
        "/api/performance/scrapers",
        "/api/performance/settings",
        "/api/performance/dashboard",
    }
    for path, item in paths.items():
        assert set(item) == {"get"}
        operation = item["get"]
        assert operation["tags"] == ["performance"]
        assert operation["security"] == [{"Bearer": []}]
        assert {"200", "304", "400", "401", "403"} <= set(operation["responses"])
        assert "application/problem+json" in operation["responses"]["401"]["content"]
        (media_type,) = operation["responses"]["200"]["content"]
        assert media_type == ("text/html" if path.endswith("dashboard") else "application/json")
    summary = paths["/api/performance"]["get"]
    assert {each["name"] for each in summary["parameters"]} == {"window", "fields"}
    schema = summary["responses"]["200"]["content"]["application/json"]["schema"]
    assert {"api", "cache", "database", "scrapers", "frontend", "sla", "alerts"} <= set(
        schema["properties"]
    )
    assert openapi["components"]["securitySchemes"]["Bearer"]["scheme"] == "bearer"
