"""Plans and index advice on PostgreSQL: psycopg and asyncpg, rights, locks, death."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from benchmarks.index_scenarios import SCENARIOS, events, fill, users
from hhs_perf._faults import Faults
from hhs_perf.database.indexes import IndexAdvisor, usage
from hhs_perf.database.indexes.gate import Choice
from hhs_perf.database.indexes.proof import OutOfTimeError, prove_on_postgresql
from hhs_perf.database.marks import OURS
from hhs_perf.database.plans import NoPlan, Plan, explain
from hhs_perf.testing import FakeClock
from tests.servers import wait_until
from tests.slow_statements import slow_statement

ROWS = 20_000
BY_TOKEN = select(events).where(events.c.token == "token-5")
TOKEN = ("ievents", ("token",))


@pytest.fixture(scope="module")
def filled(postgres):
    database = postgres.database()
    made = create_engine(database.url())
    with made.begin() as connection:
        fill(connection, ROWS)
    made.dispose()
    yield database
    database.drop()


@pytest.fixture
def engine(filled):
    made = create_engine(filled.url())
    yield made
    made.dispose()


@pytest.fixture
def async_engine(filled):
    return create_async_engine(filled.url("asyncpg"), poolclass=NullPool)


@pytest.fixture
def advisor():
    faults = Faults()
    yield IndexAdvisor(faults=faults)
    assert faults.counts == {}


def indexes_in(database):
    return database.say("SELECT indexname FROM pg_indexes WHERE schemaname <> 'pg_catalog'")


def queries(report):
    return frozenset((one.table, one.columns) for one in report.advice if one.kind == "query")


@pytest.mark.parametrize("prove", [False, True], ids=["production", "development"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_scenarios(engine, advisor, scenario, prove):
    """Each query gets its right advice, by statistics alone as well as proven."""
    slow = slow_statement(engine, scenario.statement(ROWS))
    report = advisor.find(engine, [slow], prove=prove)
    assert scenario.is_right(queries(report), "postgresql"), (queries(report), report.notes)
    for one in report.advice:
        if one.kind == "query":
            assert (one.gain is not None) is prove
            assert (one.proof is None) is prove


def test_nothing_is_left_and_all_that_is_said_is_marked(engine, filled, advisor):
    """No index; and the server heard nothing of ours without its mark."""
    before = indexes_in(filled)
    slow = [slow_statement(engine, one.statement(ROWS), one.name) for one in SCENARIOS]
    said = []
    event.listen(engine, "do_execute", lambda cursor, sql, *_: said.append(sql))
    event.listen(engine, "do_execute_no_params", lambda cursor, sql, *_: said.append(sql))
    in_use = engine.pool.checkedin()
    advisor.find(engine, slow, prove=True)
    assert engine.pool.checkedin() == in_use
    assert indexes_in(filled) == before
    assert len(said) > 100
    assert [sql for sql in said if not sql.startswith(OURS)] == []


@pytest.mark.parametrize("prove", [False, True])
async def test_asyncpg(async_engine, advisor, prove):
    """On the loop and beside it, with what asyncpg got as parameters."""
    async with async_engine.connect() as connection:
        slow = await connection.run_sync(lambda one: slow_statement(one.engine, BY_TOKEN))
    assert "$1" in slow.driver_sql
    for report in (
        advisor.find(async_engine, [slow], prove=prove),
        await advisor.find_async(async_engine, [slow], prove=prove),
        await asyncio.to_thread(advisor.find, async_engine, [slow], prove=prove),
    ):
        assert queries(report) == {TOKEN}
        assert (report.advice[0].gain or 0) > 10 or not prove
    plan = explain(async_engine, slow.driver_sql, slow.parameters)
    assert isinstance(plan, Plan)
    assert plan.scans[0].kind == "seq"


def test_plans_hold_no_values_and_lead_to_the_servers_figures(engine, filled, advisor):
    """The query id of the plan is that of pg_stat_statements."""
    statement = select(users.c.id).where(users.c.email == "user7@example.org")
    slow = [slow_statement(engine, statement) for _ in range(3)]
    plan = explain(engine, slow[0].driver_sql, slow[0].parameters)
    assert "user7" not in plan.text
    assert plan.scans[0].index == "uq_iusers_email"
    [(calls,)] = filled.say(
        f"SELECT sum(calls) FROM pg_stat_statements WHERE queryid = {plan.query_id}"
    )
    assert calls >= 3
    [figures] = advisor.find(engine, slow[:1], prove=False).server
    assert (figures.query_id, figures.calls) == (plan.query_id, calls)
    assert 0 < figures.mean <= figures.total


def test_without_parameters_the_plan_is_generic(engine, async_engine):
    """PostgreSQL plans for any value then; asyncpg cannot ask for that."""
    slow = slow_statement(engine, BY_TOKEN)
    plan = explain(engine, slow.driver_sql, None)
    assert isinstance(plan, Plan)
    assert plan.scans[0].table == "ievents"
    answer = explain(async_engine, "SELECT * FROM ievents WHERE token = $1::VARCHAR", None)
    assert isinstance(answer, NoPlan)
    assert "asyncpg" in answer.reason


def test_an_engine_that_commits_by_itself_keeps_no_index(filled, advisor):
    """The proof makes its own transaction."""
    engine = create_engine(filled.url(), isolation_level="AUTOCOMMIT")
    before = indexes_in(filled)
    report = advisor.find(engine, [slow_statement(engine, BY_TOKEN)], prove=True)
    assert queries(report) == {TOKEN}
    assert report.advice[0].gain > 10
    assert indexes_in(filled) == before
    engine.dispose()


def test_a_writer_is_not_waited_for_longer_than_the_lock_timeout(engine, filled, advisor):
    """The index is then advised without proof, which is said."""
    slow = slow_statement(engine, BY_TOKEN)
    with psycopg.connect(filled.url("")) as writer:
        writer.execute("UPDATE ievents SET amount = amount WHERE id = 1")
        report = advisor.find(engine, [slow], prove=True)
    [advice] = [one for one in report.advice if one.kind == "query"]
    assert advice.gain is None
    assert advice.proof == "not proven: the lock was not free in time (55P03)"


def test_the_host_can_write_while_advice_is_sought(engine, filled, advisor):
    """Explaining an UPDATE keeps no lock; writers wait for a proof at most."""
    slow = [slow_statement(engine, one.statement(ROWS), one.name) for one in SCENARIOS]
    seeking = threading.Thread(target=lambda: advisor.find(engine, slow, prove=True))
    seeking.start()
    written = 0
    with psycopg.connect(filled.url(""), autocommit=True) as writer:
        writer.execute("SET lock_timeout = '3s'")
        while seeking.is_alive() or not written:
            writer.execute("UPDATE ievents SET amount = amount WHERE id = 2")
            written += 1
    seeking.join()
    assert written


DIES = """
import os, signal, sys
from sqlalchemy import create_engine, event, select
from benchmarks.index_scenarios import events
from hhs_perf._faults import Faults
from hhs_perf.database.indexes import IndexAdvisor, usage
from tests.slow_statements import slow_statement

engine = create_engine(sys.argv[1])
slow = slow_statement(engine, select(events).where(events.c.token == "token-5"))

def die(cursor, sql, *rest):
    # The EXPLAIN after CREATE INDEX.
    if die.is_built and "EXPLAIN" in sql:
        os.kill(os.getpid(), signal.SIGKILL)
    die.is_built = die.is_built or "CREATE INDEX" in sql

die.is_built = False
event.listen(engine, "do_execute", die)
IndexAdvisor(faults=Faults()).find(engine, [slow], prove=True)
"""


def test_a_death_in_the_middle_of_a_proof_leaves_no_index(filled):
    """PostgreSQL rolls back what its client left open."""
    before = indexes_in(filled)
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root / "src"), str(root)])
    ended = subprocess.run(
        [sys.executable, "-c", DIES, filled.url()],
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    question = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
    )
    wait_until(lambda: filled.say(question) == [(0,)], "the server to notice")
    assert indexes_in(filled) == before


@pytest.fixture
def limited(filled):
    """A role that may read one table, and sees no statistics of others."""
    filled.say("DROP ROLE IF EXISTS limited")
    filled.say("CREATE ROLE limited LOGIN")
    filled.say("GRANT SELECT ON ievents TO limited")
    made = create_engine(filled.url().replace("postgres@", "limited@"))
    yield made
    made.dispose()
    filled.say("DROP OWNED BY limited")
    filled.say("DROP ROLE limited")


def test_a_role_without_rights_gets_reasons(engine, limited, advisor):
    """No error: what may not be seen is said."""
    mine = slow_statement(limited, BY_TOKEN, "mine")
    theirs = slow_statement(limited, select(users).where(users.c.city == "city-7"), "theirs")
    report = advisor.find(limited, [mine, theirs], prove=True)
    assert queries(report) == {TOKEN}
    [advice] = [one for one in report.advice if one.kind == "query"]
    assert advice.proof == "not proven: permission denied (42501)"
    assert "the plan of theirs is unknown: permission denied (42501)" in report.notes


def test_statistics_that_are_hidden_are_said_to_be(filled, limited, advisor):
    """Row security hides them, as does a revoked view."""
    filled.say("REVOKE SELECT ON pg_stats, pg_stat_statements FROM PUBLIC")
    filled.say("CREATE POLICY all_rows ON ievents USING (true)")
    filled.say("ALTER TABLE ievents ENABLE ROW LEVEL SECURITY")
    try:
        report = advisor.find(limited, [slow_statement(limited, BY_TOKEN)], prove=False)
    finally:
        filled.say("GRANT SELECT ON pg_stats, pg_stat_statements TO PUBLIC")
        filled.say("ALTER TABLE ievents DISABLE ROW LEVEL SECURITY")
        filled.say("DROP POLICY all_rows ON ievents")
    assert any("row security" in note for note in report.notes)
    assert any("values in the columns of ievents is unknown: permission" in n for n in report.notes)
    [figures] = report.server
    assert "permission denied" in figures.reason


def test_a_missing_extension_and_missing_statistics_are_said(pg_database, advisor):
    """A table that was never analyzed is judged by guesses."""
    pg_database.say("DROP EXTENSION pg_stat_statements")
    engine = create_engine(pg_database.url())
    table = Table("t", MetaData(), Column("id", Integer, primary_key=True), Column("a", String))
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(text("INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 5000) i"))
    report = advisor.find(
        engine, [slow_statement(engine, select(table).where(table.c.a == "v7"))], prove=True
    )
    assert queries(report) == {("t", ("a",))}
    assert any("never analyzed" in note for note in report.notes)
    [figures] = report.server
    assert "not installed" in figures.reason
    engine.dispose()


@pytest.mark.parametrize("name", ['a "quoted" täble', "select", "50% off: now", "Upper"])
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_hostile_names_are_quoted(pg_database, advisor, name, driver):
    """Schemas, tables and columns may be called anything; the SQL that is shown runs."""
    table = Table(
        name, MetaData(), Column("id", Integer, primary_key=True), Column(name, String), schema=name
    )
    sync = create_engine(pg_database.url())
    with sync.begin() as connection:
        connection.execute(
            text(f'CREATE SCHEMA "{name.replace(chr(34), chr(34) * 2)}"'.replace(":", "\\:"))
        )
        table.create(connection)
        connection.execute(table.insert(), [{name: f"v{i}"} for i in range(3000)])
    statement = select(table).where(table.c[name] == "v7")
    if driver == "psycopg":
        engine = sync
        slow = slow_statement(engine, statement)
    else:
        engine = create_async_engine(pg_database.url("asyncpg"), poolclass=NullPool)
        async with engine.connect() as connection:
            slow = await connection.run_sync(lambda one: slow_statement(one.engine, statement))
    [advice] = advisor.find(engine, [slow], prove=True).advice
    assert (advice.schema, advice.table, advice.columns) == (name, name, (name,))
    assert advice.gain > 1.3
    assert compile(advice.migration, "migration", "eval")
    pg_database.say(advice.sql)
    assert advisor.find(engine, [slow], prove=True).advice == ()
    sync.dispose()


def test_the_migration_line_is_one_that_alembic_runs(engine, filled, advisor):
    """It makes the index that the advice names, with the operators that LIKE needs."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    slow = slow_statement(engine, select(users).where(users.c.username.like("name-777%")))
    [advice] = [one for one in advisor.find(engine, [slow], prove=True).advice if one.statements]
    with engine.connect() as connection:
        operations = Operations(MigrationContext.configure(connection))
        eval(advice.migration, {"op": operations})
        made = connection.execute(
            text("SELECT indexdef FROM pg_indexes WHERE indexname = :name"), {"name": advice.name}
        ).scalar_one()
        connection.rollback()
    assert "username text_pattern_ops" in made


def test_invalid_indexes_cover_nothing(pg_database, advisor):
    """What a failed CREATE INDEX CONCURRENTLY leaves serves no reader."""
    pg_database.say("CREATE TABLE a (id int PRIMARY KEY)")
    pg_database.say("CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a)")
    pg_database.say("INSERT INTO a VALUES (1)")
    pg_database.say("INSERT INTO b SELECT i, 1 FROM generate_series(1, 2000) i")
    with pytest.raises(psycopg.errors.UniqueViolation):
        pg_database.say("CREATE UNIQUE INDEX CONCURRENTLY ix_b ON b (a_id)")
    engine = create_engine(pg_database.url())
    [advice] = advisor.find(engine, prove=False).advice
    assert (advice.kind, advice.table, advice.columns) == ("foreign_key", "b", ("a_id",))
    pg_database.say("REINDEX TABLE a")
    pg_database.say("DROP INDEX ix_b")
    pg_database.say("CREATE INDEX ix_b ON b (a_id, id)")
    assert advisor.find(engine, prove=False).advice == ()
    engine.dispose()


def test_unused_duplicate_and_redundant_indexes(pg_database, advisor, monkeypatch):
    """With sizes, since when, and only those that no reader can miss."""
    for sql in (
        "CREATE TABLE t (id int PRIMARY KEY, a text, b text, c text UNIQUE)",
        "CREATE INDEX ix_a ON t (a)",
        "CREATE INDEX ix_a_again ON t (a)",
        "CREATE INDEX ix_a_b ON t (a, b)",
        "CREATE INDEX ix_a_pattern ON t (a text_pattern_ops)",
        "CREATE INDEX ix_a_some ON t (a) WHERE b = 'x'",
        "CREATE INDEX ix_a_lower ON t (lower(a))",
        "CREATE UNIQUE INDEX ix_a_only ON t (a)",
        "CREATE INDEX ix_c ON t (c)",
        "CREATE INDEX ix_hash ON t USING hash (a)",
    ):
        pg_database.say(sql)
    engine = create_engine(pg_database.url())
    young = advisor.find(engine, prove=False)
    assert {one.kind for one in young.waste} == {"duplicate", "redundant"}
    [said] = [note for note in young.notes if "were not read" in note]
    assert said.startswith("4 indexes were not read, but reads were counted for 0.0 days only")
    assert not [note for note in young.notes if "replica" in note]
    monkeypatch.setattr(usage, "YOUNG", 0.0)
    report = advisor.find(engine, prove=False)
    found = {(one.name, one.kind, one.other) for one in report.waste}
    assert found == {
        ("ix_a", "redundant", "ix_a_b"),
        ("ix_a_again", "duplicate", "ix_a"),
        ("ix_c", "duplicate", "t_c_key"),
        ("ix_a_pattern", "unused", None),
        ("ix_a_some", "unused", None),
        ("ix_a_lower", "unused", None),
        ("ix_hash", "unused", None),
    }
    assert all(one.size > 0 and one.schema == "public" for one in report.waste)
    for one in report.waste:
        if one.kind == "unused":
            assert one.scans == 0
            assert 0 <= one.counted_for < 3600
            assert one.since
        else:
            assert one.shared == 1
    for one in report.waste:
        pg_database.say(one.sql)
    # Only what stood in for them is left, and nobody has used that either.
    assert [one.name for one in advisor.find(engine, prove=False).waste] == ["ix_a_b"]
    engine.dispose()


WIDE = Table(
    "wide",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("body", String),
    Column("rare", String),
)


@pytest.fixture
def wide(pg_database):
    """A table whose `body` is 6 KB, and stays so when compressed, and `rare` only once."""
    pg_database.say("CREATE TABLE wide (id int PRIMARY KEY, body text, rare text)")
    random = "(SELECT string_agg(md5(i || '-' || k), '') FROM generate_series(1, 200) k)"
    pg_database.say(
        f"INSERT INTO wide SELECT i, {random}, CASE i WHEN 77 THEN {random} ELSE 'r' || i END"
        " FROM generate_series(1, 1500) i"
    )
    pg_database.say("ANALYZE wide")
    made = create_engine(pg_database.url())
    yield made
    made.dispose()


@pytest.mark.parametrize("column", ["body", "rare"])
def test_an_index_that_cannot_be_built_is_not_advised(wide, advisor, column):
    """In development the trial tells, in production the size of the values."""
    slow = slow_statement(wide, select(WIDE.c.id).where(WIDE.c[column] == "q"))
    tried = advisor.find(wide, [slow], prove=True)
    assert tried.advice == ()
    on = f"an index on wide ({column}) is not advised"
    assert f"a statement: {on}, its trial failed: ProgramLimitExceeded (54000)" in tried.notes
    untried = advisor.find(wide, [slow], prove=False)
    assert untried.advice == ()
    [said] = [note for note in untried.notes if on in note]
    assert "bytes" in said


def test_beside_an_index_that_cannot_be_built_the_other_is_proven(wide, advisor):
    """One refusal says nothing of the other indexes that a statement asks for."""
    with wide.begin() as connection:
        fill(connection, ROWS)
    statement = select(WIDE.c.id).where(
        WIDE.c.body == "q", select(events.c.id).where(events.c.token == "token-5").exists()
    )
    report = advisor.find(wide, [slow_statement(wide, statement)], prove=True)
    assert queries(report) == {TOKEN}
    [advice] = [one for one in report.advice if one.kind == "query"]
    assert advice.gain is not None
    assert any("index on wide (body) is not advised" in note for note in report.notes)


def test_a_small_table_that_was_never_analyzed_is_counted(pg_database, advisor):
    """The planner would guess thousands of rows for it."""
    pg_database.say("CREATE TABLE a (id int PRIMARY KEY)")
    pg_database.say("CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a)")
    engine = create_engine(pg_database.url())
    report = advisor.find(engine, prove=False)
    assert report.advice == ()
    assert "b (a_id) is a foreign key without an index, but b is small: 0 rows" in report.notes
    engine.dispose()


def test_a_replica_is_advised_without_proof(standby):
    """Nothing can be built there, and its readers are its own."""
    database = standby.primary.database()
    metadata = MetaData()
    parent = Table("p", metadata, Column("id", Integer, primary_key=True))
    child = Table(
        "c",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("p_id", ForeignKey(parent.c.id)),
    )
    primary = create_engine(database.url())
    with primary.begin() as connection:
        metadata.create_all(connection)
        connection.execute(text("INSERT INTO p SELECT generate_series(1, 5000)"))
        connection.execute(text("INSERT INTO c SELECT i, i FROM generate_series(1, 5000) i"))
        connection.execute(text("CREATE INDEX ix_c_id ON c (id, p_id)"))
        connection.execute(text("ANALYZE"))
    primary.dispose()
    standby.wait_for_replay()
    replica = create_engine(standby.replica.url("psycopg", database))
    slow = slow_statement(replica, select(child).where(child.c.p_id == 7))
    faults = Faults()
    report = IndexAdvisor(faults=faults).find(replica, [slow], prove=True)
    assert queries(report) == {("c", ("p_id",))}
    assert report.advice[0].proof.startswith("not proven")
    assert any("reads were counted for" in note for note in report.notes)
    assert faults.counts == {}
    replica.dispose()


def test_values_are_sent_as_parameters(engine, advisor):
    """The server, its log and pg_stat_activity see none in the texts that are sent."""
    slow = slow_statement(
        engine, select(events).where(events.c.token == "s3cret", events.c.user_id == 471147)
    )
    said = []
    event.listen(engine, "do_execute", lambda cursor, sql, *_: said.append(sql))
    advisor.find(engine, [slow], prove=False)
    assert any("EXPLAIN" in sql and "SELECT 1" in sql and "token = " in sql for sql in said)
    assert not [sql for sql in said if "s3cret" in sql or "471147" in sql]


def test_a_proof_has_one_deadline_for_all_of_its_indexes(engine, filled):
    """What one index took, the next one lacks; after the deadline none is begun."""
    clock = FakeClock()
    built, limits = [], []

    def heard(cursor, sql, *_):
        if "CREATE INDEX" in sql:
            built.append(sql)
            clock.advance(0.6)
        if "statement_timeout" in sql:
            limits.append(int(sql.rpartition("=")[2]))

    event.listen(engine, "do_execute", heard)
    choices = [
        Choice(table=events, columns=(name,), rows=ROWS, reason="")
        for name in ("token", "user_id", "amount")
    ]
    slow = slow_statement(engine, BY_TOKEN)
    with pytest.raises(OutOfTimeError):
        prove_on_postgresql(
            engine, slow.driver_sql, slow.parameters, choices, timeout=1.0, clock=clock
        )
    assert len(built) == 2
    assert limits == [1000, 1000, 400]
