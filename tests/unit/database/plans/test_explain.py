"""EXPLAIN on SQLite: plans without a trace in the host."""

import asyncio
import threading

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from hhs_perf.database.marks import OURS
from hhs_perf.database.plans import NoPlan, Plan, explain
from hhs_perf.database.plans.explaining import is_explainable

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)"


@pytest.fixture
def engine(tmp_path):
    made = create_engine(f"sqlite:///{tmp_path / 'host.db'}")
    with made.begin() as connection:
        connection.exec_driver_sql(SCHEMA)
        connection.exec_driver_sql("CREATE INDEX ix_t_b ON t (b)")
    yield made
    made.dispose()


def test_a_plan_names_table_kind_and_index(engine):
    """What the plan reads, and through which index."""
    plan = explain(engine, "SELECT * FROM t WHERE a = ?", ("x",))
    assert isinstance(plan, Plan)
    assert [(scan.table, scan.kind, scan.index) for scan in plan.scans] == [("t", "seq", None)]
    plan = explain(engine, "SELECT * FROM t WHERE b = ?", ("x",))
    assert [(scan.table, scan.kind, scan.index) for scan in plan.scans] == [
        ("t", "index", "ix_t_b")
    ]
    plan = explain(engine, "SELECT * FROM t WHERE id = ?", (1,))
    assert [(scan.table, scan.kind) for scan in plan.scans] == [("t", "key")]


def test_an_automatic_index_is_named_as_such(engine):
    """SQLite builds one when a join finds none."""
    sql = "SELECT * FROM t AS x JOIN t AS y ON x.a = y.a"
    plan = explain(engine, sql, ())
    assert {scan.kind for scan in plan.scans} == {"seq", "automatic"}


def test_neither_pool_nor_transaction_of_the_host_are_touched(engine):
    """No checkout, and what the host has begun stays."""
    checkouts = []
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO t (a) VALUES ('mine')"))
        in_use = engine.pool.checkedout()
        event.listen(engine, "checkout", lambda *_: checkouts.append(engine.pool.checkedout()))
        assert isinstance(explain(engine, "SELECT * FROM t", ()), Plan)
        assert engine.pool.checkedout() == in_use
        connection.commit()
    assert set(checkouts) <= {in_use}


def test_every_statement_of_ours_is_marked(engine):
    """The listener of the host's engines leaves them out by this mark."""
    said = []

    def keep(cursor, statement, parameters, context):
        said.append(statement)

    event.listen(engine, "do_execute", keep)
    explain(engine, "SELECT * FROM t WHERE a = ?", ("x",))
    assert said
    assert all(statement.startswith(OURS) for statement in said)


def test_nothing_is_executed(engine):
    """An explained DELETE deletes nothing."""
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t (a) VALUES ('kept')"))
    assert isinstance(explain(engine, "DELETE FROM t WHERE a = ?", ("kept",)), Plan)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar_one() == 1


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE t",
        "INSERT INTO t (a) VALUES ('x')",
        "SELECT 1; DROP TABLE t",
        "PRAGMA user_version = 7",
        "/* SELECT */ DROP TABLE t",
        "",
        "SELECT " + "1" * 100_000,
    ],
)
def test_other_statements_are_refused_with_a_reason(engine, sql):
    """Only what EXPLAIN leaves unexecuted is sent."""
    answer = explain(engine, sql, ())
    assert isinstance(answer, NoPlan)
    assert answer.reason


def test_a_comment_before_the_statement_is_looked_through():
    """Hosts tag their statements."""
    assert is_explainable("sqlite", "/* route */ -- x\n (SELECT 1);") is None


def test_other_databases_give_a_reason():
    """Their plans are not read."""
    assert "oracle" in is_explainable("oracle", "SELECT 1")


def test_errors_become_a_reason_without_values(engine):
    """The reason never holds what a driver quotes."""
    answer = explain(engine, "SELECT * FROM absent WHERE a = 'secret'", ())
    assert isinstance(answer, NoPlan)
    assert "secret" not in answer.reason
    assert "OperationalError" in answer.reason


def test_plans_in_memory_go_over_the_hosts_connection_and_leave_its_transaction():
    """There is no other way in, and nothing is checked in, which would roll back."""
    for options in ({}, {"poolclass": StaticPool}):
        engine = create_engine("sqlite://", **options)
        with engine.connect() as connection:
            connection.exec_driver_sql(SCHEMA)
            connection.commit()
            connection.exec_driver_sql("INSERT INTO t (a) VALUES ('mine')")
            assert isinstance(explain(engine, "SELECT * FROM t WHERE a = ?", ("x",)), Plan)
            connection.commit()
            assert connection.exec_driver_sql("SELECT a FROM t").scalars().all() == ["mine"]
        engine.dispose()


def test_memory_of_another_thread_gives_a_reason():
    """Each thread has a database of its own there."""
    engine = create_engine("sqlite://")
    with engine.connect():
        answers = []
        thread = threading.Thread(target=lambda: answers.append(explain(engine, "SELECT 1", ())))
        thread.start()
        thread.join()
    assert isinstance(answers[0], NoPlan)
    engine.dispose()


async def test_async_engines_are_explained_on_and_off_the_loop(tmp_path):
    """The plan is made in a loop of its own, the host's being busy or elsewhere."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'host.db'}")
    async with engine.begin() as connection:
        await connection.exec_driver_sql(SCHEMA)
    assert isinstance(explain(engine, "SELECT * FROM t WHERE a = ?", ("x",)), Plan)
    assert isinstance(await asyncio.to_thread(explain, engine, "SELECT * FROM t", ()), Plan)
    await engine.dispose()


async def test_async_memory_is_explained():
    """Its one connection has a thread of its own, which any loop may ask."""
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await connection.exec_driver_sql(SCHEMA)
    assert isinstance(explain(engine, "SELECT * FROM t WHERE a = ?", ("x",)), Plan)
    await engine.dispose()
