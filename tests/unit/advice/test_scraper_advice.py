"""Advice on scraping: each rule from its threshold on, and none where the figures are thin."""

from __future__ import annotations

from typing import Any

import pytest

from hhs_perf._breaker import BreakerReport
from hhs_perf._settings import ScraperSettings
from hhs_perf.advice import Advice, scraper_advice
from hhs_perf.advice.scrapers import LINES
from hhs_perf.collectors import Collectors
from hhs_perf.collectors.scrapers import ScraperCollector
from hhs_perf.collectors.scrapers_detail import detail
from hhs_perf.metrics import LocalReader, Registry
from hhs_perf.scrapers.engine.health import FailureSeen, PlatformState
from hhs_perf.scrapers.values import FAILURE_KINDS
from hhs_perf.testing import FakeClock

CLOSED = BreakerReport(
    state="closed",
    since=0.0,
    openings=0,
    failures=0,
    probe_in=None,
    last_error=None,
    last_error_at=None,
)


def state(name: str = "x", **changed: Any) -> PlatformState:
    base: dict[str, Any] = {
        "name": name,
        "title": name.title(),
        "missing": (),
        "interval": 0.5,
        "breaker": CLOSED,
        "next_allowed": None,
        "last_good": None,
        "spent_today": 0.0,
        "unit": None,
        "limit": None,
        "slowest": (),
        "newest_failures": (),
    }
    return PlatformState(**(base | changed))


class Seen:
    """What a run left in the metrics, and the advice on it."""

    def __init__(self, clock: FakeClock) -> None:
        metrics = Registry(clock=clock)
        self.taken: ScraperCollector = Collectors(metrics).scrapers
        self._reader = LocalReader(metrics)

    def succeed(self, count: int, platform: str = "x") -> None:
        for _ in range(count):
            self.taken.outcome(platform, "success", 1.0)

    def fail(self, count: int, kind: str, platform: str = "x") -> None:
        for _ in range(count):
            self.taken.outcome(platform, "failure", 1.0, kind=kind)

    def skip(self, count: int, reason: str, platform: str | None = "x") -> None:
        for _ in range(count):
            self.taken.outcome(platform, "skipped", None, reason=reason)

    def ask(self, count: int, failure: str | None = None, **changed: Any) -> None:
        for _ in range(count):
            given = {"platform": "x", "seconds": 1.0, "waited": 0.5} | changed
            self.taken.request(**given, failure=failure)

    def advise(self, *states: PlatformState, max_workers: int = 5) -> tuple[Advice, ...]:
        settings = ScraperSettings(max_workers=max_workers)
        return scraper_advice(detail(self._reader.read("24h")), states or (state(),), settings)


@pytest.fixture
def seen(clock: FakeClock) -> Seen:
    return Seen(clock)


def only(found: tuple[Advice, ...], rule: str) -> Advice:
    assert [each.rule for each in found] == [rule]
    return found[0]


def figures(advice: Advice) -> dict[str, float]:
    return {each.figure: each.value for each in advice.evidence}


def test_nothing_seen_and_all_well_is_no_advice(seen: Seen) -> None:
    assert seen.advise() == ()
    seen.succeed(100)
    seen.ask(100)
    assert seen.advise() == ()


def test_missing_credentials_name_the_variables_and_what_they_cost(seen: Seen) -> None:
    seen.skip(3, "no_credentials")
    advice = only(seen.advise(state(missing=("HHS_PERF_X_TOKEN",))), "scrape-credentials")
    assert (advice.about, advice.setting) == ("x", "HHS_PERF_X_TOKEN")
    assert "Set HHS_PERF_X_TOKEN: 3 accounts of X were left out" in advice.text
    assert figures(advice) == {"accounts left out": 3}


def test_a_platform_that_nobody_scrapes_needs_no_credentials(seen: Seen) -> None:
    seen.succeed(1, "youtube")
    assert seen.advise(state(missing=("HHS_PERF_X_TOKEN",)), state("youtube")) == ()


@pytest.mark.parametrize(
    ("failed", "succeeded", "given"), [(2, 0, 0), (3, 0, 1), (3, 57, 0), (3, 56, 1)]
)
def test_failures_are_told_from_three_accounts_and_five_percent_on(
    seen: Seen, failed: int, succeeded: int, given: int
) -> None:
    seen.fail(failed, "not_found")
    seen.succeed(succeeded)
    assert [each.rule for each in seen.advise()] == ["scrape-failures"] * given


def test_the_dominant_kind_is_told_with_its_newest_lines(seen: Seen) -> None:
    seen.fail(5, "auth")
    seen.fail(4, "server")
    failures = tuple(
        FailureSeen(at=float(number), handle=f"h{number}", kind=kind, detail=f"HTTP {number}")
        for number, kind in enumerate(["auth", "server", "auth", "auth", "auth"])
    )
    advice = only(seen.advise(state(newest_failures=failures)), "scrape-failures")
    assert "5 accounts of X failed as auth: its credentials are wrong" in advice.text
    assert advice.text.endswith("Newest: h0: HTTP 0; h2: HTTP 2; h3: HTTP 3.")
    assert advice.text.count("HTTP") == LINES
    assert figures(advice) == {
        "auth": 5, "share of failures": pytest.approx(5 / 9), "error rate": 1.0
    }  # fmt: skip


def test_a_long_line_is_cut(seen: Seen) -> None:
    seen.fail(3, "auth")
    failure = FailureSeen(at=0.0, handle="h", kind="auth", detail="d" * 10_000)
    assert len(only(seen.advise(state(newest_failures=(failure,))), "scrape-failures").text) < 500


@pytest.mark.parametrize("kind", FAILURE_KINDS)
def test_every_kind_of_failure_has_a_remedy_of_its_own(seen: Seen, kind: str) -> None:
    seen.fail(3, kind, "truth_social")
    advice = seen.advise(state("truth_social"))[0]
    assert (advice.rule, advice.about) == ("scrape-failures", "truth_social")
    assert "{P}" not in advice.text + advice.setting
    assert "see the newest" not in advice.text


def test_a_kind_that_a_host_made_up_is_told_without_a_remedy(seen: Seen) -> None:
    seen.fail(3, "weather")
    assert "failed as weather: see the newest" in only(seen.advise(), "scrape-failures").text


@pytest.mark.parametrize(
    ("throttled", "answered", "given"), [(2, 0, 0), (3, 0, 1), (3, 297, 0), (3, 296, 1)]
)
def test_a_pace_is_too_fast_from_three_refusals_and_one_percent_on(
    seen: Seen, throttled: int, answered: int, given: int
) -> None:
    seen.ask(throttled, "rate_limited")
    seen.ask(answered)
    found = seen.advise(state(interval=2.0))
    assert [each.rule for each in found] == ["scrape-limit"] * given
    if given:
        assert "Raise HHS_PERF_X_INTERVAL from 2 s" in found[0].text
        assert figures(found[0])["mean wait"] == 0.5


def test_more_workers_are_advised_where_the_pace_keeps_more_busy(seen: Seen) -> None:
    """Two platforms, a start each half second, each under way for two seconds."""
    for platform in ("x", "youtube"):
        seen.ask(20, platform=platform, seconds=2.0)
    states = state("x"), state("youtube")
    assert seen.advise(*states, max_workers=8) == ()
    advice = only(seen.advise(*states, max_workers=7), "scrape-workers")
    assert "from 7 to 8" in advice.text
    assert figures(advice) == {
        "workers kept busy": 8.0, "workers": 7, "mean time of a request": 2.0
    }  # fmt: skip


def test_a_platform_without_a_pace_or_with_few_requests_wants_no_workers(seen: Seen) -> None:
    seen.ask(1000, seconds=9.0)
    seen.ask(19, platform="youtube", seconds=9.0)
    assert seen.advise(state("x", interval=0.0), state("youtube")) == ()


def test_a_run_that_ends_early_should_know_its_core_accounts(seen: Seen) -> None:
    seen.succeed(10)
    seen.skip(4, "budget")
    advice = only(seen.advise(), "scrape-order")
    assert advice.setting == "--core"
    assert figures(advice) == {"accounts left out": 4, "accounts asked for": 10}
    seen.taken.outcome("x", "success", 1.0, is_core=True)
    assert seen.advise() == ()


def test_a_quota_that_ran_out_is_told_with_the_order_to_follow(seen: Seen) -> None:
    seen.fail(3, "quota_exhausted")
    assert [each.rule for each in seen.advise()] == ["scrape-failures", "scrape-order"]


def test_addresses_that_lead_nowhere_are_to_be_corrected(seen: Seen) -> None:
    seen.skip(1, "unresolvable", None)
    assert "of 1 account:" in only(seen.advise(), "scrape-address").text


def test_the_most_urgent_comes_first(seen: Seen) -> None:
    seen.skip(1, "unresolvable", None)
    seen.skip(1, "no_credentials", "youtube")
    seen.fail(3, "server")
    seen.fail(9, "auth", "flickr")
    seen.ask(30, "rate_limited", seconds=30.0)
    states = state(), state("youtube", missing=("HHS_PERF_YOUTUBE_KEY",)), state("flickr")
    assert [(each.rule, each.about) for each in seen.advise(*states)] == [
        ("scrape-credentials", "youtube"),
        ("scrape-failures", "flickr"),
        ("scrape-failures", "x"),
        ("scrape-limit", "x"),
        ("scrape-address", None),
        ("scrape-workers", None),
    ]
