"""Index advice on SQLite: the scenarios, and what must never happen."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import (
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from benchmarks.index_scenarios import SCENARIOS, events, fill, users
from hhs_perf._faults import Faults
from hhs_perf.database.indexes import IndexAdvisor, gate, proofs, search
from hhs_perf.database.indexes.asking import Notes
from hhs_perf.database.indexes.candidates import accesses
from hhs_perf.database.indexes.proof import prove_on_copy
from hhs_perf.database.indexes.statistics import statistics_of
from hhs_perf.database.lines import Line
from hhs_perf.database.marks import OURS
from hhs_perf.database.plans import NoPlan, explain
from hhs_perf.testing import FakeClock
from tests.slow_statements import slow_statement

ROWS = 20_000
BY_TOKEN = select(events).where(events.c.token == "token-5")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("sqlite") / "host.db"
    made = create_engine(f"sqlite:///{place}")
    with made.begin() as connection:
        fill(connection, ROWS)
    made.dispose()
    return place


@pytest.fixture
def engine(path):
    made = create_engine(f"sqlite:///{path}")
    yield made
    made.dispose()


@pytest.fixture
def faults():
    return Faults()


@pytest.fixture
def advisor(faults):
    yield IndexAdvisor(faults=faults)
    assert faults.counts == {}


def indexes_in(path):
    connection = sqlite3.connect(path)
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall()
    connection.close()
    return {name for (name,) in names}


def queries(report):
    return frozenset((one.table, one.columns) for one in report.advice if one.kind == "query")


@pytest.mark.parametrize("prove", [False, True], ids=["production", "development"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_scenarios(engine, advisor, scenario, prove):
    """Each query gets its right advice, by statistics alone as well as proven."""
    slow = slow_statement(engine, scenario.statement(ROWS))
    report = advisor.find(engine, [slow], prove=prove)
    assert scenario.is_right(queries(report), "sqlite"), (queries(report), report.notes)
    for one in report.advice:
        if one.kind == "query":
            assert (one.gain is not None) is prove
            assert (one.proof is None) is prove


def test_nothing_is_left_behind_and_nothing_counted(engine, path, advisor):
    """No index, and no statement that is not marked as ours."""
    before = indexes_in(path)
    slow = [slow_statement(engine, one.statement(ROWS), one.name) for one in SCENARIOS]
    said = []
    event.listen(engine, "do_execute", lambda cursor, sql, *_: said.append(sql))
    advisor.find(engine, slow, prove=True)
    assert indexes_in(path) == before
    assert said
    assert all(sql.startswith("/* hhs_perf */ ") for sql in said)


def test_advice_is_merged_ordered_and_ready_to_copy(engine, advisor):
    """One index for all statements that it serves; the order is the same every time."""
    line = Line(file="app.py", line=7, function="view")
    slow = [slow_statement(engine, one.statement(ROWS), one.name, line=line) for one in SCENARIOS]
    report = advisor.find(engine, slow, prove=False)
    columns = [(one.table, one.columns) for one in report.advice]
    assert len(set(columns)) == len(columns)
    for table, listed in columns:
        longer = [other for name, other in columns if name == table and other != listed]
        assert not any(other[: len(listed)] == listed for other in longer)
    assert advisor.find(engine, slow[::-1], prove=False).advice == report.advice
    token = next(one for one in report.advice if one.columns == ("token",))
    assert {"equality", "alias", "cte"} <= set(token.statements)
    assert token.line == line
    assert token.migration == 'op.create_index("ix_ievents_token", "ievents", ["token"])'
    assert token.sql == "CREATE INDEX ix_ievents_token ON ievents (token)"


def test_foreign_keys_without_an_index_are_named_without_any_statement(engine, advisor):
    """Static and cheap; a key that begins the primary key has its index."""
    report = advisor.find(engine, prove=False)
    assert [(one.kind, one.table, one.columns) for one in report.advice] == [
        ("foreign_key", "ievents", ("user_id",))
    ]
    assert report.advice[0].rows == ROWS


@pytest.mark.parametrize("rows", [0, 12, gate.FEWEST_ROWS - 1, gate.FEWEST_ROWS])
def test_a_foreign_key_of_a_small_table_is_a_note(advisor, rows):
    """Reading the whole of it costs nothing yet: below the bound no index is advised."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE a (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE b (a_id INTEGER REFERENCES a (id))")
        for key in range(rows):
            connection.exec_driver_sql("INSERT INTO b VALUES (?)", (key,))
    with engine.connect():
        report = advisor.find(engine, prove=True)
    is_small = rows < gate.FEWEST_ROWS
    assert [one.rows for one in report.advice] == ([] if is_small else [rows])
    said = f"b (a_id) is a foreign key without an index, but b is small: {rows} rows"
    assert (said in report.notes) is is_small
    engine.dispose()


def test_partial_and_expression_indexes_cover_nothing(advisor):
    """They serve some readers only."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    table = Table("t", MetaData(), Column("id", Integer, primary_key=True), Column("a", String))
    Index("ix_partial", table.c.a, sqlite_where=table.c.id > 5)
    Index("ix_lower", func.lower(table.c.a))
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), [{"a": f"v{i}"} for i in range(3000)])
    with pytest.warns(match="[Ee]xpression"):
        report = advisor.find(
            engine, [slow_statement(engine, select(table).where(table.c.a == "v7"))], prove=True
        )
    assert queries(report) == {("t", ("a",))}
    engine.dispose()


def test_columns_that_the_table_lacks_get_no_advice(advisor):
    """The tree may be ahead of the database, or behind it."""
    engine = create_engine("sqlite://")
    metadata = MetaData()
    table = Table("t", metadata, Column("id", Integer, primary_key=True), Column("a", String))
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(table.insert(), [{"a": f"v{i}"} for i in range(3000)])
        slow = slow_statement(engine, select(table.c.id).where(table.c.a == "v7"))
        connection.exec_driver_sql("ALTER TABLE t RENAME COLUMN a TO b")
        report = advisor.find(engine, [slow], prove=False)
    assert report.advice == ()
    engine.dispose()


@pytest.mark.parametrize("name", ['a "quoted" täble', "select", "50% off: now", "x--y/*"])
def test_hostile_names_are_quoted(advisor, name):
    """Tables and columns may be called anything."""
    engine = create_engine("sqlite://")
    table = Table(name, MetaData(), Column("id", Integer, primary_key=True), Column(name, String))
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), [{name: f"v{i}"} for i in range(3000)])
    with engine.connect() as connection:
        slow = slow_statement(engine, select(table).where(table.c[name] == "v7"))
        [advice] = advisor.find(engine, [slow], prove=True).advice
        assert (advice.table, advice.columns) == (name, (name,))
        assert advice.gain > 1.3
        connection.exec_driver_sql(advice.sql)
        assert compile(advice.migration, "migration", "eval")
        assert advisor.find(engine, [slow], prove=True).advice == ()
    engine.dispose()


def test_a_lock_held_by_the_host_is_not_waited_for(engine, path, advisor):
    """The proof is on a copy: a writer neither waits nor keeps it waiting."""
    slow = slow_statement(engine, select(events).where(events.c.token == "token-5"))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE itiny SET label = 'x'")
    report = advisor.find(engine, [slow], prove=True)
    assert ("ievents", ("token",)) in queries(report)
    writer.execute("ROLLBACK")
    writer.close()


def test_a_locked_database_is_a_note(engine, path, advisor):
    """An exclusive lock keeps readers out; that is said, not raised."""
    slow = slow_statement(engine, select(events).where(events.c.token == "token-5"))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    faults = Faults()
    report = IndexAdvisor(faults=faults).find(engine, [slow], prove=True)
    writer.execute("ROLLBACK")
    writer.close()
    assert report.advice == ()
    assert any("OperationalError" in note for note in report.notes)


def test_the_hosts_transaction_in_memory_goes_on(advisor):
    """Copying takes nothing from it; where it has written, there is no copy, and that is said."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        fill(connection, ROWS)
    slow = slow_statement(engine, select(users).where(users.c.username == "name-5"))
    with engine.connect() as connection:
        report = advisor.find(engine, [slow], prove=True)
        assert queries(report) == {("iusers", ("username",))}, report
        connection.execute(text("DELETE FROM itiny"))
        report = advisor.find(engine, [slow], prove=True)
        assert report.notes == ("no advice: the database is locked",)
        connection.commit()
        assert connection.execute(text("SELECT count(*) FROM itiny")).scalar_one() == 0
    engine.dispose()


def test_time_is_bounded(engine):
    """What is left when the time is over is said."""
    slow = [slow_statement(engine, one.statement(ROWS), one.name) for one in SCENARIOS]
    report = IndexAdvisor(faults=Faults()).find(engine, slow, prove=False, seconds=0.0)
    assert f"{len(slow)} statements were not looked at: out of time" in report.notes


def test_duplicate_and_redundant_indexes_are_named(advisor):
    """Alike in columns, order and collation, or the beginning of another."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for sql in (
            "CREATE TABLE t (a TEXT, b TEXT, c TEXT UNIQUE)",
            "CREATE INDEX ix_a ON t (a)",
            "CREATE INDEX ix_a_again ON t (a)",
            "CREATE INDEX ix_a_b ON t (a, b)",
            "CREATE INDEX ix_b_down ON t (b DESC)",
            "CREATE INDEX ix_b_nocase ON t (b COLLATE NOCASE)",
            "CREATE INDEX ix_b_c ON t (b, c)",
            "CREATE INDEX ix_c ON t (c)",
            "CREATE INDEX ix_partial ON t (a) WHERE b = 'x'",
        ):
            connection.exec_driver_sql(sql)
        connection.commit()
        report = advisor.find(engine, prove=False)
    found = {(one.name, one.kind, one.other) for one in report.waste}
    assert found == {
        ("ix_a", "redundant", "ix_a_b"),
        ("ix_a_again", "duplicate", "ix_a"),
        ("ix_c", "duplicate", "sqlite_autoindex_t_1"),
    }
    assert all(one.shared == 1 for one in report.waste)
    engine.dispose()


def test_other_databases_are_said_not_to_be_looked_at(faults):
    """No half advice."""
    engine = create_engine("sqlite://")
    engine.dialect.name = "oracle"
    report = IndexAdvisor(faults=faults).find(engine, prove=True)
    assert report.advice == ()
    assert "oracle" in report.notes[0]
    engine.dispose()


async def test_async_engines(path, advisor):
    """On the loop and beside it, on a file and in memory."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    statement = select(events).where(events.c.token == "token-5")
    async with engine.connect() as connection:
        slow = await connection.run_sync(lambda one: slow_statement(one.engine, statement))
    for report in (
        advisor.find(engine, [slow], prove=True),
        await advisor.find_async(engine, [slow], prove=True),
        await asyncio.to_thread(advisor.find, engine, [slow], prove=True),
    ):
        assert ("ievents", ("token",)) in queries(report)
    await engine.dispose()


async def test_async_memory(advisor):
    """Its copy is made by the thread that its connection has."""
    engine = create_async_engine("sqlite+aiosqlite://")
    statement = select(events).where(events.c.token == "token-5")
    async with engine.begin() as connection:
        await connection.run_sync(fill, 2000)
    async with engine.connect() as connection:
        slow = await connection.run_sync(lambda one: slow_statement(one.engine, statement))
    report = await advisor.find_async(engine, [slow], prove=True)
    assert ("ievents", ("token",)) in queries(report)
    await engine.dispose()


def test_what_was_proven_is_not_proven_again_so_soon(engine, monkeypatch):
    """For ten minutes, and a failure for one; other columns are another proof."""
    clock = FakeClock()
    advisor = IndexAdvisor(faults=Faults(), clock=clock)
    tries = []

    def prove(*arguments):
        tries.append(arguments)
        if len(tries) == 3:
            error = sqlite3.OperationalError("locked")
            error.sqlite_errorcode = sqlite3.SQLITE_LOCKED
            raise error
        return prove_on_copy(*arguments)

    monkeypatch.setattr(search, "prove_on_copy", prove)
    slow = slow_statement(engine, BY_TOKEN)
    first = advisor.find(engine, [slow], prove=True)
    clock.advance(proofs.AGAIN_AFTER - 1)
    assert advisor.find(engine, [slow], prove=True) == first
    assert len(tries) == 1
    clock.advance(1)
    assert advisor.find(engine, [slow], prove=True) == first
    assert len(tries) == 2
    clock.advance(proofs.AGAIN_AFTER)
    for _ in range(2):
        [advice] = [
            one for one in advisor.find(engine, [slow], prove=True).advice if one.kind == "query"
        ]
        assert advice.proof == "not proven: OperationalError"
    assert len(tries) == 3
    clock.advance(proofs.AGAIN_AFTER_FAILURE)
    assert advisor.find(engine, [slow], prove=True) == first
    assert len(tries) == 4


def test_an_index_that_its_trial_refused_is_not_advised(engine, monkeypatch):
    """Nor tried again before a proof would be; the notes say why."""
    clock = FakeClock()
    advisor = IndexAdvisor(faults=Faults(), clock=clock)
    tries = []

    def refuse(*arguments):
        tries.append(arguments)
        raise sqlite3.DatabaseError

    monkeypatch.setattr(search, "prove_on_copy", refuse)
    slow = slow_statement(engine, BY_TOKEN)
    for wait in (proofs.AGAIN_AFTER - 1, 1):
        report = advisor.find(engine, [slow], prove=True)
        assert queries(report) == frozenset()
        said = "a statement: an index on ievents (token) is not advised, its trial failed"
        assert f"{said}: DatabaseError" in report.notes
        assert len(tries) == 1
        clock.advance(wait)
    advisor.find(engine, [slow], prove=True)
    assert len(tries) == 2


def test_memory_of_another_threads_connection_is_a_note():
    """SQLite refuses other threads unless it is told not to: that is no fault of ours."""
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": True}
    )
    with engine.begin() as connection:
        fill(connection, 2000)
    slow = slow_statement(engine, BY_TOKEN)
    faults = Faults()
    advisor = IndexAdvisor(faults=faults)

    def look():
        plan = explain(engine, slow.driver_sql, slow.parameters, faults=faults)
        return plan, advisor.find(engine, [slow], prove=True)

    with ThreadPoolExecutor(1) as other:
        plan, report = other.submit(look).result()
    reason = "the database lives in the memory of another thread's connection"
    assert plan == NoPlan(reason=reason)
    assert report.notes == (reason,)
    assert faults.counts == {}
    assert queries(advisor.find(engine, [slow], prove=True)) == {("ievents", ("token",))}
    engine.dispose()


def test_statements_that_are_never_explained_make_one_note(engine, advisor):
    """However many there are of them: what matters stays readable."""
    texts = ("CREATE TEMP TABLE never (a)", "INSERT INTO itiny (label) VALUES (1)", "PRAGMA user")
    slow = [slow_statement(engine, text(sql), sql) for sql in texts]
    report = advisor.find(engine, slow, prove=False)
    refused = [note for note in report.notes if "not looked at" in note]
    assert refused == [
        "3 statements were not looked at: only SELECT, UPDATE and DELETE are explained"
    ]
    [one] = [n for n in advisor.find(engine, slow[:1], prove=False).notes if "not looked at" in n]
    assert one.startswith("1 statement was not looked at: ")


def test_values_are_sent_as_parameters(engine):
    """What the host compared with stands in no text that is sent."""
    said = []
    statement = select(events).where(
        events.c.token == "s3cret", events.c.user_id.in_([471147, 471148])
    )
    slow = slow_statement(engine, statement)
    own = create_engine(engine.url)
    event.listen(own, "before_cursor_execute", lambda c, cursor, sql, *_: said.append(sql))
    [access] = accesses(slow.clause)
    with own.connect() as connection:
        statistics = statistics_of(connection, Notes())
        shares = [statistics.share(condition) for condition in access.conditions]
    own.dispose()
    assert None not in shares
    assert said
    assert all(sql.startswith(OURS) for sql in said)
    assert not [sql for sql in said if "s3cret" in sql or "47114" in sql]
