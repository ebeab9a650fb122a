"""What the demo shows of the database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hhs_perf.cli._console import console
from hhs_perf.cli._database_report import (
    fault_table,
    parts_for_json,
    query_table,
    read_database_report,
)
from hhs_perf.cli._report import ReplyError


def line(number: int) -> dict[str, object]:
    return {"file": str(Path.cwd() / "app" / "views.py"), "line": number, "function": "view"}


def slow(statement: str, seconds: float, number: int | None) -> dict[str, object]:
    return {
        "statement": statement,
        "seconds": seconds,
        "line": None if number is None else line(number),
    }


MIGRATION = 'op.create_index("ix_orders_user_id", "orders", ["user_id"])'
BODY = {
    "in_window": {
        "count": 1234,
        "p50": 0.001,
        "p95": 0.02,
        "p99": None,
        "errors": 2,
        "slow": None,
        "rows": 5678,
    },
    "n_plus_one": [
        {
            "about": "User.orders",
            "advice": "selectinload(User.orders)",
            "line": line(7),
            "most": 40,
            "times": 3,
        }
    ],
    "slow_latest": [
        slow("SELECT orders 1", 0.2, 9),
        slow("SELECT orders 1", 0.5, 9),
        slow("SELECT users 2", 0.3, None),
        slow("SELECT users 3", 0.11, 3),
        slow("SELECT users 4", 0.12, 4),
    ],
    "indexes": [
        {
            "advice": [
                {
                    "table": "orders",
                    "columns": ["user_id"],
                    "line": line(9),
                    "gain": 31.4,
                    "migration": MIGRATION,
                }
            ]
        }
    ],
    "advice": [{"rule": "n-plus-one"}],
}


def shown(
    table: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    monkeypatch.setenv("COLUMNS", "160")
    console().print(table)
    return capsys.readouterr().out


def test_queries_are_counted_and_what_is_not_known_is_a_dash(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = read_database_report(json.dumps(BODY).encode())
    last = shown(query_table(report), capsys, monkeypatch).splitlines()[-1]
    assert last.split() == ["1,234", "1", "ms", "20", "ms", "–", "–", "2", "5,678"]


def test_every_fault_has_its_line_and_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of slow queries the slowest execution of the three slowest statements."""
    report = read_database_report(json.dumps(BODY).encode())
    rows = shown(fault_table(report), capsys, monkeypatch).splitlines()[3:]
    assert [" ".join(row.split()) for row in rows] == [
        "N+1, 40 queries a time app/views.py:7 use selectinload(User.orders)",
        "slow query, up to 500 ms app/views.py:9 see the plan of SELECT orders 1",
        "slow query, up to 300 ms – see the plan of SELECT users 2",
        "slow query, up to 120 ms app/views.py:4 see the plan of SELECT users 4",
        f"missing index, 31 times faster with it app/views.py:9 {MIGRATION}",
    ]


def test_the_json_holds_the_findings() -> None:
    parts = parts_for_json(json.dumps(BODY).encode())
    assert parts == {name: BODY[name] for name in ("n_plus_one", "indexes", "advice")}


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_something_else_is_refused(body: bytes) -> None:
    with pytest.raises(ReplyError):
        read_database_report(body)
