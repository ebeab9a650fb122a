"""`/api/performance/database`: without SQLAlchemy, without a database part, and with one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hhs_perf import Monitor, Settings
from hhs_perf.testing import FakeClock
from hhs_perf.web import Request, Response, Site, allow_all
from tests.database_rig import Rig

HOSTILE = "<img src=x onerror=alert(1)>"


class Asked:
    """A site and what asks it."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.site = Site(monitor, allow_all)

    def ask(self, name: str = "database", query: str = "", **headers: str) -> Response:
        pairs = tuple(tuple(pair.split("=", 1)) for pair in query.split("&") if pair)
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        endpoint = next(each for each in self.site.endpoints if each.name == name)
        request = Request(method="GET", path="/", query=pairs, headers=headers)  # type: ignore[arg-type]
        return self.site.respond(endpoint, request)

    def read(self, name: str = "database", query: str = "") -> Any:
        return json.loads(self.ask(name, query).body)


@pytest.fixture
def plain(clock: FakeClock) -> Iterator[Asked]:
    """A monitor that nobody has asked for its database part."""
    monitor = Monitor(Settings.from_env({}), clock=clock, tick=False, installed_plugins=False)
    yield Asked(monitor)
    monitor.close()


@pytest.fixture
def rig(clock: FakeClock, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, clock)
    yield made
    made.close()


def test_a_database_part_that_nobody_asked_for_is_not_made_by_looking(plain: Asked) -> None:
    body = plain.read()
    assert body["observed"] is False
    assert (body["since_start"], body["look"]) == (None, None)
    assert body["in_window"]["slow"] is None
    for name in ("slow_latest", "n_plus_one", "pools", "replicas", "indexes", "advice", "engines"):
        assert body[name] == []
    plain.ask("database-profile")
    plain.ask("dashboard")
    assert not plain.monitor.has_database


def test_a_host_that_tells_its_queries_itself_sees_them(plain: Asked) -> None:
    for seconds in (0.05, 0.1, 0.2):
        plain.monitor.collectors.database.record_query("SELECT mine", seconds)
    body = plain.read()
    assert body["observed"] is True
    [statement] = body["in_window"]["statements"]
    assert (statement["statement"], statement["count"], statement["slow"]) == ("SELECT mine", 3, 1)
    assert plain.read("summary")["database"]["slow"] == 1
    assert "SELECT mine" in plain.ask("dashboard").body.decode()
    assert not plain.monitor.has_database


def test_slow_queries_are_counted_exactly_though_they_are_many(plain: Asked) -> None:
    """Past 256 values a slot keeps no more of them, and counts at the level."""
    for number in range(3000):
        plain.monitor.collectors.database.record_query("SELECT 1", 0.1 + (number % 3) * 1e-6)
    assert plain.read()["in_window"]["slow"] == 2000


def test_the_window_passes_and_what_is_since_the_start_stays(rig: Rig) -> None:
    asked = Asked(rig.monitor)
    rig.slow()
    assert asked.read()["in_window"]["count"] == 1
    rig.clock.advance(400)
    later = asked.read()
    assert later["in_window"]["observed"] is False
    assert later["observed"] is True
    assert later["since_start"]["queries"] == 1
    assert asked.read(query="window=1h")["in_window"]["count"] == 1


def test_fields_reach_into_statements_and_pools(rig: Rig) -> None:
    rig.slow()
    body = Asked(rig.monitor).read(
        query="fields=in_window.statements.slow,since_start.statements.sql,pools.capacity"
    )
    assert body["in_window"] == {"statements": [{"slow": 1}]}
    assert body["since_start"] == {"statements": [{"sql": "SELECT wait(?), ?"}]}
    assert body["pools"] == [{"capacity": 15}]
    assert Asked(rig.monitor).ask(query="fields=pools.colour").status == 400


def test_the_body_is_of_its_schema(clock: FakeClock, tmp_path: Path) -> None:
    rig = Rig(tmp_path, clock, ENABLE_QUERY_PROFILING="true", HHS_PERF_DB_HELD_TOO_LONG="1")
    with rig.database.scope("/all"):
        rig.slow()
        rig.fail()
        rig.n_plus_one()
    rig.database.look_closer()
    asked = Asked(rig.monitor)
    with rig.engine.connect():
        clock.advance(2)
        for name in ("database", "database-profile", "summary"):
            endpoint = next(each for each in asked.site.endpoints if each.name == name)
            assert endpoint.body is not None
            msgspec.json.decode(asked.ask(name).body, type=endpoint.body, strict=True)
        body = asked.read()
    [holder] = body["pools"][0]["holders"]
    assert holder["since"].endswith("Z")
    assert "held-connection" in [each["rule"] for each in body["advice"]]
    rig.close()


def test_replicas_show_with_stamps(rig: Rig, tmp_path: Path) -> None:
    from sqlalchemy import create_engine

    from hhs_perf.database import ReplicaRouter

    replica = create_engine(f"sqlite:///{tmp_path}/replica.sqlite3")
    router = ReplicaRouter(rig.engine, [replica], clock=rig.clock)
    rig.database.add(router)
    rig.database.instrument(replica)
    body = Asked(rig.monitor).read()
    [shown] = body["replicas"]
    assert shown["replicas"][0]["state"] == "unknown"
    assert shown["replicas"][0]["since"].endswith("Z")
    assert sorted(each["role"] for each in body["engines"]) == ["primary", "replica"]
    assert "<caption>Replicas" in Asked(rig.monitor).ask("dashboard").body.decode()
    router.close()
    replica.dispose()


def test_the_page_escapes_what_came_from_outside(rig: Rig) -> None:
    with rig.database.scope(HOSTILE):
        rig.slow()
    rig.monitor.collectors.database.record_query(HOSTILE, 0.2)
    page = Asked(rig.monitor).ask("dashboard").body.decode()
    assert "<img" not in page
    assert "&lt;img" in page


def test_it_needs_no_sqlalchemy() -> None:
    """Neither the routes nor their schemas do."""
    code = (
        "import sys, json; sys.modules['sqlalchemy'] = None\n"
        "from hhs_perf import Monitor\n"
        "from hhs_perf.web import Request, Site, allow_all\n"
        "monitor = Monitor.from_env({'ENABLE_QUERY_PROFILING': 'true'})\n"
        "for each in Site(monitor, allow_all).endpoints:\n"
        "    request = Request(method='GET', path='/', query=(), headers={})\n"
        "    print(Site(monitor, allow_all).respond(each, request).status)\n"
        "    each.schema\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert set(done.stdout.split()) == {"200"}


@pytest.mark.parametrize("framework", ["flask:Flask('host')", "fastapi:FastAPI()"])
def test_mounting_does_not_pay_for_the_route(framework: str) -> None:
    """Its classes, its schema and SQLAlchemy are loaded when somebody asks for them."""
    name, _, app = framework.partition(":")
    code = (
        f"import sys, {name}; from hhs_perf import Monitor; from hhs_perf.web import allow_all\n"
        f"from hhs_perf.adapters.{name} import init_app\n"
        f"init_app({name}.{app}, Monitor.from_env({{}}), auth=allow_all)\n"
        "print([each for each in sys.modules if each.startswith('hhs_perf.database')"
        " or each == 'hhs_perf.web.database_body' or each == 'sqlalchemy'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
