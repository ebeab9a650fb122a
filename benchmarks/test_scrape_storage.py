"""What it costs to keep a snapshot, beside an ORM session that looks, adds and commits.

Both write accounts that are there already, one snapshot each of a day that is new, to SQLite files
in write-ahead logging.
"""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import Engine, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Session

from benchmarks.conftest import Peer
from hhs_perf.scrapers import Account, Figure, Outcome, Snapshot
from hhs_perf.scrapers.storage.sql import SqlSink
from hhs_perf.scrapers.storage.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.conftest import Bench

pytestmark = pytest.mark.usefixtures("frozen")

ROWS: Final = 200
ROUNDS: Final = 20
FIRST: Final = date(2020, 1, 1)
BOUND: Final = 0.05
TABLES: Final = Tables()
NOTE: Final = (
    "A batch of 200 snapshots with three figures each, in one transaction; the peer looks for the"
    " day's row, adds one and commits, an account at a time, as applications do without a batch."
)


class Base(DeclarativeBase):
    """What the peer's class is made from."""

    metadata = TABLES.metadata


class Row(Base):
    """A snapshot of the peer."""

    __table__ = TABLES.snapshot


def _outcomes(day: date) -> list[Outcome]:
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
    outcomes = []
    for number in range(ROWS):
        handle = f"account{number}"
        account = Account(platform="x", url=f"https://x.com/{handle}", organization="HHS")
        snapshot = Snapshot(
            account=account,
            platform="x",
            handle=handle,
            account_id=str(number),
            display_name=handle,
            taken_at=at,
            figures={
                "followers_count": Figure.ok(1000 + number),
                "following_count": Figure.ok(number),
                "posts_count": Figure.ok(10 * number),
            },
        )
        outcomes.append(
            Outcome(
                account=account, platform="x", handle=handle, status="success", snapshot=snapshot
            )
        )
    return outcomes


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", lambda held, _: held.execute("PRAGMA journal_mode=WAL"))
    return engine


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[SqlSink]:
    """Yield a sink that knows the accounts."""
    engine = _engine(tmp_path / "ours.db")
    sink = SqlSink(engine, tables=TABLES)
    sink.write(_outcomes(FIRST))
    yield sink
    engine.dispose()


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Engine]:
    """Yield the peer's engine, whose accounts are there as well."""
    engine = _engine(tmp_path / "theirs.db")
    SqlSink(engine, tables=TABLES).write(_outcomes(FIRST))
    yield engine
    engine.dispose()


def _by_session(engine: Engine, day: date) -> None:
    for number in range(ROWS):
        with Session(engine) as session:
            there = session.scalar(
                select(Row).where(
                    TABLES.snapshot.c.account_key == number + 1,
                    TABLES.snapshot.c.snapshot_date == day,
                )
            )
            if there is None:
                session.add(
                    Row(
                        account_key=number + 1,
                        snapshot_date=day,
                        followers_count=1000 + number,
                        following_count=number,
                        posts_count=10 * number,
                    )
                )
            session.commit()


def test_a_row(bench: Bench, ours: SqlSink, theirs: Engine) -> None:
    """A row costs a twentieth of what it costs in a session of its own."""
    days = [itertools.count(1), itertools.count(1)]
    prepared: list[list[Outcome]] = [[]]

    def next_batch() -> None:
        prepared[0] = _outcomes(FIRST + timedelta(days=next(days[0])))

    write: Callable[[], object] = lambda: ours.write(prepared[0])  # noqa: E731 - what is measured

    bench.compare(
        "scrapes: a snapshot kept in SQLite",
        write,
        {
            "session, select, add, commit": Peer(
                run=lambda: _by_session(theirs, FIRST + timedelta(days=next(days[1]))),
                bound=BOUND,
            )
        },
        unit="us",
        operations=ROWS,
        rounds=ROUNDS,
        prepare={"ours": next_batch},
        note=NOTE,
    )
