"""Statement by statement and pool by pool, over a window."""

from __future__ import annotations

import pytest

from hhs_perf.collectors import Collectors, database
from hhs_perf.collectors.database_detail import MOST_STATEMENTS, detail
from hhs_perf.metrics import LocalReader, Registry
from hhs_perf.testing import FakeClock


@pytest.fixture
def metrics(clock: FakeClock) -> Registry:
    made = Registry(clock=clock)
    made.count_at("db.query.duration", [("<=", 0.1)])
    return made


@pytest.fixture
def collectors(metrics: Registry) -> Collectors:
    return Collectors(metrics)


@pytest.fixture
def reader(metrics: Registry) -> LocalReader:
    return LocalReader(metrics)


def test_nothing_seen_is_unknown(reader: LocalReader) -> None:
    seen = detail(reader.read(), 0.1)
    assert (seen.observed, seen.count, seen.slow, seen.rows, seen.executed) == (
        False, None, None, None, None
    )  # fmt: skip
    assert seen.statements == seen.pools == seen.replicas == ()
    assert seen.fetch.count is None


def test_statements_share_the_time_and_count_what_was_slow(
    collectors: Collectors, reader: LocalReader, clock: FakeClock
) -> None:
    for seconds in (0.1, 0.2, 0.3):
        collectors.database.record_query("SELECT a", seconds)
    collectors.database.record_query("SELECT b", 0.2)
    clock.advance(10)
    seen = detail(reader.read(), 0.1)
    assert (seen.count, seen.slow) == (4, 3)
    first, second = seen.statements
    assert (first.statement, first.count, first.slow) == ("SELECT a", 3, 2)
    assert first.share == pytest.approx(0.75)
    assert (first.p50, first.p99) == (0.2, 0.3)
    assert first.rate == pytest.approx(0.3)
    assert (first.errors, first.error_rate) == (None, None)
    assert (second.statement, second.slow) == ("SELECT b", 1)


def test_a_level_that_nobody_counts_at_is_unknown_once_there_are_many(
    collectors: Collectors, reader: LocalReader
) -> None:
    for _ in range(300):
        collectors.database.record_query("SELECT a", 0.2)
    assert database.figures(reader.read(), 0.15).slow is None
    assert database.figures(reader.read(), 0.1).slow == 300
    assert database.figures(reader.read()).slow is None


def test_the_statements_that_took_longest_are_shown(
    collectors: Collectors, reader: LocalReader
) -> None:
    for number in range(MOST_STATEMENTS + 20):
        collectors.database.record_query(f"SELECT {number}", 0.001 * (number + 1))
    shown = detail(reader.read(), 0.1).statements
    assert len(shown) == MOST_STATEMENTS
    assert shown[0].statement == f"SELECT {MOST_STATEMENTS + 19}"


def test_pools_and_replicas_are_told_by_name(metrics: Registry, reader: LocalReader) -> None:
    metrics.timer("db.pool.wait.duration", pool="a").record(0.2)
    metrics.timer("db.pool.hold.duration", pool="a").record(0.5)
    metrics.counter("db.pool.timeouts", pool="b").add(2)
    metrics.gauge("db.replica.lag", replica="replica-1").set(0.25)
    seen = detail(reader.read(), 0.1)
    a, b = seen.pools
    assert (a.pool, a.wait.p95, a.hold.avg, a.connect.count, a.timeouts) == (
        "a", 0.2, 0.5, None, 0
    )  # fmt: skip
    assert (b.pool, b.timeouts, b.invalidations, b.wait.count) == ("b", 2, 0, None)
    assert [(each.replica, each.lag) for each in seen.replicas] == [("replica-1", 0.25)]
