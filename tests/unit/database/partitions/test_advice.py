"""Advice on statements that read all partitions."""

from __future__ import annotations

import pytest

from hhs_perf.database.partitions import PartitionScan, partition_advice


def scan(*conditions: str, scanned: int = 48, total: int = 48) -> PartitionScan:
    return PartitionScan(
        table="fact", key=("ts", "platform"), scanned=scanned, total=total, conditions=conditions
    )


@pytest.mark.parametrize(
    "condition",
    [
        "(date(ts) = '2026-01-15'::date)",
        "((ts)::date = '2026-01-15'::date)",
        "(date_trunc('month'::text, f.ts) = '2026-01-01'::timestamp)",
        "(EXTRACT(year FROM ts) = '2026'::numeric)",
        "(to_char(ts, 'YYYY (MM)'::text) = '2026 (01)'::text)",
        "((ts + '1 day'::interval) > now())",
        "(COALESCE(ts, now()) > now())",
    ],
)
def test_what_hides_the_key_is_named(condition: str) -> None:
    advice = partition_advice(scan(condition, "(n = 3)"))
    assert advice is not None
    assert (advice.why, advice.column) == ("hidden", "ts")
    assert advice.expression in advice.text
    assert "ts >= :start AND ts < :start" in advice.text


@pytest.mark.parametrize("conditions", [(), ("(n = 3)",), ("(ts2 = 3)", "(its = 'ts'::text)")])
def test_a_key_that_no_condition_names_is_asked_for(conditions: tuple[str, ...]) -> None:
    advice = partition_advice(scan(*conditions))
    assert advice is not None
    assert (advice.why, advice.column, advice.expression) == ("absent", "ts", None)
    assert "no condition names ts or platform, so all 48 partitions of fact" in advice.text


@pytest.mark.parametrize(
    "held",
    [
        scan("(n = 3)", scanned=47),
        scan("(n = 3)", scanned=1, total=1),
        scan("(n = 3)", scanned=0, total=0),
        scan("(ts > '2001-01-01'::date)"),
        scan("((f.ts >= $1) AND (f.ts < $2))"),
        scan("((platform)::text = ANY ('{x,youtube}'::text[]))"),
        scan("(ts >= date_trunc('month'::text, now()))"),
    ],
)
def test_nothing_is_said_where_the_key_is_compared_or_partitions_are_left_out(
    held: PartitionScan,
) -> None:
    assert partition_advice(held) is None
