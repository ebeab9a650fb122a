from __future__ import annotations

import pytest

from hhs_perf.collectors import Collectors, api, cache, database, frontend, scrapers
from hhs_perf.metrics import LocalReader, Registry
from hhs_perf.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall=3_000.0)


@pytest.fixture
def metrics(clock: FakeClock) -> Registry:
    return Registry(clock=clock)


@pytest.fixture
def collectors(metrics: Registry) -> Collectors:
    return Collectors(metrics)


@pytest.fixture
def reader(metrics: Registry) -> LocalReader:
    return LocalReader(metrics)


FIGURES = [api.figures, cache.figures, database.figures, frontend.figures, scrapers.figures]


@pytest.mark.parametrize("figures", FIGURES)
def test_a_section_that_saw_nothing_says_so_and_shows_no_zeros(figures, reader) -> None:
    section = figures(reader.read())
    assert section.observed is False
    for name in section.__attrs_attrs__:
        assert getattr(section, name.name) in (None, False, (), section.__class__) or (
            name.name == "operations" and section.operations.count is None
        )


def test_requests_count_by_response_and_share_the_time(collectors, reader, clock) -> None:
    for status in (200, 201, 302, 404, 500):
        collectors.api.record("GET", "/a", "uncached", status, 0.1, clock.monotonic())
    collectors.api.record("POST", "/b", "database", 599, 1.5, clock.monotonic())
    clock.advance(10)
    figures = api.figures(reader.read())
    assert (figures.count, figures.errors, figures.client_errors) == (6, 2, 1)
    assert figures.rate == pytest.approx(0.6)
    assert figures.p95 == 1.5
    first, second = figures.routes
    assert (first.method, first.route, first.kind) == ("POST", "/b", "database")
    assert first.share == pytest.approx(0.75)
    assert (first.errors, first.error_rate) == (1, 1.0)
    assert (second.count, second.errors, second.client_errors) == (5, 1, 1)
    assert second.error_rate == pytest.approx(0.2)


def test_a_route_of_two_kinds_shows_each_with_its_own_failures(collectors, reader, clock) -> None:
    collectors.api.record("GET", "/a", "cached", 200, 0.001, clock.monotonic())
    collectors.api.record("GET", "/a", "uncached", 500, 0.2, clock.monotonic())
    rows = {row.kind: row for row in api.figures(reader.read()).routes}
    assert (rows["cached"].count, rows["cached"].errors) == (1, 0)
    assert (rows["uncached"].count, rows["uncached"].errors) == (1, 1)


def test_an_event_stream_is_judged_to_its_first_byte_and_timed_whole(
    collectors, reader, clock
) -> None:
    collectors.api.record("GET", "/e", "uncached", 200, 0.01, clock.monotonic(), streamed=60.0)
    snapshot = reader.read()
    assert snapshot.timer(api.DURATION).max == 0.01
    assert snapshot.timer(api.STREAM, route="/e").max == 60.0


def test_requests_flush_when_their_slot_has_ended(collectors, metrics, reader, clock) -> None:
    """No tick lives here: what the ended slot had must not leak into the new one."""
    collectors.api.record("GET", "/a", "uncached", 200, 0.1, clock.monotonic())
    clock.advance(31)
    collectors.api.record("GET", "/a", "uncached", 200, 0.2, clock.monotonic())
    clock.advance(5 * 60 - 30)
    assert reader.read("5m").timer(api.DURATION).count == 1


def test_buffers_of_requests_stay_bounded_without_a_tick(collectors, metrics, clock) -> None:
    for _ in range(10_000):
        collectors.api.record("GET", "/a", "uncached", 200, 0.1, clock.monotonic())
    timer = metrics.timer(api.DURATION, method="GET", route="/a", kind="uncached")
    assert len(timer.buffer) < 4096


def test_a_hit_in_either_level_is_a_hit(collectors, reader) -> None:
    collectors.cache.record_lookup(l1="hit")
    collectors.cache.record_lookup(l1="miss", l2="hit")
    collectors.cache.record_lookup(l1="miss", l2="miss")
    collectors.cache.record_operation("l2", "get", 0.002)
    collectors.cache.record_operation("l2", "get", 0.5, failed=True)
    figures = cache.figures(reader.read())
    assert (figures.hits, figures.misses) == (2, 1)
    assert figures.hit_rate == pytest.approx(2 / 3)
    assert figures.l1_hit_rate == pytest.approx(1 / 3)
    assert figures.l2_hit_rate == pytest.approx(1 / 2)
    assert (figures.operations.count, figures.operations.errors) == (2, 1)


def test_a_lookup_asks_at_least_one_level(collectors) -> None:
    with pytest.raises(ValueError, match="at least one level"):
        collectors.cache.record_lookup()


def test_queries_and_their_errors_count(collectors, reader) -> None:
    collectors.database.record_query("SELECT a", 0.01)
    collectors.database.record_query("SELECT b", 0.03, failed=True)
    figures = database.figures(reader.read())
    assert (figures.observed, figures.count, figures.errors) == (True, 2, 1)
    assert figures.max == 0.03


def test_scrapes_count_by_platform(collectors, reader) -> None:
    collectors.scrapers.record_scrape("x", 1.0, succeeded=True)
    collectors.scrapers.record_scrape("x", 3.0, succeeded=False)
    collectors.scrapers.record_scrape("youtube", 2.0, succeeded=True)
    figures = scrapers.figures(reader.read())
    assert figures.success_rate == pytest.approx(2 / 3)
    assert [(p.platform, p.success_rate, p.errors) for p in figures.platforms] == [
        ("x", 0.5, 1),
        ("youtube", 1.0, 0),
    ]


def test_page_loads_count_by_page(collectors, reader) -> None:
    collectors.frontend.record_load("/home", 1.2)
    figures = frontend.figures(reader.read())
    assert (figures.count, figures.errors) == (1, None)
    assert [page.page for page in figures.pages] == ["/home"]
