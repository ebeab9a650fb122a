"""Advice: each rule from its threshold on, and none where the figures are thin."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import pytest

from hhs_perf.advice import Advice
from hhs_perf.advice import database_advice as advise
from hhs_perf.database.indexes.report import IndexAdvice, IndexReport, IndexWaste
from hhs_perf.database.lines import Line
from hhs_perf.database.partitions.advice import PartitionAdvice
from hhs_perf.database.pools.report import Holder, PoolReport, Spent
from hhs_perf.database.pools.sizing import PoolLoad
from hhs_perf.database.pools.sizing import advise as advise_size
from hhs_perf.database.replicas.report import ReplicaReport, ReplicaState
from hhs_perf.database.report import (
    DatabaseReport,
    DatabaseTotals,
    EngineReport,
    LineCount,
    LookReport,
    NPlusOneReport,
    PoolSizing,
    RouteCount,
    StatementReport,
)

AT = "2026-11-24T12:00:00.000Z"
LINE = Line(file="shop/views.py", line=7, function="people")
DAY = 86_400.0


def statement(**changed: Any) -> StatementReport:
    base: dict[str, Any] = {
        "statement": "SELECT person 1",
        "sql": "SELECT * FROM person",
        "operation": "SELECT",
        "tables": ("person",),
        "count": 100,
        "executed": 100,
        "total": 10.0,
        "share": 1.0,
        "avg": 0.1,
        "slowest": 0.5,
        "execute_seconds": 9.0,
        "fetch_seconds": 1.0,
        "rows": 100,
        "most_rows": 1,
        "streamed": False,
        "errors": 0,
        "slow": 0,
        "first_seen": AT,
        "last_seen": AT,
        "lines": (LineCount(line=LINE, count=3),),
        "routes": (RouteCount(route="/people", count=100),),
    }
    return StatementReport(**(base | changed))


def totals(*statements: StatementReport, **changed: Any) -> DatabaseTotals:
    base: dict[str, Any] = {
        "since": AT,
        "statements_seen": len(statements),
        "queries": sum(each.count for each in statements),
        "executed": sum(each.executed for each in statements),
        "errors": 0,
        "slow": 0,
        "execute_seconds": sum(each.execute_seconds for each in statements),
        "fetch_seconds": sum(each.fetch_seconds for each in statements),
        "rows": 0,
        "statements": statements,
    }
    return DatabaseTotals(**(base | changed))


def report(**changed: Any) -> DatabaseReport:
    base: dict[str, Any] = {
        "uptime": DAY,
        "sees_all": True,
        "detail": "full",
        "limits": (),
        "engines": (),
        "since_start": totals(),
        "slow_latest": (),
        "n_plus_one": (),
        "pools": (),
        "pool_sizing": (),
        "replicas": (),
        "look": LookReport(looked_at=None, seconds=None, proves=False, notes=()),
        "indexes": (),
        "partitions": (),
    }
    return DatabaseReport(**(base | changed))


def pool(**changed: Any) -> PoolReport:
    base: dict[str, Any] = dict.fromkeys(field.name for field in attrs.fields(PoolReport))
    base |= {
        "name": "postgresql://db/shop",
        "kind": "QueuePool",
        "timed_by": "pool",
        "size": 10,
        "max_overflow": 20,
        "capacity": 30,
        "in_use": 1,
        "most_in_use": 30,
        "checkouts": 100_000,
        "timeouts": 0,
        "hold": Spent(count=1, total=1.0, mean=1.0, longest=1.0),
        "holders": (),
    }
    return PoolReport(**(base | changed))


def sizing(wait: float, checkouts: int = 1000, rate: float = 29.0) -> PoolSizing:
    load = PoolLoad(rate=rate, hold=1.0, capacity=30, wait=wait)
    return PoolSizing(pool="postgresql://db/shop", checkouts=checkouts, sizing=advise_size(load))


def only(found: tuple[Advice, ...], rule: str) -> Advice:
    assert [each.rule for each in found] == [rule]
    return found[0]


def figures(advice: Advice) -> dict[str, float]:
    return {each.figure: each.value for each in advice.evidence}


def test_nothing_seen_is_no_advice() -> None:
    assert advise(report(uptime=0.0)) == advise(report()) == ()


@pytest.mark.parametrize(("slow", "given"), [(2, 0), (3, 1)])
def test_a_statement_is_to_be_reviewed_when_it_was_slow_three_times(slow: int, given: int) -> None:
    found = advise(report(since_start=totals(statement(slow=slow))))
    assert len(found) == given
    if given:
        advice = only(found, "slow-statement")
        assert "shop/views.py:7" in advice.text
        assert (advice.line, figures(advice)["slow"]) == (LINE, 3)


def test_a_statement_that_mostly_fetches_is_told_so() -> None:
    seen = statement(slow=3, execute_seconds=1.0, fetch_seconds=9.0)
    assert "fetching rows" in only(advise(report(since_start=totals(seen))), "slow-statement").text


@pytest.mark.parametrize(
    ("changed", "given"),
    [
        ({"most_rows": 1000}, 0),
        ({"most_rows": 1001}, 1),
        ({"most_rows": 1001, "streamed": True}, 0),
        ({"most_rows": 1001, "routes": ()}, 0),
        ({"most_rows": 1001, "routes": (RouteCount(route="nightly", count=1),)}, 0),
        ({"most_rows": 1001, "operation": "UPDATE"}, 0),
    ],
)
def test_more_than_a_thousand_rows_on_the_path_of_a_request_want_pages(
    changed: dict[str, Any], given: int
) -> None:
    found = advise(report(since_start=totals(statement(**changed))))
    assert [each.rule for each in found] == ["pagination"] * given


@pytest.mark.parametrize(("queries", "given"), [(9, 0), (10, 1)])
def test_n_plus_one_is_advised_from_ten_queries_on(queries: int, given: int) -> None:
    found = NPlusOneReport(
        kind="lazy",
        statement="SELECT ordered 1",
        sql="SELECT 1",
        about="Person.orders",
        advice="selectinload(Person.orders)",
        line=LINE,
        times=1,
        queries=queries,
        most=queries,
        seconds=0.1,
        first_at=AT,
        last_at=AT,
        routes=(),
    )
    told = advise(report(n_plus_one=(found,)))
    assert len(told) == given
    if given:
        advice = only(told, "n-plus-one")
        assert advice.setting == "selectinload(Person.orders)"
        assert advice.line == LINE


def test_missing_and_needless_indexes_carry_their_lines_to_copy() -> None:
    missing = IndexAdvice(
        table="person",
        columns=("name",),
        kind="query",
        name="ix_person_name",
        reason="the plan reads all rows",
        gain=12.0,
        migration='op.create_index("ix_person_name", "person", ["name"])',
        sql="CREATE INDEX",
    )
    waste = IndexWaste(
        table="person",
        name="old",
        kind="unused",
        scans=0,
        counted_for=864_000.0,
        reason="no reader",
        sql="DROP INDEX old",
    )
    found = advise(report(indexes=(IndexReport(database="d", advice=(missing,), waste=(waste,)),)))
    assert [each.rule for each in found] == ["missing-index", "needless-index"]
    assert found[0].setting == missing.migration
    assert "12 times cheaper" in found[0].text
    assert figures(found[0])["gain"] == 12.0
    assert found[1].setting == "DROP INDEX old"
    assert figures(found[1]) == {"reads": 0, "counted for": 864_000.0}


@pytest.mark.parametrize(
    ("wait", "checkouts", "rate", "given"),
    [
        (0.2, 1000, 29.0, 1),
        (0.005, 1000, 29.0, 0),
        (0.2, 199, 29.0, 0),
        (0.2, 1000, 5.0, 0),
    ],
)
def test_a_pool_is_too_small_when_callers_wait_and_more_connections_help(
    wait: float, checkouts: int, rate: float, given: int
) -> None:
    """At five a second only five of 30 are busy: what callers wait for is something else."""
    found = advise(report(pool_sizing=(sizing(wait, checkouts, rate),)))
    assert len(found) == given
    if given:
        advice = only(found, "pool-size")
        seen = figures(advice)
        assert seen["mean wait"] == 0.2
        assert seen["capacity"] == 30
        assert seen["wait at × 2"] < 0.005
        assert "wait at × 0.5" not in seen  # it grows without bound
        assert "grows without bound" in advice.text


@pytest.mark.parametrize(
    ("changed", "given"),
    [
        ({"most_in_use": 5}, 1),
        ({"most_in_use": 10}, 0),
        ({"most_in_use": 5, "checkouts": 9_999}, 0),
        ({"most_in_use": 5, "timeouts": 1}, 0),
        ({"most_in_use": None}, 0),
        ({"most_in_use": 5, "capacity": None}, 0),
    ],
)
def test_a_pool_is_too_large_when_half_of_it_was_never_in_use(
    changed: dict[str, Any], given: int
) -> None:
    found = advise(report(pools=(pool(**changed),)))
    assert [each for each in found if each.rule == "pool-size"] == list(found)[-given:] * bool(
        given
    )


def test_time_outs_come_first() -> None:
    seen = report(pools=(pool(timeouts=2),), since_start=totals(statement(slow=5)))
    found = advise(seen)
    assert [each.rule for each in found] == ["pool-timeout", "slow-statement"]
    assert figures(found[0])["timeouts"] == 2


def test_a_connection_held_too_long_is_told_with_its_line() -> None:
    holder = Holder(
        since=0.0, line=LINE, line_seen="checkout", now=None, route=None, thread="t", task=None
    )
    advice = only(advise(report(pools=(pool(holders=(holder,)),))), "held-connection")
    assert advice.line == LINE


def router(state: Any) -> ReplicaReport:
    replica = ReplicaState(
        name="replica-1",
        address="postgresql://replica/shop",
        state=state,
        lag=3.0,
        replay_lsn=None,
        since=0.0,
        last_error=None,
        note=None,
        transactions=5,
        probes=9,
        probe_p50=0.001,
    )
    return ReplicaReport(
        enabled=True,
        note=None,
        primary="postgresql://primary/shop",
        max_lag=1.0,
        stick_for=2.0,
        probe_every=1.0,
        primary_transactions=1,
        replica_transactions=5,
        replicas=(replica,),
        fallbacks=(),
    )


@pytest.mark.parametrize(
    ("state", "given"),
    [("healthy", 0), ("unknown", 0), ("lagging", 1), ("down", 1), ("promoted", 1)],
)
def test_a_replica_that_cannot_be_read_is_told(state: str, given: int) -> None:
    found = advise(report(replicas=(router(state),)))
    assert [each.rule for each in found] == ["replica"] * given


def server(dialect: str = "postgresql") -> EngineReport:
    return EngineReport(name="db", dialect=dialect, driver="x", is_async=False, role="other")


@pytest.mark.parametrize(
    ("dialect", "operation", "count", "uptime", "given"),
    [
        ("postgresql", "SELECT", 10_000, 1000.0, 1),
        ("sqlite", "SELECT", 10_000, 1000.0, 0),
        ("postgresql", "UPDATE", 10_000, 1000.0, 0),
        ("postgresql", "SELECT", 9_999, 1000.0, 0),
        ("postgresql", "SELECT", 10_000, 3000.0, 0),
    ],
)
def test_a_primary_busy_with_reads_wants_a_replica(
    dialect: str, operation: str, count: int, uptime: float, given: int
) -> None:
    seen = statement(
        operation=operation, count=count, total=1000.0, execute_seconds=1000.0, fetch_seconds=0.0
    )
    figures = {"engines": (server(dialect),), "since_start": totals(seen), "uptime": uptime}
    found = advise(report(**figures))
    assert [each.rule for each in found] == ["read-replica"] * given
    assert advise(report(**figures, replicas=(router("healthy"),))) == ()


def test_a_statement_that_reads_all_partitions_is_told() -> None:
    each = PartitionAdvice(
        table="fact",
        column="day",
        why="absent",
        expression=None,
        scanned=48,
        total=48,
        text="no condition names day",
    )
    advice = only(advise(report(partitions=(each,))), "partition-pruning")
    assert advice.text == "No condition names day."


def test_there_are_fifty_at_most() -> None:
    many = [statement(slow=9, statement=f"SELECT {n}") for n in range(80)]
    found = advise(report(since_start=totals(*many)))
    assert Counter(each.rule for each in found) == {"slow-statement": 50}
