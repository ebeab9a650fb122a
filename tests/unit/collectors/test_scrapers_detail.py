"""Scrapers platform by platform, over a window."""

from __future__ import annotations

import pytest

from hhs_perf.collectors import Collectors
from hhs_perf.collectors.scrapers import ScraperCollector, figures
from hhs_perf.collectors.scrapers_detail import Cost, FailureCount, SkippedCount, detail
from hhs_perf.metrics import LocalReader, Registry
from hhs_perf.testing import FakeClock


@pytest.fixture
def metrics(clock: FakeClock) -> Registry:
    return Registry(clock=clock)


@pytest.fixture
def taken(metrics: Registry) -> ScraperCollector:
    return Collectors(metrics).scrapers


@pytest.fixture
def reader(metrics: Registry) -> LocalReader:
    return LocalReader(metrics)


def test_nothing_seen_is_unknown_and_no_zero(reader: LocalReader) -> None:
    seen = detail(reader.read())
    assert (seen.observed, seen.count, seen.success_rate, seen.requests) == (
        False, None, None, None
    )  # fmt: skip
    assert (seen.throttled, seen.waiting_share, seen.wait.count, seen.network.p95) == (
        None, None, None, None
    )  # fmt: skip
    assert seen.platforms == seen.failures == seen.skipped == seen.cost == ()


def test_failures_count_by_kind_the_most_frequent_first(
    taken: ScraperCollector, reader: LocalReader
) -> None:
    for kind in ("not_found", "server", "server", "server"):
        taken.outcome("x", "failure", 1.0, kind=kind)
    taken.outcome("x", "success", 2.0)
    taken.outcome("flickr", "failure", 1.0, kind="not_found")
    seen = detail(reader.read())
    flickr, x = seen.platforms
    assert x.failures == (
        FailureCount(kind="server", count=3, share=0.75),
        FailureCount(kind="not_found", count=1, share=0.25),
    )
    assert (x.platform, x.count, x.errors, x.error_rate, x.success_rate) == ("x", 5, 4, 0.8, 0.2)
    assert (x.dominant_failure, flickr.dominant_failure) == ("server", "not_found")
    assert [(each.kind, each.count) for each in seen.failures] == [("server", 3), ("not_found", 2)]


def test_accounts_that_nothing_was_sent_for_fail_without_a_duration(
    taken: ScraperCollector, reader: LocalReader
) -> None:
    """A breaker that is open would otherwise make a platform look fast."""
    taken.outcome("x", "success", 8.0)
    taken.outcome("x", "failure", None, kind="network")
    [x] = figures(reader.read()).platforms
    assert (x.count, x.errors, x.error_rate, x.min, x.p50) == (2, 1, 0.5, 8.0, 8.0)


def test_a_platform_that_only_failed_before_sending_is_observed(
    taken: ScraperCollector, reader: LocalReader
) -> None:
    taken.outcome("x", "failure", None, kind="auth")
    seen = figures(reader.read())
    assert (seen.observed, seen.count, seen.errors, seen.p95) == (True, 1, 1, None)
    assert seen.platforms[0].dominant_failure == "auth"


def test_what_was_skipped_is_neither_success_nor_failure(
    taken: ScraperCollector, reader: LocalReader
) -> None:
    taken.outcome("x", "success", 1.0)
    for _ in range(3):
        taken.outcome("x", "skipped", None, reason="no_credentials")
    taken.outcome(None, "skipped", None, reason="unresolvable")
    seen = detail(reader.read())
    assert (seen.success_rate, seen.count) == (1.0, 1)
    assert seen.skipped == (
        SkippedCount(reason="no_credentials", count=3),
        SkippedCount(reason="unresolvable", count=1),
    )
    assert [row.platform for row in seen.platforms] == ["unknown", "x"]
    assert [row.platform for row in figures(reader.read()).platforms] == ["x"]


def test_waiting_is_told_apart_from_the_network(
    taken: ScraperCollector, reader: LocalReader
) -> None:
    for waited in (0.0, 0.5, 2.5):
        taken.request("x", seconds=1.0, waited=waited)
    [x] = detail(reader.read()).platforms
    assert (x.wait.avg, x.network.avg, x.waiting_share) == (1.0, 1.0, 0.5)
    assert (x.requests, x.request_errors, x.throttled) == (3, 0, 0)


def test_requests_refused_for_their_rate_are_throttled_and_failed(
    taken: ScraperCollector, reader: LocalReader
) -> None:
    for failure in (None, "rate_limited", "rate_limited", "network"):
        taken.request("x", seconds=0.1, waited=0.0, failure=failure)
    taken.request("youtube", seconds=0.1, waited=0.0)
    seen = detail(reader.read())
    x, youtube = seen.platforms
    assert (x.requests, x.request_errors, x.throttled) == (4, 3, 2)
    assert (youtube.request_errors, youtube.throttled) == (0, 0)
    assert (seen.requests, seen.throttled) == (5, 2)


def test_costs_add_up_by_unit(taken: ScraperCollector, reader: LocalReader) -> None:
    for _ in range(3):
        taken.request("x", seconds=0.1, waited=0.0, cost=0.25, unit="USD")
    taken.request("youtube", seconds=0.1, waited=0.0, cost=1.0, unit="units")
    taken.request("flickr", seconds=0.1, waited=0.0, unit=None)
    seen = detail(reader.read())
    assert seen.cost == (Cost(unit="units", amount=1.0), Cost(unit="USD", amount=0.75))
    assert [row.cost for row in seen.platforms] == [
        (), (Cost(unit="USD", amount=0.75),), (Cost(unit="units", amount=1.0),)
    ]  # fmt: skip


def test_core_accounts_have_a_success_rate_of_their_own(
    taken: ScraperCollector, reader: LocalReader
) -> None:
    taken.outcome("x", "success", 1.0, is_core=True)
    taken.outcome("x", "failure", 1.0, kind="server", is_core=True)
    taken.outcome("x", "skipped", None, reason="budget", is_core=True)
    taken.outcome("x", "failure", 1.0, kind="server")
    seen = figures(reader.read())
    assert (seen.core_success_rate, seen.success_rate) == (0.5, pytest.approx(1 / 3))


def test_a_host_with_an_engine_of_its_own_names_kinds_where_it_knows_them(
    taken: ScraperCollector, reader: LocalReader
) -> None:
    taken.record_scrape("x", 1.0, succeeded=False, kind="server")
    taken.record_scrape("x", 1.0, succeeded=False)
    taken.record_scrape("x", 1.0, succeeded=True)
    [x] = detail(reader.read()).platforms
    assert {each.kind: each.count for each in x.failures} == {"server": 1, "unknown": 1}
    assert (x.requests, x.waiting_share) == (None, None)


def test_a_daily_run_keeps_its_quantiles_over_the_day(
    metrics: Registry, taken: ScraperCollector, reader: LocalReader, clock: FakeClock
) -> None:
    """More accounts than an hour's slot of all of them keeps, fewer than it keeps of each."""
    metrics.add_up("scrape.duration", {})
    for platform in ("facebook", "x", "youtube"):
        for number in range(1, 41):
            taken.outcome(platform, "success", number / 10)
    clock.advance(3 * 3600)
    seen = figures(reader.read("24h"))
    assert (seen.count, seen.p50, seen.p95) == (120, 2.0, 3.8)
    assert [row.p99 for row in seen.platforms] == [4.0] * 3
    assert figures(reader.read("1h")).observed is False


def test_tags_of_a_host_s_own_break_nothing(metrics: Registry, reader: LocalReader) -> None:
    metrics.counter("scrape.outcomes", site="mine").add(1)
    metrics.counter("scrape.cost", site="mine").add(2.0)
    metrics.counter("scrape.skipped", site="mine").add(1)
    metrics.timer("scrape.duration", site="mine").record(1.0)
    seen = detail(reader.read())
    assert (seen.platforms, seen.count, seen.observed) == ((), 1, True)
    assert seen.cost == (Cost(unit="unknown", amount=2.0),)


def test_names_without_end_hold_no_memory(metrics: Registry, taken: ScraperCollector) -> None:
    for number in range(3000):
        taken.outcome(f"p{number}", "failure", 1.0, kind=f"k{number}")
        taken.outcome("x", "skipped", None, reason=f"r{number}")
    assert len(metrics) < metrics.max_series + 100  # the series called other
    assert len(taken._bound) <= 1000
    assert max(len(each.seldom) for each in taken._bound.values()) <= 1000


def test_platforms_past_the_cap_stay_in_the_totals(clock: FakeClock) -> None:
    metrics = Registry(clock=clock, max_series_per_instrument=2)
    taken = ScraperCollector(metrics)
    for number in range(5):
        taken.outcome(f"p{number}", "failure", 1.0, kind="server")
        taken.outcome(f"p{number}", "success", 1.0)
        taken.request(f"p{number}", seconds=1.0, waited=0.0)
    seen = detail(LocalReader(metrics).read())
    assert (seen.count, seen.errors, seen.success_rate, seen.requests) == (10, 5, 0.5, 5)
