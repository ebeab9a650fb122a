"""Engines are met in time, transactions that fail are counted, listeners come in order."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from hhs_perf import Monitor, Settings
from hhs_perf.database.seen.masking import mask
from hhs_perf.exceptions import NPlusOneError


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    monitor = Monitor(installed_plugins=False, tick=False)
    yield monitor
    assert not monitor.faults
    monitor.close()


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    engine = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    yield engine
    engine.dispose()


def counted(monitor: Monitor) -> dict[str, tuple[int, int]]:
    monitor.metrics.flush()
    found = monitor.database.statements
    return {each.shape.sql: (each.count, each.errors) for each in found if each.count}


def test_the_pool_of_an_engine_is_known_from_its_first_connection(monitor: Monitor, narrow: Engine):
    """With `instrument()`: nobody has sent a query yet when the others give up waiting."""
    monitor.database.instrument()
    refused = []

    def wait() -> None:
        try:
            narrow.connect().close()
        except PoolTimeoutError:
            refused.append(True)

    with narrow.connect():
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    [pool] = monitor.database.pools.report()
    assert len(refused) == 3
    assert (pool.timeouts, pool.connects) == (3, 1)


def test_an_engine_whose_database_is_down_is_shown(monitor: Monitor, tmp_path: Path):
    monitor.database.instrument()
    engine = create_engine(f"sqlite:///{tmp_path / 'nowhere' / 'a.db'}")
    with pytest.raises(OperationalError):
        engine.connect()
    assert len(monitor.database.pools.report()) == 1
    assert counted(monitor) == {}
    engine.dispose()


@pytest.mark.parametrize("every", [True, False], ids=["every engine", "one engine"])
def test_an_error_at_commit_is_counted(monitor: Monitor, narrow: Engine, every: bool):
    monitor.database.instrument(None if every else narrow)
    with narrow.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        connection.exec_driver_sql("CREATE TABLE a (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql(
            "CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)"
        )
        connection.commit()
        connection.exec_driver_sql("INSERT INTO b VALUES (99)")
        with pytest.raises(IntegrityError):
            connection.commit()
        connection.rollback()
    assert counted(monitor)["COMMIT"] == (1, 1)
    monitor.database.uninstrument()


def executes(cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
    context.dialect.do_execute(cursor, sql, parameters, context)
    return True


@pytest.mark.parametrize("every", [True, False], ids=["every engine", "one engine"])
def test_a_listener_that_executes_and_was_there_before_hides_nothing(
    monitor: Monitor, narrow: Engine, every: bool
):
    event.listen(narrow, "do_execute", executes)
    monitor.database.instrument(None if every else narrow)
    with narrow.connect() as connection:
        connection.execute(text("SELECT 1")).all()
    assert counted(monitor) == {"SELECT ?": (1, 0)}
    assert monitor.database.limits == ()


def test_one_of_all_engines_that_comes_before_ours_of_one_is_told(monitor: Monitor, narrow: Engine):
    event.listen(Engine, "do_execute", executes)
    try:
        monitor.database.instrument(narrow)
        assert "come before" in monitor.database.limits[0]
    finally:
        event.remove(Engine, "do_execute", executes)


def test_what_one_monitor_raises_is_no_error_of_the_query_to_another(narrow: Engine):
    first, second = (Monitor(installed_plugins=False, tick=False) for _ in range(2))
    for each in (first, second):
        each.database.instrument(narrow)

    def ask() -> None:
        with narrow.connect() as connection:
            for number in range(10):
                connection.execute(text("SELECT :n"), {"n": number}).all()

    with first.database.scope(n_plus_one="raise"), pytest.raises(NPlusOneError):
        ask()
    gc.collect()  # the last one's rows were never fetched: it is told when they are given up
    for each in (first, second):
        assert counted(each) == {"SELECT ?": (5, 0)}
        assert not each.faults
        each.close()


def test_strings_of_oracle_are_masked():
    texts = ["q'[it's s3cret]'", "nq'{s3cret'}'", "Q'!it's s3cret!'", "q'(s3cret"]
    for literal in texts:
        assert mask(f"SELECT a FROM b WHERE c = {literal}", "oracle") == (
            "SELECT a FROM b WHERE c = ?"
        )


def test_a_placeholder_that_does_not_end_is_read_in_no_time():
    """What looks for its end does not look at everything after every beginning."""
    assert mask("SELECT __[POSTCOMPILE_" + "~~x" * 2700).startswith("SELECT __")


def test_the_librarys_own_engines_are_not_met(tmp_path: Path):
    """A look at a slow statement makes engines: they are nobody's, and are not shown."""
    settings = attrs.evolve(Settings().database, slow_query=1e-9, profiling=True)
    monitor = Monitor(attrs.evolve(Settings(), database=settings), tick=False)
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    monitor.database.instrument()
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER)")
        connection.exec_driver_sql(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
            "INSERT INTO a (b) SELECT i FROM n"
        )
        table = Table("a", MetaData(), Column("id", Integer), Column("b", Integer))
        connection.execute(select(table).where(table.c.b == 7)).all()
    looked = monitor.database.look_closer()
    assert any(report.advice for report in looked.indexes)
    assert monitor.database.engines() == (engine,)
    assert len(monitor.database.pools.report()) == 1
    monitor.close()
    engine.dispose()
