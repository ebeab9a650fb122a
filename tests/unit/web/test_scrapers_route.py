"""`/api/performance/scrapers`: without scrapers, with those of the host, and with a real run."""

from __future__ import annotations

import asyncio
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
from tests.scrape_rig import SECRET, Answer, Rig

HOSTILE = "<img src=x onerror=alert(1)>"


class Asked:
    """A site and what asks it."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.site = Site(monitor, allow_all)

    def ask(self, name: str = "scrapers", query: str = "", **headers: str) -> Response:
        pairs = tuple(tuple(pair.split("=", 1)) for pair in query.split("&") if pair)
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        endpoint = next(each for each in self.site.endpoints if each.name == name)
        request = Request(method="GET", path="/", query=pairs, headers=headers)  # type: ignore[arg-type]
        return self.site.respond(endpoint, request)

    def read(self, name: str = "scrapers", query: str = "") -> Any:
        return json.loads(self.ask(name, query).body)

    def platform(self, name: str = "alpha") -> Any:
        return next(row for row in self.read()["now"] if row["platform"] == name)


@pytest.fixture
def plain(clock: FakeClock) -> Iterator[Asked]:
    """A monitor that nobody has asked for its scrapers."""
    monitor = Monitor(Settings.from_env({}), clock=clock, tick=False, installed_plugins=False)
    yield Asked(monitor)
    monitor.close()


@pytest.fixture
def rig(clock: FakeClock) -> Iterator[Rig]:
    made = Rig(clock)
    yield made
    made.close()


def test_scrapers_that_nobody_asked_for_are_not_made_by_looking(plain: Asked) -> None:
    body = plain.read()
    assert body["observed"] is False
    assert (body["now"], body["advice"], body["in_window"]["platforms"]) == ([], [], [])
    assert body["in_window"]["success_rate"] is None
    assert body["window"]["name"] == "24h"
    assert "Scrapers" not in plain.ask("dashboard").body.decode()
    assert not plain.monitor.has_scrapers


def test_a_host_with_an_engine_of_its_own_sees_its_platforms(plain: Asked) -> None:
    plain.monitor.collectors.scrapers.record_scrape("mine", 3.0, succeeded=True)
    plain.monitor.collectors.scrapers.record_scrape("mine", 5.0, succeeded=False, kind="server")
    body = plain.read()
    [row] = body["in_window"]["platforms"]
    assert (row["platform"], row["count"], row["success_rate"], row["p95"]) == ("mine", 2, 0.5, 5.0)
    assert row["failures"] == [{"kind": "server", "count": 1, "share": 1.0}]
    assert "<caption>Scrapers, 5m" in plain.ask("dashboard").body.decode()
    assert not plain.monitor.has_scrapers


def test_scrapers_that_did_nothing_yet_show_their_platforms_and_no_zeros(rig: Rig) -> None:
    asked = Asked(rig.monitor)
    assert rig.monitor.scrapers.platforms
    body = asked.read()
    assert (body["observed"], body["advice"]) == (False, [])
    row = asked.platform()
    assert (row["last_good"], row["next_allowed"], row["missing"]) == (None, None, [])
    assert (row["breaker"]["state"], row["interval"], row["unit"]) == ("closed", 0.0, "USD")
    assert row["slowest"] == row["newest_failures"] == []
    page = asked.ask("dashboard").body.decode()
    assert "<caption>Platforms now" in page
    assert "<caption>Slowest accounts" not in page


def test_a_run_shows_platform_by_platform(rig: Rig) -> None:
    rig.answers |= {"slow": Answer(seconds=4.0), "gone": Answer(status=404)}
    rig.scrape("one", "slow", is_core=True)
    rig.scrape("two", "gone")
    rig.scrape("three", on="beta")
    asked = Asked(rig.monitor)
    body = asked.read()
    assert body["observed"] is True
    whole = body["in_window"]
    assert (whole["count"], whole["success_rate"], whole["core_success_rate"]) == (4, 0.75, 1.0)
    assert whole["skipped"] == [{"reason": "no_credentials", "count": 1}]
    alpha = next(row for row in whole["platforms"] if row["platform"] == "alpha")
    assert (alpha["p50"], alpha["p95"], alpha["max"]) == (0.5, 4.0, 4.0)
    assert (alpha["errors"], alpha["error_rate"], alpha["dominant_failure"]) == (
        1, 0.25, "not_found"
    )  # fmt: skip
    assert (alpha["requests"], alpha["request_errors"], alpha["throttled"]) == (4, 1, 0)
    assert alpha["network"]["avg"] == 1.375
    assert [each["unit"] for each in alpha["cost"]] == ["USD"]
    now = asked.platform()
    assert now["last_good"].endswith("Z")
    assert [each["handle"] for each in now["newest_failures"]] == ["gone"]
    assert now["newest_failures"][0]["kind"] == "not_found"
    assert asked.platform("beta")["missing"] == ["HHS_PERF_BETA_TOKEN"]
    assert [each["rule"] for each in body["advice"]] == ["scrape-credentials"]


def test_the_summary_carries_success_times_and_errors_by_platform(rig: Rig) -> None:
    rig.answers |= {"gone": Answer(status=404)}
    rig.scrape("one", "gone")
    section = Asked(rig.monitor).read("summary")["scrapers"]
    assert (section["observed"], section["success_rate"], section["p95"]) == (True, 0.5, 0.5)
    [row] = section["platforms"]
    assert (row["platform"], row["error_rate"], row["dominant_failure"]) == (
        "alpha", 0.5, "not_found"
    )  # fmt: skip


def test_the_breaker_shows_and_why_it_opened(rig: Rig) -> None:
    rig.answers |= {f"h{number}": Answer(status=503) for number in range(5)}
    rig.scrape(*rig.answers)
    row = Asked(rig.monitor).platform()
    assert row["breaker"]["state"] == "open"
    assert "503" in row["breaker"]["last_error"]
    assert row["breaker"]["last_error_at"].endswith("Z")


def test_what_was_spent_shows_where_it_is_counted(rig: Rig) -> None:
    rig.scrape("one", "two")
    row = Asked(rig.monitor).platform()
    assert (row["spent_today"], row["unit"], row["limit"]) == (0.5, "USD", 1000.0)
    assert "0.5 of 1,000 USD" in Asked(rig.monitor).ask("dashboard").body.decode()
    rig.clock.advance(86_400)
    assert Asked(rig.monitor).platform()["spent_today"] == 0.0
    meta = Asked(rig.monitor).platform("facebook")
    assert (meta["spent_today"], meta["unit"]) == (None, "percent")


def test_a_pause_shows_until_when_it_lasts(rig: Rig) -> None:
    asyncio.run(rig.monitor.scrapers.limiter.pause("alpha", 60.0))
    at = Asked(rig.monitor).platform()["next_allowed"]
    assert at is not None
    rig.clock.advance(61.0)
    assert Asked(rig.monitor).platform()["next_allowed"] is None


def test_the_window_passes_and_advice_looks_back_a_day(rig: Rig) -> None:
    rig.answers |= {f"h{number}": Answer(status=404) for number in range(3)}
    rig.scrape(*rig.answers)
    rig.clock.advance(7200)
    body = Asked(rig.monitor).read(query="window=5m")
    assert body["in_window"]["observed"] is False
    assert body["observed"] is True
    [advice] = body["advice"]
    assert (advice["rule"], advice["about"]) == ("scrape-failures", "alpha")
    assert "h2: HTTP 404" in advice["text"]


def test_fields_reach_into_platforms(rig: Rig) -> None:
    rig.scrape("one")
    body = Asked(rig.monitor).read(query="fields=in_window.platforms.p95,now.breaker.state")
    assert body["in_window"] == {"platforms": [{"p95": 0.5}]}
    assert {"breaker": {"state": "closed"}} in body["now"]
    assert Asked(rig.monitor).ask(query="fields=now.colour").status == 400


def test_the_body_is_of_its_schema(rig: Rig) -> None:
    rig.answers |= {"gone": Answer(status=404), "late": Answer(status=429)}
    rig.scrape("one", "gone", "late")
    rig.scrape("three", on="beta")
    asked = Asked(rig.monitor)
    endpoint = next(each for each in asked.site.endpoints if each.name == "scrapers")
    assert endpoint.body is not None
    msgspec.json.decode(asked.ask().body, type=endpoint.body, strict=True)


def test_equal_data_is_not_sent_twice(rig: Rig) -> None:
    """What changes without an observation, such as a breaker, makes a new answer all the same."""
    rig.scrape("one")
    asked = Asked(rig.monitor)
    etag = dict(asked.ask().headers)["ETag"]
    assert asked.ask(if_none_match=etag).status == 304
    for _ in range(5):
        rig.monitor.scrapers.health_of("alpha").breaker("alpha").failed(OSError("away"))
    assert asked.ask(if_none_match=etag).status == 200


def test_secrets_stay_out_of_answers_and_pages(rig: Rig) -> None:
    rig.answers |= {"gone": Answer(status=401)}
    rig.scrape("one", "gone")
    for name in ("scrapers", "dashboard", "summary", "settings"):
        assert SECRET not in Asked(rig.monitor).ask(name).body.decode()


def test_the_page_escapes_names_and_details(rig: Rig) -> None:
    from hhs_perf.scrapers import Account, Failure, Outcome

    failure = Failure(kind="server", detail=HOSTILE)
    account = Account(platform="alpha", handle=HOSTILE, url=f"https://alpha.example/{HOSTILE}")
    outcome = Outcome(
        account=account,
        platform="alpha",
        handle=HOSTILE,
        status="failure",
        failure=failure,
        seconds=1.0,
        attempts=1,
    )
    rig.monitor.scrapers.health_of("alpha").take(outcome)
    for _ in range(3):
        rig.monitor.collectors.scrapers.outcome("alpha", "failure", 1.0, kind="server")
    rig.monitor.collectors.scrapers.outcome(HOSTILE, "skipped", None, reason=HOSTILE)
    rig.monitor.collectors.scrapers.outcome(HOSTILE, "failure", 1.0, kind=HOSTILE)
    rig.monitor.collectors.scrapers.request(
        HOSTILE, seconds=1.0, waited=0.0, cost=1.0, unit=HOSTILE
    )
    page = Asked(rig.monitor).ask("dashboard").body.decode()
    assert "<img" not in page
    for caption in ("Slowest accounts", "Failed scrapes, the newest", "Advice on scrapers"):
        assert f"<caption>{caption}" in page
    assert page.count("&lt;img") >= 6


def test_it_needs_no_http_library() -> None:
    """Neither the routes nor their schemas do, even with the scrapers made."""
    code = (
        "import sys; sys.modules.update(httpx=None, aiohttp=None, sqlalchemy=None, redis=None)\n"
        "from hhs_perf import Monitor\n"
        "from hhs_perf.web import Request, Site, allow_all\n"
        "monitor = Monitor.from_env({})\n"
        "assert monitor.scrapers.platforms\n"
        "for each in Site(monitor, allow_all).endpoints:\n"
        "    request = Request(method='GET', path='/', query=(), headers={})\n"
        "    print(Site(monitor, allow_all).respond(each, request).status)\n"
        "    each.schema\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert set(done.stdout.split()) == {"200"}


def test_mounting_does_not_pay_for_the_route() -> None:
    code = (
        "import sys, flask; from hhs_perf import Monitor; from hhs_perf.web import allow_all\n"
        "from hhs_perf.adapters.flask import init_app\n"
        "init_app(flask.Flask('host'), Monitor.from_env({}), auth=allow_all)\n"
        "print([each for each in sys.modules if each.startswith('hhs_perf.scrapers')"
        " or each in ('hhs_perf.web.scrapers_body', 'hhs_perf.collectors.scrapers_detail')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
