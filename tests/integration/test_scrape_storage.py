"""Snapshots in SQLite and PostgreSQL: whole batches, several writers, tables of a host, outages."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import attrs
import pytest
import sqlalchemy as sa

from hhs_perf.exceptions import StorageError
from hhs_perf.scrapers import (
    Account,
    Figure,
    Outcome,
    Snapshot,
    open_sink,
    queries,
    read_accounts,
    simulate_metrics,
)
from hhs_perf.scrapers.storage import sql
from hhs_perf.scrapers.storage.passing import can_pass
from hhs_perf.scrapers.storage.sql import SqlSink
from hhs_perf.scrapers.storage.tables import Tables
from hhs_perf.scrapers.values import HIDDEN
from tests.postgres import Database, Postgres
from tests.servers import wait_until

DAY = date(2023, 11, 15)
NOON = 1_700_049_600.0


def outcome(handle: str, at: float = NOON, **figures: Figure) -> Outcome:
    account = Account(platform="X", url=f"https://x.com/{handle}", organization="HHS")
    snapshot = Snapshot(
        account=account,
        platform="x",
        handle=handle,
        account_id=f"id-{handle}",
        display_name=handle.upper(),
        taken_at=at,
        figures=figures or {"followers_count": Figure.ok(12)},
    )
    return Outcome(
        account=account, platform="x", handle=handle, status="success", snapshot=snapshot, at=at
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'a.db'}"
    return request.getfixturevalue("pg_database").url("psycopg")


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(url)
    yield made
    made.dispose()


def count(engine: sa.Engine, table: str = "fact_followers_snapshot") -> int:
    with engine.connect() as connection:
        return connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()


def test_a_day_is_written_once_and_its_figures_are_the_newest(engine: sa.Engine) -> None:
    sink = SqlSink(engine)
    sink.write([outcome("a", followers_count=Figure.rounded(2**40, 100), likes_count=HIDDEN)])
    sink.write([outcome("a", NOON + 9, followers_count=HIDDEN, likes_count=Figure.ok(3))])
    sink.write([outcome("a", NOON + 8, likes_count=Figure.ok(1), posts_count=Figure.ok(0))])
    found = queries.history(engine, 1)
    assert found is not None
    [day] = found.days
    assert (day.day, dict(day.figures)) == (
        DAY,
        {
            "followers_count": Figure.rounded(2**40, 100),
            "likes_count": Figure.ok(3),
            "posts_count": Figure.ok(0),
        },
    )
    assert count(engine, "fact_figure_status") == 1
    assert (sink.done_on(DAY), sink.account_ids()) == ({("x", "a")}, {("x", "a"): "id-a"})


def test_questions_are_answered_alike_by_both_databases(engine: sa.Engine) -> None:
    sink = SqlSink(engine)
    a_day = 86_400
    for back in (9, 1, 0):
        followers = Figure.ok(100 - back)
        sink.write([outcome("a", NOON - back * a_day, followers_count=followers)])
    sink.write([outcome("b", NOON - 9 * a_day)])
    found = queries.summary(engine)
    assert (found.day, found.accounts, found.followers) == (DAY, 2, 100)
    assert queries.summary(engine, lookback=9).followers == 112
    assert [each.account.handle for each in queries.top_accounts(engine)] == ["a"]
    [growth] = queries.growth(engine, days=8)
    assert (growth.gained, growth.days) == (1, 1)
    assert [each.handle for each in read_accounts(engine)] == ["a", "b"]


def test_a_batch_is_all_or_nothing(engine: sa.Engine) -> None:
    sink = SqlSink(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE fact_figure_status"))
    with pytest.raises(StorageError) as caught:
        sink.write([outcome("a"), outcome("b", followers_count=HIDDEN)])
    assert not can_pass(caught.value)
    assert (count(engine), count(engine, "dim_account")) == (0, 0)
    again = SqlSink(engine)
    again.write([outcome("a"), outcome("b", followers_count=HIDDEN)])
    assert count(engine) == 2


def test_more_than_one_statement_holds_are_written(engine: sa.Engine) -> None:
    SqlSink(engine).write([outcome(f"a{n}") for n in range(1201)])
    assert (count(engine), count(engine, "dim_account")) == (1201, 1201)


def persist(sink: SqlSink, batch: list[Outcome]) -> None:
    """Try again, as a run does."""
    for _ in range(19):
        try:
            return sink.write(batch)
        except StorageError:
            continue
    return sink.write(batch)


def test_writers_at_the_same_time_make_no_row_twice(url: str) -> None:
    """Four of them, each with tables to make and the same accounts in another order."""
    batch = [outcome(f"a{n}") for n in range(60)]
    errors: list[BaseException] = []

    def write(turn: int) -> None:
        try:
            sink = SqlSink(url, attempts=20)
            for start in range(0, 60, 20):
                begin = (start + 20 * turn) % 60
                persist(sink, list(reversed(batch[begin : begin + 20])))
            sink.close()
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=write, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    engine = sa.create_engine(url)
    assert (count(engine), count(engine, "dim_account")) == (60, 60)
    engine.dispose()


def host_tables(engine: sa.Engine, *, unique: str = "UNIQUE (account_key, snapshot_date)") -> None:
    """Tables as an application made them: fewer figures, short columns, its own spellings."""
    key = "INTEGER PRIMARY KEY" if engine.dialect.name == "sqlite" else "SERIAL PRIMARY KEY"
    with engine.begin() as connection:
        for statement in (
            (
                f"CREATE TABLE dim_account (account_key {key}, platform VARCHAR(20) NOT NULL,"
                " handle VARCHAR(60) NOT NULL, account_id TEXT, account_display_name VARCHAR(8),"
                " account_url VARCHAR(200), org_name VARCHAR(100) NOT NULL,"
                " is_core_account BOOLEAN NOT NULL, is_active BOOLEAN NOT NULL)"
            ),
            (
                f"CREATE TABLE fact_followers_snapshot (snapshot_id {key}, account_key INT,"
                f" snapshot_date DATE NOT NULL, followers_count BIGINT, note TEXT, {unique})"
            ),
            (
                "INSERT INTO dim_account VALUES (7, 'X', 'HHSGov', NULL, NULL, 'https://x.com/hhsgov',"
                " 'Health', true, true)"
            ),
        ):
            connection.execute(sa.text(statement))


def test_the_accounts_and_tables_of_a_host_are_used_as_they_are(engine: sa.Engine) -> None:
    host_tables(engine)
    sink = SqlSink(engine)
    named = outcome("hhsgov", followers_count=Figure.ok(5), views_count=Figure.ok(6))
    for _ in range(2):
        sink.write([named])
    with engine.connect() as connection:
        [account] = connection.execute(sa.text("SELECT * FROM dim_account")).all()
        [snapshot] = connection.execute(
            sa.text("SELECT account_key, followers_count FROM fact_followers_snapshot")
        ).all()
    assert tuple(account)[:6] == (7, "X", "HHSGov", "id-hhsgov", "HHSGOV", "https://x.com/hhsgov")
    assert tuple(account)[6:] == ("HHS", True, True)
    assert tuple(snapshot) == (7, 5)
    assert sink.account_ids()["x", "hhsgov"] == "id-hhsgov"
    assert ("x", "hhsgov") in sink.done_on(DAY)


def test_platforms_that_share_an_address_keep_their_figures_apart(engine: sa.Engine) -> None:
    """Such as a server that speaks two protocols."""
    sink = SqlSink(engine)
    first = outcome("a", followers_count=Figure.ok(5))
    assert first.snapshot is not None
    other = attrs.evolve(first.snapshot, platform="y", account_id="y-a")
    second = attrs.evolve(first, platform="y", snapshot=other)
    for _ in range(2):
        sink.write([first])
        sink.write([second])
    assert (count(engine, "dim_account"), count(engine)) == (2, 2)
    assert sink.account_ids() == {("x", "a"): "id-a", ("y", "a"): "y-a"}


def test_a_host_may_call_a_platform_as_its_list_does(engine: sa.Engine) -> None:
    """A row of `Twitter` is that of a listed `twitter`, though the platform is `x` by now."""
    host_tables(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE dim_account SET platform = 'Twitter'"))
    named = outcome("hhsgov")
    assert named.snapshot is not None
    account = attrs.evolve(named.account, platform="twitter")
    listed = attrs.evolve(named.snapshot, account=account)
    SqlSink(engine).write([attrs.evolve(named, account=account, snapshot=listed)])
    assert count(engine, "dim_account") == 1


def test_a_name_longer_than_the_hosts_column_is_cut(engine: sa.Engine) -> None:
    if engine.dialect.name == "postgresql":
        host_tables(engine)
    sink = SqlSink(engine)
    long = outcome("a" * 60)
    sink.write([long])
    sink.write([attrs.evolve(long, snapshot=attrs.evolve(long.snapshot, display_name="ü" * 9999))])
    with engine.connect() as connection:
        names = connection.execute(
            sa.text("SELECT max(length(account_display_name)) FROM dim_account")
        ).scalar_one()
    assert names == (8 if engine.dialect.name == "postgresql" else 1000)


def test_a_table_that_would_hold_a_day_twice_is_refused(engine: sa.Engine) -> None:
    host_tables(engine, unique="CHECK (account_key > 0)")
    with pytest.raises(StorageError, match="needs UNIQUE"):
        SqlSink(engine)


def test_tables_may_be_called_otherwise(engine: sa.Engine) -> None:
    tables = Tables(accounts="profiles", snapshots="daily", figures="daily_status")
    sink = SqlSink(engine, tables=tables)
    sink.write([outcome("a", followers_count=HIDDEN)])
    assert count(engine, "daily_status") == 1
    assert queries.summary(engine, tables=tables).accounts == 1
    assert read_accounts(engine, tables=tables)[0].account_id == "id-a"
    with pytest.raises(StorageError, match="has no table"):
        SqlSink(engine, create=False)


def test_an_account_that_changes_its_handle_keeps_its_row(engine: sa.Engine) -> None:
    sink = SqlSink(engine)
    sink.write([outcome("before")])
    renamed = outcome("after", NOON + 86_400)
    renamed = attrs.evolve(renamed, snapshot=attrs.evolve(renamed.snapshot, account_id="id-before"))
    sink.write([renamed])
    assert count(engine, "dim_account") == 1
    assert count(engine) == 2
    assert sink.account_ids() == {("x", "after"): "id-before"}


def test_sqlite_that_is_locked_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 0.05})
    sink = SqlSink(engine)
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match="locked"):
        SqlSink(engine, create=False, attempts=1)
    threading.Timer(0.2, holder.rollback).start()
    SqlSink(engine, create=False)
    holder.execute("BEGIN IMMEDIATE")
    refused: list[object] = []
    sa.event.listen(engine, "handle_error", refused.append)
    with pytest.raises(StorageError, match="locked"):
        sink.write([outcome("a")])
    assert len(refused) == 1  # a run tries again, and nobody below it
    threading.Timer(0.2, holder.rollback).start()
    report = simulate_metrics(accounts=[Account(url="https://x.com/a")], to=sink, latency=0)
    assert (report.written, report.unsaved) == (1, 0)
    holder.close()
    assert count(engine) == 1
    engine.dispose()


def test_a_lock_in_postgresql_is_not_waited_for_for_ever(
    pg_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "_LOCK_WAIT", sa.text("SET LOCAL lock_timeout = '50ms'"))
    engine = sa.create_engine(pg_database.url("psycopg"))
    sink = SqlSink(engine)
    with engine.connect() as holder:
        holder.execute(sa.text("LOCK TABLE fact_followers_snapshot IN ACCESS EXCLUSIVE MODE"))
        release = threading.Timer(5, holder.rollback)
        release.start()
        with pytest.raises(StorageError, match="lock timeout") as caught:
            sink.write([outcome("a")])
        release.cancel()
        release.join()
    assert can_pass(caught.value)
    sink.write([outcome("a")])
    assert count(engine) == 1
    engine.dispose()


def test_a_database_that_goes_away_and_comes_back_loses_nothing(fresh_postgres: Postgres) -> None:
    sink = SqlSink(fresh_postgres.url("psycopg"))
    sink.write([outcome("a")])
    fresh_postgres.kill()
    batch = [outcome("a", NOON + 1), outcome("b")]
    with pytest.raises(StorageError) as caught:
        sink.write(batch)
    assert "postgres@" not in str(caught.value)
    assert can_pass(caught.value)
    fresh_postgres.start()
    sink.write(batch)
    assert sink.done_on(DAY) == {("x", "a"), ("x", "b")}
    sink.close()


def test_a_password_is_in_no_message() -> None:
    with pytest.raises(StorageError) as caught:
        SqlSink("postgresql+psycopg://me:s3cret@127.0.0.1:1/nowhere")
    assert "s3cret" not in str(caught.value)
    assert "127.0.0.1:1/nowhere" in str(caught.value)


def test_drivers_for_asyncio_give_way(pg_database: Database, tmp_path: Path) -> None:
    """As `DATABASE_URL` names one for the host's own use."""
    for url in (pg_database.url("asyncpg"), f"sqlite+aiosqlite:///{tmp_path / 'a.db'}"):
        sink = SqlSink(url)
        sink.write([outcome("a")])
        assert len(sink.account_ids()) == 1
        sink.close()


WRITES = """
import sys
from hhs_perf.scrapers import simulate_metrics
from hhs_perf.scrapers.storage.opening import open_sink
print("begun", flush=True)
for seed in range(1000):
    simulate_metrics(to=open_sink(sys.argv[1]), latency=0, seed=seed)
"""


@pytest.mark.parametrize("name", ["a.db", "a.jsonl", "a.csv"])
def test_a_kill_leaves_whole_snapshots(name: str, tmp_path: Path) -> None:
    """Whatever it hits: what is there can be read, and each account of the day once."""
    path = tmp_path / name
    process = subprocess.Popen([sys.executable, "-c", WRITES, path], stdout=subprocess.PIPE)
    wait_until(lambda: path.exists() and path.stat().st_size > 10_000, "something written", 20)
    process.kill()
    process.communicate()
    sink = open_sink(path)
    sink.close()
    handles = [(each.platform, each.handle) for each in read_accounts(path)]
    assert len(handles) == len(set(handles)) > 10
