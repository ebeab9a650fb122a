"""Errors that are worth another try, and those that stay until somebody acts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from hhs_perf.exceptions import StorageError
from hhs_perf.scrapers import Account, recover, simulate_metrics
from hhs_perf.scrapers.storage.engines import engine_of
from hhs_perf.scrapers.storage.passing import can_pass
from hhs_perf.scrapers.storage.sql import SqlSink

ACCOUNTS = [Account(url="https://x.com/HHSGov")]


class StateError(Exception):
    """What drivers of PostgreSQL raise."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def chained(cause: Exception) -> StorageError:
    error = StorageError("no")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("42703", False),
        ("42P01", False),
        ("42501", False),
        ("22001", False),
        ("28P01", False),
        ("23502", False),
        ("23505", True),
        ("40P01", True),
        ("53300", True),
        ("55P03", True),
        ("57P01", True),
    ],
)
def test_states_of_postgresql_are_told_apart(state: str, expected: bool) -> None:
    """A missing column, a permission and bad data stay; a lock and a restart pass."""
    error = sa.exc.DBAPIError("INSERT", {}, StateError(state))
    assert can_pass(chained(error)) is expected


def test_a_permission_on_a_file_does_not_pass() -> None:
    """A full disk may."""
    assert not can_pass(chained(PermissionError(13, "Permission denied")))
    assert can_pass(chained(OSError(28, "No space left on device")))
    assert can_pass(StorageError("away"))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DROP TABLE fact_followers_snapshot", False),
        ("PRAGMA query_only=ON", False),
        (None, True),
    ],
)
def test_what_sqlite_says_is_told_apart(
    statement: str | None, expected: bool, tmp_path: Path
) -> None:
    """No table and no permission stay, a lock passes; the run keeps its figures in a file."""
    engine = sa.create_engine(
        f"sqlite:///{tmp_path / 'a.db'}", poolclass=sa.StaticPool, connect_args={"timeout": 0.01}
    )
    sink = SqlSink(engine)
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    if statement is None:
        holder.execute("BEGIN IMMEDIATE")
    else:
        with engine.begin() as connection:
            connection.execute(sa.text(statement))
    unsaved = tmp_path / "unsaved.jsonl"
    simulate_metrics(accounts=ACCOUNTS, to=unsaved, latency=0)
    with pytest.raises(StorageError) as caught:
        recover(unsaved, sink)
    assert can_pass(caught.value) is expected
    assert unsaved.exists()
    holder.close()
    engine.dispose()


@pytest.mark.parametrize(("query", "expected"), [("", 2000), ("?timeout=7", 7000)])
def test_sqlite_is_waited_for_shortly(query: str, expected: int, tmp_path: Path) -> None:
    """A run tries again itself; what the URL says wins."""
    engine = engine_of(f"sqlite:///{tmp_path / 'a.db'}{query}")
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA busy_timeout")).scalar_one() == expected
    engine.dispose()
