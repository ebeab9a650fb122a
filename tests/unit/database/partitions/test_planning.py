"""Plans, made from what is there without a server."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf.database.partitions import ByList, ByMonth, PartitionPlan, PartitionSpec
from hhs_perf.database.partitions.planning import plan_from
from hhs_perf.database.partitions.state import Partition, PartitionedTable, TableFacts
from hhs_perf.exceptions import DatabaseError

NOON = dt.datetime(2026, 12, 31, 12, tzinfo=dt.UTC)


def table(*partitions: Partition, kind: str = "date", **facts: Any) -> PartitionedTable:
    held = TableFacts(types={"ts": kind, "p": "text"}, stored=("ts", "p"), **facts)
    return PartitionedTable(
        name="t", schema="s", strategy="range", key=("ts",), partitions=partitions, facts=held
    )


def month(name: str, low: str, high: str, **more: Any) -> Partition:
    return Partition(
        name=name, schema="s", bound=f"FOR VALUES FROM ('{low}') TO ('{high}')", **more
    )


def plan(held: PartitionedTable, *, now: dt.datetime = NOON, **spec: Any) -> PartitionPlan:
    level = ByMonth(column="ts", timezone=spec.pop("timezone", "UTC"))
    counts = spec.pop("counts", {})
    wanted = PartitionSpec(table="t", **({"by": [level]} | spec))
    return plan_from(held, wanted, now, lambda _, where: counts.get(where, 0))


def created(made: PartitionPlan) -> list[str]:
    return [step.partition for step in made.steps if step.kind == "create"]


def test_months_cross_the_year() -> None:
    assert created(plan(table(), ahead=2)) == ["t_2026_12", "t_2027_01", "t_2027_02"]


@pytest.mark.parametrize(
    ("zone", "first"), [("UTC", "t_2026_12"), ("Pacific/Auckland", "t_2027_01")]
)
def test_the_present_month_is_that_of_the_time_zone(zone: str, first: str) -> None:
    made = plan(table(kind="timestamp with time zone"), timezone=zone, ahead=0)
    assert created(made) == [first]


def test_a_time_zone_moves_the_bounds_of_an_instant_and_not_those_of_a_day() -> None:
    zone = "America/New_York"
    instants = plan(table(kind="timestamp with time zone"), timezone=zone, ahead=0)
    days = plan(table(), timezone=zone, ahead=0)
    assert "('2026-12-01 05:00:00+00') TO ('2027-01-01 05:00:00+00')" in instants.steps[-1].sql
    assert "('2026-12-01') TO ('2027-01-01')" in days.steps[-1].sql


@given(st.integers(0, 30), st.integers(0, 30))
def test_what_was_planned_once_is_not_planned_again(back: int, ahead: int) -> None:
    first = plan(table(), ahead=ahead, since="2024-06") if back else plan(table(), ahead=ahead)
    held = [
        Partition(
            name=step.partition, schema="s", bound=step.sql.partition(step.partition + " ")[2]
        )
        for step in first.steps
        if step.kind == "attach"
    ]
    assert plan(table(*held), ahead=ahead).steps == ()


def test_months_that_stay_bound_those_that_are_created() -> None:
    assert created(plan(table(), since="2020-01", keep=1, ahead=0)) == ["t_2026_11", "t_2026_12"]


def test_nothing_is_detached_without_being_asked_for() -> None:
    old = month("old", "2001-01-01", "2001-02-01")
    assert {step.kind for step in plan(table(old)).steps} == {"lock", "create", "attach"}


def test_a_month_stays_until_all_of_it_is_past() -> None:
    held = [
        month("a", "2026-10-01", "2026-11-01"),
        month("b", "2026-11-01", "2026-12-01"),
        month("c", "2026-12-01", "2027-01-01"),
    ]
    made = plan(table(*held), keep=1, ahead=0)
    assert [(step.kind, step.partition, step.alone) for step in made.steps] == [
        ("detach", "a", True)
    ]
    assert made.script().endswith("ALTER TABLE s.t DETACH PARTITION s.a CONCURRENTLY;\n")


@pytest.mark.parametrize(
    ("facts", "spec"), [({"version": (13, 4)}, {}), ({}, {"concurrently": False})]
)
def test_detaching_is_part_of_the_transaction_where_it_must_be(
    facts: dict[str, Any], spec: dict[str, Any]
) -> None:
    made = plan(table(month("a", "2026-10-01", "2026-11-01"), **facts), keep=0, ahead=0, **spec)
    assert [step.kind for step in made.together] == ["lock", "detach", "create", "attach"]
    assert made.alone == ()


def test_a_script_names_what_was_seen_first_and_drops_nothing() -> None:
    made = plan(table(month("a", "2026-10-01", "2026-11-01")), keep=0, ahead=0)
    first, _, rest = made.script().partition("\n")
    assert first == "-- detached: to remove the rows of a for good: DROP TABLE s.a;"
    assert rest.startswith("BEGIN;\n-- let one plan")
    assert not any(line.startswith("DROP") for line in rest.splitlines())


def test_the_rows_of_a_month_that_none_of_its_lists_takes_block_it() -> None:
    default = Partition(name="d", schema="s", bound="DEFAULT")
    within = "ts >= '2026-12-01' AND ts < '2027-01-01'"
    by = [ByMonth(column="ts"), ByList(column="p", values=["a"], default=False)]
    made = plan(table(default), by=by, ahead=0, counts={within: 5, f"{within} AND p = 'a'": 3})
    [notice] = made.notices
    assert (notice.kind, notice.partition) == ("blocked", "d")
    assert "2 of them match none" in notice.text
    assert made.steps == ()


def test_a_comment_stays_a_comment_whatever_a_value_holds() -> None:
    by = [ByMonth(column="ts"), ByList(column="p", values=["a\nDROP TABLE t; --"])]
    comments = [
        line for line in plan(table(), by=by, ahead=0).script().splitlines() if "rows of" in line
    ]
    assert comments
    assert all(line.startswith("-- ") for line in comments)


@pytest.mark.parametrize(
    "spec",
    [
        {"by": []},
        {"by": [ByMonth(column="ts"), ByMonth(column="p")]},
        {"ahead": -1},
        {"keep": -1},
        {"keep": 10**9},
        {"since": "2026-13"},
        {"table": ""},
    ],
)
def test_a_specification_that_makes_no_sense_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        PartitionSpec(**({"table": "t", "by": [ByMonth(column="ts")]} | spec))


@pytest.mark.parametrize("values", [[], ["a", "a"], ["a\0b"]])
def test_a_list_of_values_that_makes_no_sense_is_refused(values: list[str]) -> None:
    with pytest.raises(ValueError):
        ByList(column="p", values=values)


def test_values_are_not_the_letters_of_a_text() -> None:
    with pytest.raises(TypeError):
        ByList(column="p", values="abc")


def test_an_unknown_time_zone_is_refused_when_it_is_named() -> None:
    with pytest.raises(ValueError, match="no time zone is called 'Nowhere'"):
        ByMonth(column="ts", timezone="Nowhere")


def test_a_table_partitioned_otherwise_is_refused() -> None:
    with pytest.raises(DatabaseError, match=r"by range \(ts\), not by list \(p\)"):
        plan(table(), by=[ByList(column="p", values=["a"])])
