"""Runs on the routes of both adapters, and the SLAs and alerts that judge them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hhs_perf.sla import Alert
from hhs_perf.testing import FakeClock
from hhs_perf.web import allow_all
from tests.integration.test_adapters import FastapiHost, FlaskHost
from tests.scrape_rig import SECRET, Answer, Rig

HOSTS = (FlaskHost, FastapiHost)


class Mounted:
    """A host with the routes of a rig's monitor."""

    def __init__(self, host: type[FlaskHost | FastapiHost], rig: Rig) -> None:
        self.host: Any = host()
        self.rig = rig
        self.host.init_app(self.host.app, rig.monitor, auth=allow_all)

    def read(self, path: str = "/scrapers") -> Any:
        answer = self.host.call(f"/api/performance{path}")
        assert answer.status == 200, answer
        assert SECRET not in answer.body.decode()
        return json.loads(answer.body)


@pytest.fixture
def rig(clock: FakeClock) -> Iterator[Rig]:
    made = Rig(clock, HHS_PERF_BETA_TOKEN="other")
    yield made
    made.close()


def _handles(count: int, before: str = "h") -> list[str]:
    return [f"{before}{number}" for number in range(count)]


def _scenario(rig: Rig) -> None:
    rig.answers |= {handle: Answer(status=404) for handle in _handles(4, "gone")}
    rig.answers["slow"] = Answer(seconds=8.0)
    rig.scrape("slow", *_handles(10), is_core=True)
    rig.scrape(*_handles(4, "gone"), on="beta")


def _active(rig: Rig) -> dict[tuple[str, str | None], Alert]:
    rig.monitor.advance()
    return {
        (each.rule, each.tags.get("platform")): each
        for each in rig.monitor.alerts.active()
        if each.state == "firing"
    }


def test_both_adapters_give_equal_answers() -> None:
    answers = []
    for host in HOSTS:
        one = Mounted(host, Rig(FakeClock(), HHS_PERF_BETA_TOKEN="other"))
        _scenario(one.rig)
        answers.append(
            [one.read(), one.read("")["scrapers"], one.read("/sla"), one.read("/alerts")]
        )
        one.rig.close()
    assert answers[0] == answers[1]


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.__name__)
def test_the_routes_tell_what_runs_did(host: type[FlaskHost | FastapiHost], rig: Rig) -> None:
    one = Mounted(host, rig)
    _scenario(rig)
    body = one.read()
    alpha, beta = body["in_window"]["platforms"]
    assert (alpha["success_rate"], alpha["max"], beta["success_rate"]) == (1.0, 8.0, 0.0)
    assert [(each["rule"], each["about"]) for each in body["advice"]] == [
        ("scrape-failures", "beta")
    ]
    slowest = next(row for row in body["now"] if row["platform"] == "alpha")["slowest"]
    assert (slowest[0]["handle"], slowest[0]["url"], slowest[0]["seconds"]) == (
        "slow", "https://alpha.example/slow", 8.0
    )  # fmt: skip
    page = one.host.call("/api/performance/dashboard").body.decode()
    assert "<caption>Slowest accounts" in page


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.__name__)
def test_equal_data_is_304_and_a_new_run_is_not(
    host: type[FlaskHost | FastapiHost], rig: Rig
) -> None:
    one = Mounted(host, rig)
    _scenario(rig)
    url = "/api/performance/scrapers"
    etag = one.host.call(url).headers["etag"]
    assert one.host.call(url, headers={"if-none-match": etag}).status == 304
    rig.scrape("another")
    assert one.host.call(url, headers={"if-none-match": etag}).status == 200


def test_one_bad_platform_alerts_by_its_name_though_the_others_hide_it(rig: Rig) -> None:
    """Four of a hundred and four accounts failed: all of one platform's."""
    rig.answers |= {handle: Answer(status=404) for handle in _handles(4, "gone")}
    rig.scrape(*_handles(100))
    rig.scrape(*_handles(4, "gone"), on="beta")
    assert set(_active(rig)) == {("scraper-platform-error-rate", "beta")}


def test_an_error_rate_that_recovers_stays_until_it_is_good_for_long_enough(rig: Rig) -> None:
    rig.answers |= {handle: Answer(status=404) for handle in _handles(3, "gone")}
    rig.scrape(*_handles(3, "gone"), *_handles(37))
    key = ("scraper-platform-error-rate", "alpha")
    alert = _active(rig)[key]
    assert (alert.value, alert.samples) == (pytest.approx(3 / 40), 40)
    rig.scrape(*_handles(28, "new"))  # 4.4 %: not above 5 %, and not below 4 %
    rig.clock.advance(400)
    assert key in _active(rig)
    rig.scrape(*_handles(30, "more"))  # 3.1 %
    assert key not in _active(rig)
    [resolved, *_] = [
        each for each in rig.monitor.alerts.history() if each.rule == "scraper-platform-error-rate"
    ]
    assert (resolved.state, resolved.reason) == ("resolved", "recovered")


def test_one_slow_platform_alerts_by_its_name_though_the_others_hide_it(rig: Rig) -> None:
    rig.answers |= {handle: Answer(seconds=12.0) for handle in _handles(40, "late")}
    rig.scrape(*_handles(960))
    rig.scrape(*_handles(40, "late"), on="beta")
    active = _active(rig)
    assert set(active) == {("scraper-platform-latency", "beta")}
    assert active["scraper-platform-latency", "beta"].value == 12.0


def test_waits_do_not_make_a_scrape_slow(rig: Rig) -> None:
    rig.monitor.collectors.scrapers.request("alpha", seconds=0.5, waited=600.0)
    rig.scrape(*_handles(40))
    assert _active(rig) == {}


def test_the_slas_judge_a_run(rig: Rig) -> None:
    rig.answers |= {handle: Answer(seconds=6.0) for handle in _handles(12, "late")}
    rig.scrape(*_handles(190), *_handles(12, "late"))
    verdicts = {each.name: each for each in rig.monitor.evaluate()}
    p95, p99 = verdicts["scraper-execution-time"].objectives
    assert (p95.status, p95.value, p95.window) == ("violated", 6.0, "24h")
    assert (p99.status, p99.value) == ("met", 6.0)
    [rate] = verdicts["scraper-success-rate"].objectives
    assert (rate.status, rate.value, rate.samples) == ("met", 1.0, 202)
    rig.clock.advance(5 * 3600)
    assert rig.monitor.evaluate("scraper-success-rate")[0].status == "met"


def test_skipped_accounts_break_no_sla(rig: Rig) -> None:
    rig.scrape(*_handles(40))
    for _ in range(40):
        rig.monitor.collectors.scrapers.outcome("x", "skipped", None, reason="no_credentials")
    [rate] = rig.monitor.evaluate("scraper-success-rate")[0].objectives
    assert (rate.status, rate.samples) == ("met", 40)
