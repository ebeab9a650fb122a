"""`/api/performance/cache`: what is over the window, since the start, and now."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from hhs_perf import Monitor, Settings
from hhs_perf.testing import FakeClock
from hhs_perf.web import Request, Response, Site, allow_all

HOSTILE = "<img src=x onerror=alert(1)>"


class Rig:
    def __init__(self, clock: FakeClock, **environ: str) -> None:
        self.clock = clock
        self.monitor = Monitor(
            Settings.from_env(environ), clock=clock, tick=False, installed_plugins=False
        )
        self.site = Site(self.monitor, allow_all)

    def ask(self, name: str = "cache", query: str = "", **headers: str) -> Response:
        pairs = tuple(tuple(pair.split("=", 1)) for pair in query.split("&") if pair)
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        endpoint = next(each for each in self.site.endpoints if each.name == name)
        request = Request(method="GET", path="/", query=pairs, headers=headers)  # type: ignore[arg-type]
        return self.site.respond(endpoint, request)

    def read(self, name: str = "cache", query: str = "") -> Any:
        return json.loads(self.ask(name, query).body)

    def use(self) -> None:
        cache = self.monitor.cache
        for number in (1, 2, 1, 1):
            cache.get_or_load(f"account:{number}", self._load, ttl=60)
        cache.delete("account:2")
        cache.get("account:2")

    def _load(self) -> int:
        self.clock.advance(0.5)
        return 1


@pytest.fixture
def rig(clock: FakeClock) -> Iterator[Rig]:
    made = Rig(clock)
    yield made
    made.monitor.close()


def test_a_cache_that_nobody_asked_for_is_not_made_by_looking(rig: Rig) -> None:
    body = rig.read()
    assert body["observed"] is False
    assert (body["since_start"], body["now"]) == (None, None)
    assert body["in_window"]["hits"] is None
    assert body["advice"] == body["recent_errors"] == body["warm_ups"] == []
    rig.ask("dashboard")
    assert not rig.monitor.has_cache


def test_a_cache_that_nobody_used_is_not_observed(rig: Rig) -> None:
    assert rig.monitor.cache is not None
    body = rig.read()
    assert body["observed"] is False
    assert body["since_start"]["hits"] == 0
    assert body["now"]["l1"]["entries"] == 0


def test_the_window_passes_and_the_counts_since_the_start_stay(rig: Rig) -> None:
    rig.use()
    body = rig.read()
    assert body["observed"] is True
    assert (body["in_window"]["hits"], body["in_window"]["misses"]) == (2, 3)
    assert body["in_window"]["missed"]["invalidated"] == 1
    assert body["in_window"]["loads"]["p95"] == 0.5
    assert body["in_window"]["time_saved"] == 1.0
    rig.clock.advance(400)
    later = rig.read()
    assert later["in_window"]["observed"] is False
    assert later["observed"] is True
    assert (later["since_start"]["hits"], later["since_start"]["misses"]) == (2, 3)
    assert rig.read(query="window=1h")["in_window"]["hits"] == 2
    [pattern] = later["since_start"]["patterns"]
    assert (pattern["pattern"], pattern["hits"], pattern["loads"]) == ("account:*", 2, 2)
    assert later["since_start"]["since"].endswith("Z")


def test_the_summary_has_the_hit_rates_of_all_and_of_both_levels(rig: Rig) -> None:
    rig.use()
    section = rig.read("summary")["cache"]
    assert (section["hit_rate"], section["l1_hit_rate"], section["l2_hit_rate"]) == (0.4, 0.4, None)


def test_fields_reach_into_levels_and_patterns(rig: Rig) -> None:
    rig.use()
    body = rig.read(query="fields=in_window.levels.hits,since_start.patterns.ttl,now.l1.entries")
    assert body["in_window"] == {"levels": [{"hits": 2}]}
    assert body["since_start"] == {"patterns": [{"ttl": 60.0}]}
    assert body["now"] == {"l1": {"entries": 1}}
    assert rig.ask(query="fields=now.l3").status == 400


def test_equal_data_is_304_and_other_data_is_not(rig: Rig) -> None:
    rig.use()
    etag = dict(rig.ask().headers)["ETag"]
    assert rig.ask(if_none_match=etag).status == 304
    rig.monitor.cache.set("account:9", 1)
    assert rig.ask(if_none_match=etag).status == 200


def test_the_body_is_of_its_schema(clock: FakeClock) -> None:
    rig = Rig(clock, REDIS_URL="redis://user:hunter2@127.0.0.1:1/0")
    rig.use()
    response = rig.ask()
    endpoint = next(each for each in rig.site.endpoints if each.name == "cache")
    assert endpoint.body is not None
    msgspec.json.decode(response.body, type=endpoint.body, strict=True)
    rig.monitor.close()


def test_an_unreachable_redis_shows_without_its_password(clock: FakeClock) -> None:
    rig = Rig(clock, REDIS_URL="redis://user:hunter2@127.0.0.1:1/0")
    rig.use()
    response = rig.ask()
    body = json.loads(response.body)
    redis = body["now"]["l2"]
    assert redis["breaker"]["state"] in ("open", "half_open")
    assert redis["breaker"]["failures"] >= 1
    assert redis["address"] == "redis://user:********@127.0.0.1:1/0"
    assert body["recent_errors"][0]["where"].split()[0] in ("l2", "backplane")
    assert body["advice"][0]["rule"] == "redis-unreachable"
    page = rig.ask("dashboard").body.decode()
    assert "redis-unreachable" in page
    for text in (response.body.decode(), page):
        assert "hunter2" not in text
    rig.monitor.close()


def test_the_page_shows_the_cache_and_escapes_it(rig: Rig) -> None:
    rig.use()
    rig.monitor.cache.get_or_load(HOSTILE, lambda: 1)
    rig.monitor.cache.warm(HOSTILE, lambda: None)
    page = rig.ask("dashboard").body.decode()
    for caption in ("Cache, 5m", "Cache keys since the start", "Cache now", "Warm-ups"):
        assert f"<caption>{caption}</caption>" in page
    assert "account:*" in page
    assert "<img" not in page
    assert "&lt;img" in page


def test_the_page_of_a_host_with_a_cache_of_its_own_shows_the_levels(rig: Rig) -> None:
    rig.monitor.collectors.cache.record_lookup(l1="miss", l2="hit")
    page = rig.ask("dashboard").body.decode()
    assert "<caption>Cache, 5m</caption>" in page
    assert "Cache now" not in page
    assert not rig.monitor.has_cache
    body = rig.read()
    assert body["observed"] is True
    assert [level["layer"] for level in body["in_window"]["levels"]] == ["l1", "l2"]


@pytest.mark.parametrize("framework", ["flask:Flask('host')", "fastapi:FastAPI()"])
def test_mounting_does_not_pay_for_the_route(framework: str) -> None:
    """Its classes and its schema are made when somebody asks for them."""
    name, _, app = framework.partition(":")
    code = (
        f"import sys, {name}; from hhs_perf import Monitor; from hhs_perf.web import allow_all\n"
        f"from hhs_perf.adapters.{name} import init_app\n"
        f"init_app({name}.{app}, Monitor.from_env({{}}), auth=allow_all)\n"
        "print([each for each in sys.modules if each == 'hhs_perf.cache.observed.report'"
        " or each == 'hhs_perf.web.cache_body'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
