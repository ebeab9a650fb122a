"""The routes on databases, kinds and alerts of both adapters, from real queries to the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from starlette.responses import PlainTextResponse

from hhs_perf import request_scope
from hhs_perf.adapters import fastapi as fastapi_adapter
from hhs_perf.adapters import flask as flask_adapter
from hhs_perf.collectors.api import DURATION
from hhs_perf.testing import FakeClock
from hhs_perf.web import allow_all
from tests.database_rig import SECRET, Rig
from tests.integration.test_adapters import FastapiHost, FlaskHost

View = Callable[[], object]


class Mounted:
    """A host with the routes of a rig's monitor."""

    def __init__(self, host: FlaskHost | FastapiHost, rig: Rig) -> None:
        self.host = host
        self.rig = rig
        host.init_app(host.app, rig.monitor, auth=allow_all)

    def add(self, path: str, view: View) -> None:
        """Add a plain view, which FastAPI runs in a thread."""

        def answered() -> Any:
            view()
            return PlainTextResponse("ok") if isinstance(self.host, FastapiHost) else "ok"

        if isinstance(self.host, FastapiHost):
            self.host.app.get(path)(answered)
        else:
            self.host.app.add_url_rule(path, path, answered)

    def read(self, path: str = "/database", **headers: str) -> Any:
        answer = self.host.call(f"/api/performance{path}", headers=headers)
        assert answer.status == 200, answer
        assert SECRET not in answer.body.decode()
        return json.loads(answer.body)

    def kinds(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for tags, seen in self.rig.monitor.reader.read("5m").timers(DURATION):
            found[tags["kind"]] = found.get(tags["kind"], 0) + seen.count
        return found


Mount = Callable[..., Mounted]
HOSTS = (FlaskHost, FastapiHost)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Mount]:
    made: list[Rig] = []

    def mounted(host: type[FlaskHost | FastapiHost], clock: FakeClock, **environ: str) -> Mounted:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        rig = Rig(folder, clock, **environ)
        made.append(rig)
        return Mounted(host(), rig)

    yield mounted
    for each in made:
        each.close()


@pytest.fixture(params=HOSTS, ids=lambda host: host.__name__)
def mounted(request: pytest.FixtureRequest, make: Mount, clock: FakeClock) -> Mounted:
    return make(request.param, clock)


@pytest.fixture(params=HOSTS, ids=lambda host: host.__name__)
def developing(request: pytest.FixtureRequest, make: Mount, clock: FakeClock) -> Mounted:
    return make(request.param, clock, ENABLE_QUERY_PROFILING="true")


def _scenario(one: Mounted) -> None:
    one.add("/slow", one.rig.slow)
    one.add("/people", one.rig.n_plus_one)
    one.add("/broken", one.rig.fail)
    for path in ("/slow", "/people", "/broken", "/slow"):
        assert one.host.call(path).status == 200


def test_both_adapters_give_equal_answers(make: Mount) -> None:
    answers = []
    for host in HOSTS:
        one = make(host, FakeClock(), ENABLE_QUERY_PROFILING="true")
        _scenario(one)
        one.rig.database.look_closer()
        folder = str(one.rig.engine.url.database)
        told = [one.read(path) for path in ("/database", "/database/profile")]
        answers.append(json.dumps([*told, one.read("")["database"]]).replace(folder, "file"))
    assert answers[0] == answers[1]


def test_the_route_tells_what_requests_did(mounted: Mounted) -> None:
    _scenario(mounted)
    body = mounted.read()
    window, start = body["in_window"], body["since_start"]
    assert body["observed"] is True
    assert (window["count"], window["errors"], window["slow"]) == (24, 1, 2)
    assert window["p99"] == pytest.approx(0.5)
    assert sum(each["count"] for each in window["statements"]) == 24
    assert window["statements"][0]["share"] == pytest.approx(1.0)
    assert (start["queries"], start["errors"], start["slow"]) == (24, 1, 2)
    slow = start["statements"][0]
    assert slow["routes"] == [{"route": "/slow", "count": 2}]
    assert [each["route"] for each in body["slow_latest"]] == ["/slow", "/slow"]
    [found] = body["n_plus_one"]
    assert found["advice"] == "selectinload(Person.orders)"
    assert found["routes"] == [{"route": "/people", "count": 1}]
    assert found["line"]["file"].endswith("tests/database_rig.py")
    assert [each["rule"] for each in body["advice"]] == ["n-plus-one"]
    assert body["look"]["looked_at"] is None


def test_a_look_shows_with_its_time_and_its_indexes(mounted: Mounted) -> None:
    _scenario(mounted)
    mounted.rig.database.look_closer()
    body = mounted.read()
    assert body["look"]["looked_at"].endswith("Z")
    [indexes] = body["indexes"]
    assert [each["columns"] for each in indexes["advice"]] == [["person_id"]]
    assert "missing-index" in [each["rule"] for each in body["advice"]]


def test_the_summary_has_p95_slow_count_newest_slow_ones_and_the_pools(mounted: Mounted) -> None:
    _scenario(mounted)
    section = mounted.read("")["database"]
    assert section["p95"] == pytest.approx(0.5)
    assert section["slow"] == 2
    assert [each["route"] for each in section["slow_latest"]] == ["/slow", "/slow"]
    assert ":" in section["slow_latest"][0]["line"]
    [pool] = section["pools"]
    assert (pool["in_use"], pool["capacity"], pool["utilisation"]) == (0, 15, 0.0)
    assert section["pool_utilisation"] == 0.0


def test_utilisation_tells_of_connections_that_are_out(mounted: Mounted) -> None:
    with mounted.rig.engine.connect():
        assert mounted.read("")["database"]["pool_utilisation"] == pytest.approx(1 / 15)
    assert mounted.read("")["database"]["pool_utilisation"] == 0.0


@pytest.mark.parametrize("path", ["/database", "", "/dashboard", "/database/profile"])
def test_equal_data_is_304_and_other_data_is_not(path: str, mounted: Mounted) -> None:
    _scenario(mounted)
    url = f"/api/performance{path}"
    etag = mounted.host.call(url).headers["etag"]
    assert mounted.host.call(url, headers={"if-none-match": etag}).status == 304
    mounted.host.call("/slow")
    assert mounted.host.call(url, headers={"if-none-match": etag}).status == 200


def test_a_connection_that_is_taken_changes_the_answer(mounted: Mounted) -> None:
    url = "/api/performance/database"
    etag = mounted.host.call(url).headers["etag"]
    with mounted.rig.engine.connect():
        assert mounted.host.call(url, headers={"if-none-match": etag}).status == 200


def test_the_profile_needs_an_admin_and_says_how_to_enable_it(
    mounted: Mounted, developing: Mounted
) -> None:
    _scenario(mounted)
    body = mounted.read("/database/profile")
    assert (body["enabled"], body["requests"]) == (False, [])
    assert "ENABLE_QUERY_PROFILING" in body["how"]
    for one in (mounted, developing):
        refused = one.host.call("/api/performance/database/profile", headers={"x-role": "viewer"})
        assert refused.status == 403


def test_the_profile_has_each_query_of_a_request(developing: Mounted) -> None:
    _scenario(developing)
    developing.rig.database.look_closer()
    body = developing.read("/database/profile")
    assert body["enabled"] is True
    assert body["how"] is None
    slow, broken, people, _ = body["requests"]
    assert (slow["route"], slow["method"], slow["count"]) == ("/slow", "GET", 1)
    assert broken["queries"][0]["failed"] is True
    assert (people["count"], people["duplicates"]) == (21, 0)
    assert people["queries"][0]["line"]["function"] == "Rig.n_plus_one"
    assert "SCAN" in people["queries"][0]["plan"]["text"]


def test_a_profiled_response_carries_server_timing(developing: Mounted) -> None:
    _scenario(developing)
    timing = developing.host.call("/slow").headers
    found = next(value for name, value in timing.items() if name.lower() == "server-timing")
    assert found == 'db;dur=500.000;desc="1 query"'


def test_a_request_that_queries_is_of_kind_database_by_itself(mounted: Mounted) -> None:
    mounted.add("/slow", mounted.rig.slow)
    for path in ("/slow", "/host", "/slow"):
        mounted.host.call(path)
    assert mounted.kinds() == {"database": 2, "uncached": 1}


def test_what_a_block_within_a_request_sends_counts_in_both(developing: Mounted) -> None:
    def view() -> None:
        with developing.rig.database.scope("step"), developing.rig.database.scope("part"):
            developing.rig.slow()

    developing.add("/slow", view)
    headers = {k.lower(): v for k, v in dict(developing.host.call("/slow").headers).items()}
    assert headers["server-timing"] == 'db;dur=500.000;desc="1 query"'
    assert developing.kinds() == {"database": 1}
    [statement] = developing.read()["since_start"]["statements"]
    assert {each["route"]: each["count"] for each in statement["routes"]} == {
        "part": 1,
        "step": 1,
        "/slow": 1,
    }
    profiles = developing.read("/database/profile", **{"X-Role": "admin"})["requests"]
    assert {each["route"]: each["count"] for each in profiles} == {"part": 1, "step": 1, "/slow": 1}


@pytest.mark.parametrize("first", ["the word", "the query"])
def test_what_the_host_says_of_the_kind_wins(first: str, mounted: Mounted) -> None:
    def view() -> None:
        scope = request_scope()
        assert scope is not None
        if first == "the query":
            mounted.rig.slow()
        scope.kind = "uncached"
        if first == "the word":
            mounted.rig.slow()

    mounted.add("/said", view)
    mounted.host.call("/said")
    assert mounted.kinds() == {"uncached": 1}


def test_a_cached_response_stays_cached(make: Mount, clock: FakeClock) -> None:
    flask, fast = make(FlaskHost, clock), make(FastapiHost, clock)

    @flask_adapter.cached_response(ttl=60)
    def view() -> str:
        flask.rig.slow()
        return "ok"

    @fastapi_adapter.cached_response(ttl=60)
    def fast_view() -> dict[str, int]:
        fast.rig.slow()
        return {"n": 1}

    flask.host.app.add_url_rule("/kept", "kept", view)
    fast.host.app.get("/kept")(fast_view)
    for one in (flask, fast):
        assert [one.host.call("/kept").status for _ in range(3)] == [200] * 3
        assert one.kinds() == {"database": 1, "cached": 2}


async def _ask(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


def test_an_async_view_and_a_query_without_a_driver_of_asyncio_are_seen(
    make: Mount, clock: FakeClock, tmp_path: Path
) -> None:
    one = make(FastapiHost, clock)
    engines: list[AsyncEngine] = []

    async def aside() -> dict[str, int]:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.sqlite3")
        one.rig.database.instrument(engine)
        await _ask(engine)
        await engine.dispose()
        engines.append(engine)
        return {"n": 1}

    async def blocking() -> dict[str, int]:
        one.rig.slow()
        return {"n": 1}

    one.host.app.get("/aside")(aside)
    one.host.app.get("/blocking")(blocking)
    for path in ("/aside", "/blocking", "/host"):
        assert one.host.call(path).status == 200
    assert one.kinds() == {"database": 2, "uncached": 1}
    routes = {
        route["route"]
        for each in one.read()["since_start"]["statements"]
        for route in each["routes"]
    }
    assert routes == {"/aside", "/blocking"}


def test_slow_queries_fire_the_alert_and_failing_ones_the_other(mounted: Mounted) -> None:
    """From the listener to the alert: p95 above 0.5 s, more than one error in twenty."""
    mounted.add("/slow", lambda: mounted.rig.slow(0.6))
    mounted.add("/broken", mounted.rig.fail)
    for _ in range(40):
        mounted.host.call("/slow")
    mounted.rig.monitor.advance()
    active = {each["rule"]: each for each in mounted.read("/alerts")["active"]}
    assert active["database-latency"]["value"] == pytest.approx(0.6)
    assert "database-error-rate" not in active
    for _ in range(5):
        mounted.host.call("/broken")
    mounted.rig.monitor.advance()
    active = {each["rule"]: each for each in mounted.read("/alerts")["active"]}
    assert active["database-error-rate"]["state"] == "firing"
    assert active["database-error-rate"]["value"] == pytest.approx(5 / 45)


def test_the_page_shows_the_database(developing: Mounted) -> None:
    _scenario(developing)
    developing.rig.database.look_closer()
    page = developing.host.call("/api/performance/dashboard").body.decode()
    assert SECRET not in page
    for caption in (
        "Statements, 5m", "Advice on databases", "Slow queries, the latest", "N+1 queries",
        "Connection pools", "Indexes, looked at ",
    ):  # fmt: skip
        assert f"<caption>{caption}" in page
    assert "selectinload(Person.orders)" in page
