"""The report: what was seen, when it was looked at, and that no value stands in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hhs_perf.database.reporting import profiles_of, state_of
from hhs_perf.testing import FakeClock
from tests.database_rig import SECRET, Rig


@pytest.fixture
def rig(clock: FakeClock, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def developing(clock: FakeClock, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, clock, ENABLE_QUERY_PROFILING="true")
    yield made
    made.close()


def test_a_statement_is_told_with_times_rows_line_and_route(rig: Rig) -> None:
    with rig.database.scope("/slow"):
        rig.slow(0.5)
        rig.slow(0.25)
    report = rig.database.report()
    [statement] = report.since_start.statements
    assert statement.sql == "SELECT wait(?), ?"
    assert (statement.count, statement.executed, statement.errors, statement.slow) == (2, 2, 0, 2)
    assert statement.total == pytest.approx(0.75)
    assert statement.total == pytest.approx(statement.execute_seconds + statement.fetch_seconds)
    assert statement.slowest == pytest.approx(0.5)
    assert (statement.share, statement.rows, statement.most_rows) == (1.0, 2, 1)
    assert [(each.route, each.count) for each in statement.routes] == [("/slow", 2)]
    [line] = statement.lines
    assert line.line.file.endswith("tests/database_rig.py")
    assert (line.line.function, line.count) == ("Rig.slow", 2)


def test_slow_executions_come_newest_first_and_name_their_scope(rig: Rig) -> None:
    for route, seconds in (("/a", 0.2), ("/b", 0.4), ("/c", 0.05)):
        with rig.database.scope(route):
            rig.slow(seconds)
    slow = rig.database.report().slow_latest
    assert [(each.route, each.seconds) for each in slow] == [
        ("/b", pytest.approx(0.4)),
        ("/a", pytest.approx(0.2)),
    ]
    assert all(each.plan is None and each.rows == 1 and not each.failed for each in slow)


def test_errors_are_counted_and_their_text_is_nowhere(rig: Rig) -> None:
    rig.fail()
    report = rig.database.report()
    assert (report.since_start.queries, report.since_start.errors) == (1, 1)
    assert SECRET not in repr(report)


def test_no_value_of_the_host_stands_in_the_report_or_the_profile(developing: Rig) -> None:
    with developing.database.scope("/all"):
        developing.slow()
        developing.fail()
        developing.n_plus_one()
    developing.database.look_closer()
    shown = (developing.database.report(), profiles_of(developing.database))
    for each in shown:
        assert SECRET not in msgspec.json.encode(each).decode()
        assert SECRET not in repr(each)


def test_n_plus_one_is_told_with_its_way_out(rig: Rig) -> None:
    for _ in range(2):
        with rig.database.scope("/people"):
            assert rig.n_plus_one() == 20
    [found] = rig.database.report().n_plus_one
    assert (found.kind, found.about) == ("lazy", "Person.orders")
    assert found.advice == "selectinload(Person.orders)"
    assert (found.times, found.queries, found.most) == (2, 40, 20)
    assert found.line is not None
    assert found.line.file.endswith("tests/database_rig.py")
    assert [(each.route, each.count) for each in found.routes] == [("/people", 2)]


def test_before_the_first_look_there_is_none_and_the_report_says_so(rig: Rig) -> None:
    rig.slow()
    report = rig.database.report()
    assert report.look.looked_at is None
    assert report.indexes == report.partitions == ()
    rig.database.look_closer()
    after = rig.database.report()
    assert after.look.looked_at is not None
    assert not after.look.proves
    [indexes] = after.indexes
    assert [each.table for each in indexes.advice] == ["visit"]
    assert any("ordered" in note for note in indexes.notes)  # too few rows to need its index


def test_plans_are_kept_in_development_alone(rig: Rig, developing: Rig) -> None:
    for each in (rig, developing):
        each.slow()
        each.database.look_closer()
    assert rig.database.report().slow_latest[0].plan is None
    plan = developing.database.report().slow_latest[0].plan
    assert plan is not None
    assert (plan.text is None) != (plan.reason is None)


def test_a_look_sends_nothing_that_is_counted(developing: Rig) -> None:
    developing.slow()
    before = developing.database.report().since_start
    developing.database.look_closer()
    assert developing.database.report().since_start == before


def test_engines_and_limits_are_told(rig: Rig) -> None:
    report = rig.database.report()
    [engine] = report.engines
    assert (engine.dialect, engine.driver, engine.is_async) == ("sqlite", "pysqlite", False)
    assert (report.detail, report.sees_all, report.limits) == ("full", False, ())
    [pool] = report.pools
    assert pool.name == engine.name


def test_the_state_changes_with_the_report_alone(rig: Rig) -> None:
    first = state_of(rig.database)
    assert state_of(rig.database) == first
    with rig.database.scope("/slow"):
        rig.slow()
    second = state_of(rig.database)
    assert second != first
    rig.database.look_closer()
    assert state_of(rig.database) != second


def test_a_profile_tells_duplicates_and_offsets(developing: Rig) -> None:
    with developing.database.scope("/twice"):
        developing.slow(0.5)
        developing.slow(0.5)
        developing.slow(0.25)
    [profile] = profiles_of(developing.database)
    assert (profile.route, profile.method, profile.count, profile.duplicates) == (
        "/twice", None, 3, 1
    )  # fmt: skip
    assert [each.duplicate_of for each in profile.queries] == [None, 0, None]
    assert [each.offset for each in profile.queries] == pytest.approx([0.0, 0.5, 1.0])
    assert profile.query_seconds == pytest.approx(1.25)
    assert profile.seconds == pytest.approx(1.25)


def test_without_profiling_there_are_no_profiles(rig: Rig) -> None:
    with rig.database.scope("/slow"):
        rig.slow()
    assert profiles_of(rig.database) == ()
