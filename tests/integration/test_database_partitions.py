"""Partitions are planned and made on a real PostgreSQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from hhs_perf.database.partitions import (
    ByList,
    ByMonth,
    PartitionSpec,
    apply_partitions,
    partition_advice,
    partition_filter,
    plan_partitions,
    read_table,
    scan_of,
)
from hhs_perf.exceptions import DatabaseError
from hhs_perf.testing import FakeClock
from tests.postgres import Database

NOW = FakeClock(wall=dt.datetime(2026, 11, 24, tzinfo=dt.UTC).timestamp())
MONTHS = PartitionSpec(table="fact", by=[ByMonth(column="ts")], ahead=3)
BOTH = PartitionSpec(
    table="fact",
    by=[ByMonth(column="ts"), ByList(column="platform", values=["youtube", "x"])],
    ahead=1,
)
ROWS = (
    "INSERT INTO fact (ts, platform, n) "
    "SELECT '{day}', '{platform}', g FROM generate_series(1, {n}) g"
)


@pytest.fixture
def engine(pg_database: Database) -> Iterator[sa.Engine]:
    engine = sa.create_engine(pg_database.url())
    yield engine
    engine.dispose()


@pytest.fixture
def fact(pg_database: Database) -> Callable[..., None]:
    """Make the table `fact`, partitioned by month, with a DEFAULT partition if asked for."""

    def make(kind: str = "date", *, default: bool = False, more: str = "", by: str = "ts") -> None:
        strategy = "LIST" if by == "platform" else "RANGE"
        pg_database.say(
            "CREATE TABLE fact (id bigint GENERATED ALWAYS AS IDENTITY, "
            f"ts {kind} NOT NULL, platform varchar(40) NOT NULL, n int NOT NULL CHECK (n > 0), "
            f"twice int GENERATED ALWAYS AS (n * 2) STORED, PRIMARY KEY (id, ts, platform){more}) "
            f"PARTITION BY {strategy} ({by})"
        )
        pg_database.say("CREATE INDEX fact_n ON fact (n)")
        if default:
            pg_database.say("CREATE TABLE fact_default PARTITION OF fact DEFAULT")

    return make


def partitions(database: Database, parent: str = "fact") -> dict[str, str]:
    return dict(
        database.say(
            "SELECT c.relname::text, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
            "JOIN pg_class c ON c.oid = i.inhrelid "
            f"WHERE i.inhparent = to_regclass('{parent}') ORDER BY 1"
        )
    )


def test_the_present_month_and_those_ahead_are_created_once(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    plan = plan_partitions(engine, MONTHS, clock=NOW)
    assert partitions(pg_database) == {}
    done = apply_partitions(engine, plan)
    assert partitions(pg_database) == {
        "fact_2026_11": "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')",
        "fact_2026_12": "FOR VALUES FROM ('2026-12-01') TO ('2027-01-01')",
        "fact_2027_01": "FOR VALUES FROM ('2027-01-01') TO ('2027-02-01')",
        "fact_2027_02": "FOR VALUES FROM ('2027-02-01') TO ('2027-03-01')",
    }
    assert (done.statements, done.moved) == (len(plan.steps), 0)
    again = plan_partitions(engine, MONTHS, clock=NOW)
    assert (again.steps, again.notices, again.script()) == ((), (), "")


def test_a_partition_has_the_indexes_and_constraints_of_its_table(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    apply_partitions(engine, plan_partitions(engine, MONTHS, clock=NOW))
    pg_database.say(ROWS.format(day="2026-12-31", platform="x", n=5))
    assert pg_database.say("SELECT sum(twice), count(DISTINCT id) FROM fact_2026_12") == [(30, 5)]
    # One index of the table for each of the partition, none besides.
    assert pg_database.say(
        "SELECT count(*) FROM pg_index i LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid "
        "WHERE i.indrelid = 'fact_2026_12'::regclass GROUP BY h.inhparent IS NULL"
    ) == [(2,)]


def test_months_by_platform_get_a_partition_each_and_one_for_the_rest(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    plan = plan_partitions(engine, BOTH, clock=NOW)
    apply_partitions(engine, plan)
    assert partitions(pg_database, "fact_2026_11") == {
        "fact_2026_11_default": "DEFAULT",
        "fact_2026_11_x": "FOR VALUES IN ('x')",
        "fact_2026_11_youtube": "FOR VALUES IN ('youtube')",
    }
    assert len(partitions(pg_database, "fact_2026_12")) == 3
    assert not plan_partitions(engine, BOTH, clock=NOW).steps


def test_a_new_platform_joins_the_months_that_exist(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    apply_partitions(engine, plan_partitions(engine, BOTH, clock=NOW))
    pg_database.say(ROWS.format(day="2026-11-05", platform="tiktok", n=7))
    more = ByList(column="platform", values=["youtube", "x", "tiktok"])
    spec = PartitionSpec(table="fact", by=[ByMonth(column="ts"), more], ahead=1)
    plan = plan_partitions(engine, spec, clock=NOW)
    assert plan.rows_to_move == 7
    assert apply_partitions(engine, plan).moved == 7
    assert pg_database.say("SELECT count(*) FROM fact_2026_11_tiktok") == [(7,)]
    assert "fact_2026_12_tiktok" in partitions(pg_database, "fact_2026_12")
    assert not plan_partitions(engine, spec, clock=NOW).steps


def test_rows_in_default_move_into_the_partition_they_block(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact(default=True)
    pg_database.say(ROWS.format(day="2026-12-01", platform="x", n=9))
    pg_database.say(ROWS.format(day="2020-01-01", platform="x", n=2))
    before = pg_database.say("SELECT id, ts, n, twice FROM fact ORDER BY id")
    with pytest.raises(Exception, match="would be violated"):
        pg_database.say(
            "CREATE TABLE p PARTITION OF fact FOR VALUES FROM ('2026-12-01') TO ('2027-01-01')"
        )
    plan = plan_partitions(engine, MONTHS, clock=NOW)
    assert [(step.partition, step.rows) for step in plan.steps if step.kind == "move"] == [
        ("fact_2026_12", 9)
    ]
    assert apply_partitions(engine, plan).moved == 9
    assert pg_database.say("SELECT id, ts, n, twice FROM fact ORDER BY id") == before
    assert pg_database.say("SELECT count(*) FROM ONLY fact_2026_12") == [(9,)]
    assert pg_database.say("SELECT count(*) FROM ONLY fact_default") == [(2,)]
    pg_database.say(ROWS.format(day="2026-12-03", platform="x", n=1))
    assert pg_database.say("SELECT count(*) FROM ONLY fact_2026_12") == [(10,)]


def test_rows_move_into_a_month_that_is_partitioned_itself(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact(default=True)
    for platform in ("x", "youtube", "flickr"):
        pg_database.say(ROWS.format(day="2026-11-01", platform=platform, n=2))
    assert apply_partitions(engine, plan_partitions(engine, BOTH, clock=NOW)).moved == 6
    for leaf in ("x", "youtube", "default"):
        assert pg_database.say(f"SELECT count(*) FROM fact_2026_11_{leaf}") == [(2,)]


@pytest.mark.parametrize("deed", ["foreign key", "trigger"])
def test_rows_stay_in_default_where_moving_them_would_do_more(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database, deed: str
) -> None:
    fact(default=True)
    pg_database.say(ROWS.format(day="2026-12-01", platform="x", n=1))
    if deed == "foreign key":
        pg_database.say(
            "CREATE TABLE note (id bigint, ts date, platform varchar(40), CONSTRAINT note_of "
            "FOREIGN KEY (id, ts, platform) REFERENCES fact ON DELETE CASCADE)"
        )
        pg_database.say("INSERT INTO note SELECT id, ts, platform FROM fact")
    else:
        pg_database.say(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'"
        )
        pg_database.say(
            "CREATE TRIGGER audit BEFORE DELETE ON fact FOR EACH ROW EXECUTE FUNCTION f()"
        )
    plan = plan_partitions(engine, MONTHS, clock=NOW)
    [notice] = [each for each in plan.notices if each.kind == "blocked"]
    assert notice.partition == "fact_default"
    assert ("note_of" if deed == "foreign key" else "audit") in notice.text
    apply_partitions(engine, plan)
    assert sorted(partitions(pg_database)) == [
        *("fact_2026_11", "fact_2027_01", "fact_2027_02", "fact_default")
    ]
    assert pg_database.say("SELECT count(*) FROM fact_default") == [(1,)]


def test_a_refused_statement_leaves_nothing(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact(default=True)
    plan = plan_partitions(engine, MONTHS, clock=NOW)
    pg_database.say(ROWS.format(day="2027-02-01", platform="x", n=1))  # after it was planned
    with pytest.raises(DatabaseError, match="could not make fact_2027_02 a partition of fact"):
        apply_partitions(engine, plan)
    assert list(partitions(pg_database)) == ["fact_default"]
    assert pg_database.say("SELECT to_regclass('fact_2026_11')::text") == [(None,)]
    apply_partitions(engine, plan_partitions(engine, MONTHS, clock=NOW))
    assert len(partitions(pg_database)) == 5


def test_a_lock_that_is_held_ends_the_plan_in_time(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    plan = plan_partitions(engine, MONTHS, clock=NOW)
    with engine.begin() as holder:
        holder.execute(sa.text("LOCK TABLE fact IN SHARE UPDATE EXCLUSIVE MODE"))
        with pytest.raises(DatabaseError, match="lock timeout"):
            apply_partitions(engine, plan, lock_timeout=0.05)
    assert partitions(pg_database) == {}
    with engine.connect() as connection:
        assert connection.execute(sa.text("SHOW lock_timeout")).scalar() == "0"


def test_a_table_in_use_can_be_read_and_written_while_months_are_added(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    apply_partitions(engine, plan_partitions(engine, MONTHS, clock=NOW))
    later = FakeClock(wall=dt.datetime(2027, 1, 1, tzinfo=dt.UTC).timestamp())
    with engine.begin() as busy:
        busy.execute(sa.text(ROWS.format(day="2026-11-02", platform="x", n=3)))
        plan = plan_partitions(engine, MONTHS, clock=later)
        apply_partitions(engine, plan, lock_timeout=2)
    assert len(partitions(pg_database)) == 6
    assert pg_database.say("SELECT count(*) FROM fact") == [(3,)]


def test_a_host_commits_what_ran_on_its_connection(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    with engine.connect() as connection:
        connection.execute(sa.text("SET LOCAL lock_timeout = '17s'"))
        plan = plan_partitions(connection, MONTHS, clock=NOW)
        apply_partitions(connection, plan)
        assert connection.execute(sa.text("SHOW lock_timeout")).scalar() == "17s"
        with pytest.raises(DatabaseError, match="already exists"):
            apply_partitions(connection, plan)
        # The savepoint is undone, the rest of the transaction lives on.
        assert len(plan_partitions(connection, MONTHS, clock=NOW).steps) == 0
        connection.rollback()
    assert partitions(pg_database) == {}
    with engine.begin() as connection:
        apply_partitions(connection, plan)
    assert len(partitions(pg_database)) == 4


def test_a_connection_that_commits_by_itself_is_refused(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    plan = plan_partitions(engine, MONTHS, clock=NOW)
    lonely = engine.execution_options(isolation_level="AUTOCOMMIT")
    with lonely.connect() as connection, pytest.raises(DatabaseError, match="transaction blocks"):
        apply_partitions(connection, plan)
    apply_partitions(lonely, plan)  # an engine can be asked for a transaction
    assert len(partitions(pg_database)) == 4


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_an_async_host_plans_and_applies(
    fact: Callable[..., None], pg_database: Database, driver: str
) -> None:
    fact("timestamptz", default=True)
    pg_database.say(ROWS.format(day="2026-12-01", platform="50% off", n=4))
    engine = create_async_engine(pg_database.url(driver))
    values = ByList(column="platform", values=["50% off", "it's", "a\\b", ":n"])
    spec = PartitionSpec(table="fact", by=[ByMonth(column="ts"), values], ahead=1)
    async with engine.begin() as connection:
        plan = await connection.run_sync(plan_partitions, spec, clock=NOW)
        assert (await connection.run_sync(apply_partitions, plan)).moved == 4
        assert not (await connection.run_sync(plan_partitions, spec, clock=NOW)).steps
    await engine.dispose()
    assert sorted(partitions(pg_database, "fact_2026_12").values()) == [
        "DEFAULT",
        "FOR VALUES IN ('50% off')",
        "FOR VALUES IN (':n')",
        "FOR VALUES IN ('a\\b')",
        "FOR VALUES IN ('it''s')",
    ]


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
@pytest.mark.parametrize("session", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_months_begin_in_the_time_zone_asked_for_whatever_the_session_has(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database, kind: str, session: str
) -> None:
    fact(kind)
    pg_database.say(f"ALTER DATABASE {pg_database} SET timezone = '{session}'")
    level = ByMonth(column="ts", timezone="America/New_York")
    spec = PartitionSpec(table="fact", by=[level], since="2026-03")
    apply_partitions(engine, plan_partitions(engine, spec, clock=NOW))
    again = plan_partitions(engine, spec, clock=NOW)
    assert (again.steps, again.notices) == ((), ())
    if kind == "timestamptz":
        for stamp, month in (
            ("2026-04-01 03:59:59+00", "2026_03"),  # New York is on summer time: UTC-4
            ("2026-04-01 04:00:00+00", "2026_04"),
            ("2027-01-01 04:59:59+00", "2026_12"),
            ("2027-01-01 05:00:00+00", "2027_01"),
        ):
            pg_database.say(ROWS.format(day=stamp, platform="x", n=1))
            [(found,)] = pg_database.say(
                f"SELECT tableoid::regclass::text FROM fact WHERE ts = '{stamp}'"
            )
            assert found == f"fact_{month}"


def test_months_past_those_that_stay_are_detached_without_a_lock_on_the_table(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    old = PartitionSpec(table="fact", by=[ByMonth(column="ts")], since="2026-06", ahead=0)
    apply_partitions(engine, plan_partitions(engine, old, clock=NOW))
    pg_database.say(ROWS.format(day="2026-07-31", platform="x", n=3))
    spec = PartitionSpec(table="fact", by=[ByMonth(column="ts")], ahead=0, keep=3)
    plan = plan_partitions(engine, spec, clock=NOW)
    assert [(step.partition, step.kind, step.alone) for step in plan.steps] == [
        ("fact_2026_06", "detach", True),
        ("fact_2026_07", "detach", True),
    ]
    assert [each.text.rpartition(": ")[2] for each in plan.notices] == [
        "DROP TABLE public.fact_2026_06;",
        "DROP TABLE public.fact_2026_07;",
    ]
    with engine.connect() as connection, pytest.raises(DatabaseError, match="hand over the engine"):
        apply_partitions(connection, plan)
    apply_partitions(engine, plan)
    assert list(partitions(pg_database)) == [f"fact_2026_{month}" for month in ("08", "09", 10, 11)]
    assert pg_database.say("SELECT count(*) FROM fact_2026_07") == [(3,)]
    assert not plan_partitions(engine, spec, clock=NOW).steps


def test_what_the_transaction_did_is_said_where_the_rest_could_not_begin(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    """The partitions are not as they were then; the next plan does the rest."""
    fact()
    old = PartitionSpec(table="fact", by=[ByMonth(column="ts")], since="2026-07", ahead=0)
    apply_partitions(engine, plan_partitions(engine, old, clock=NOW))
    spec = PartitionSpec(table="fact", by=[ByMonth(column="ts")], ahead=1, keep=3)
    plan = plan_partitions(engine, spec, clock=NOW)
    assert plan.together
    assert len(plan.alone) == 1
    lost = sa.create_engine(pg_database.url(), poolclass=sa.NullPool)

    @sa.event.listens_for(lost, "do_connect")
    def refuse(*_: object) -> None:
        if opened:
            raise sa.exc.OperationalError("", {}, ConnectionError("gone"))
        opened.append(True)

    opened: list[bool] = []
    with pytest.raises(DatabaseError) as caught:
        apply_partitions(lost, plan)
    assert "as they were" not in str(caught.value)
    assert str(caught.value).startswith(
        f"the {len(plan.together)} statements of the transaction are done"
    )
    assert "fact_2026_12" in partitions(pg_database)
    left = plan_partitions(engine, spec, clock=NOW)
    assert (len(left.together), len(left.alone)) == (0, 1)


def test_a_default_partition_makes_detaching_part_of_the_transaction(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact(default=True)
    old = PartitionSpec(table="fact", by=[ByMonth(column="ts")], since="2026-09", ahead=0)
    apply_partitions(engine, plan_partitions(engine, old, clock=NOW))
    pg_database.say(ROWS.format(day="2026-12-31", platform="x", n=3))
    spec = PartitionSpec(table="fact", by=[ByMonth(column="ts")], ahead=1, keep=1, drop=True)
    plan = plan_partitions(engine, spec, clock=NOW)
    assert [step.kind for step in plan.steps] == [
        *("lock", "detach", "drop", "create", "lock", "move", "attach")
    ]
    assert apply_partitions(engine, plan).moved == 3
    assert list(partitions(pg_database)) == [
        *("fact_2026_10", "fact_2026_11", "fact_2026_12", "fact_default")
    ]
    assert pg_database.say("SELECT to_regclass('fact_2026_09')::text") == [(None,)]


def test_a_detaching_that_was_interrupted_is_finished(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    old = PartitionSpec(table="fact", by=[ByMonth(column="ts")], since="2026-10", ahead=0)
    apply_partitions(engine, plan_partitions(engine, old, clock=NOW))
    spec = PartitionSpec(table="fact", by=[ByMonth(column="ts")], ahead=0, keep=0)
    plan = plan_partitions(engine, spec, clock=NOW)
    with engine.begin() as reader:
        reader.execute(sa.text("SELECT * FROM fact"))
        with pytest.raises(DatabaseError, match="could not detach fact_2026_10"):
            apply_partitions(engine, plan, lock_timeout=0.05)
    again = plan_partitions(engine, spec, clock=NOW)
    assert [step.kind for step in again.steps] == ["lock", "finalize"]
    apply_partitions(engine, again)
    assert list(partitions(pg_database)) == ["fact_2026_11"]


def test_a_table_keeps_its_schema_and_its_odd_names(
    engine: sa.Engine, pg_database: Database
) -> None:
    table = 'Größe "1" 50%'
    pg_database.say('CREATE SCHEMA "my own"')
    pg_database.say(
        'CREATE TABLE "my own"."Größe ""1"" 50%" ("the Day" date, "order" text) '
        'PARTITION BY RANGE ("the Day")'
    )
    spec = PartitionSpec(
        table=table,
        schema="my own",
        by=[ByMonth(column="the Day"), ByList(column="order", values=["é" * 40, "A b", "a-b"])],
        ahead=0,
    )
    apply_partitions(engine, plan_partitions(engine, spec, clock=NOW))
    with engine.connect() as connection:
        read = read_table(connection, table, "my own")
    [month] = read.partitions
    assert (month.schema, month.name) == ("my own", f"{table}_2026_11")
    assert len(month.partitions) == 4
    assert max(len(each.name.encode()) for each in month.partitions) <= 63
    assert not plan_partitions(engine, spec, clock=NOW).steps


def test_a_name_in_use_is_told_and_not_touched(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    pg_database.say("CREATE TABLE fact_2026_12 (old int)")
    plan = plan_partitions(engine, MONTHS, clock=NOW)
    assert [(each.kind, each.partition) for each in plan.notices] == [
        ("name", "fact_2026_12"),
        ("gap", None),
    ]
    apply_partitions(engine, plan)
    assert list(partitions(pg_database)) == ["fact_2026_11", "fact_2027_01", "fact_2027_02"]


def test_wider_and_crooked_partitions_are_told(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact()
    for name, bounds in {
        "y2025": "FROM (MINVALUE) TO ('2026-01-01')",
        "late": "FROM ('2027-02-10') TO (MAXVALUE)",
        "wide": "FROM ('2026-11-01') TO ('2027-01-01')",
    }.items():
        pg_database.say(f"CREATE TABLE {name} PARTITION OF fact FOR VALUES {bounds}")
    plan = plan_partitions(engine, MONTHS, clock=NOW)
    assert [(each.kind, each.partition) for each in plan.notices] == [
        *(("covered", "wide"), ("covered", "wide"), ("overlap", "late")),
        *(("gap", None), ("gap", None)),
    ]
    assert [each.text for each in plan.notices if each.kind == "gap"] == [
        "rows of fact from 2026-01-01 to 2026-11-01 are refused",
        "rows of fact from 2027-02-01 to 2027-02-10 are refused",
    ]
    apply_partitions(engine, plan)
    assert list(partitions(pg_database)) == ["fact_2027_01", "late", "wide", "y2025"]


def test_a_list_alone_is_planned_too(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database
) -> None:
    fact(by="platform")
    spec = PartitionSpec(table="fact", by=[ByList(column="platform", values=["x", "youtube"])])
    apply_partitions(engine, plan_partitions(engine, spec, clock=NOW))
    assert list(partitions(pg_database)) == ["fact_default", "fact_x", "fact_youtube"]
    inner = PartitionSpec(
        table="fact", by=[ByList(column="platform", values=["x"]), ByMonth(column="ts")]
    )
    plan = plan_partitions(engine, inner, clock=NOW)
    assert [(each.kind, each.partition) for each in plan.notices] == [("shape", "fact_x")]


@pytest.mark.parametrize(
    ("sql", "table", "told"),
    [
        ("CREATE TABLE t (ts date)", "t", "t is a table without partitions.*Convert a table"),
        ("CREATE VIEW t AS SELECT 1", "t", "t is a view"),
        ("SELECT 1", "t", "there is no table t"),
        ("CREATE TABLE t (ts int) PARTITION BY RANGE (ts)", "t", "ts is integer"),
        ("CREATE TABLE t (ts date) PARTITION BY LIST (ts)", "t", r"by list \(ts\), not by range"),
        ("CREATE TABLE t (ts date, b int) PARTITION BY RANGE (ts, b)", "t", r"range \(ts, b\)"),
        ("CREATE TABLE t (ts date) PARTITION BY RANGE ((ts + 1))", "t", "an expression"),
    ],
)
def test_a_table_that_is_not_partitioned_so_is_refused(
    engine: sa.Engine, pg_database: Database, sql: str, table: str, told: str
) -> None:
    pg_database.say(sql)
    with pytest.raises(DatabaseError, match=told):
        plan_partitions(engine, PartitionSpec(table=table, by=[ByMonth(column="ts")]), clock=NOW)


def test_another_database_is_refused() -> None:
    engine = sa.create_engine("sqlite://")
    with pytest.raises(DatabaseError, match="need PostgreSQL, and this is sqlite"):
        plan_partitions(engine, MONTHS)
    engine.dispose()


EXPLAINED = [
    ("SELECT * FROM fact WHERE ts = '2026-12-03' AND platform = 'x'", 1, None),
    ("SELECT * FROM fact WHERE ts >= '2026-12-01' AND ts < '2026-12-09'", 3, None),
    ("SELECT * FROM fact WHERE platform = 'x'", 12, None),
    ("SELECT * FROM fact WHERE ts > '2001-01-01'", 36, None),
    ("SELECT * FROM fact", 36, ("absent", "ts", None)),
    ("SELECT * FROM fact WHERE n = 3", 36, ("absent", "ts", None)),
    ("SELECT * FROM fact WHERE date(ts) = '2026-12-03'", 36, ("hidden", "ts", "date(ts)")),
    ("SELECT * FROM fact WHERE ts::date = '2026-12-03'", 36, ("hidden", "ts", "(ts)::date")),
    (
        "SELECT * FROM fact f WHERE extract(year FROM f.ts) = 2026",
        36,
        ("hidden", "ts", "EXTRACT(year FROM ts)"),
    ),
    (
        "SELECT * FROM fact WHERE ts + interval '1 day' > '2026-12-03'",
        36,
        ("hidden", "ts", "(ts + ''::interval)"),
    ),
    ("SELECT * FROM fact WHERE upper(platform) = 'X'", 36, ("hidden", "platform", None)),
]


@pytest.mark.parametrize(("sql", "scanned", "expected"), EXPLAINED)
def test_advice_names_the_key_that_a_statement_hides(
    engine: sa.Engine,
    fact: Callable[..., None],
    sql: str,
    scanned: int,
    expected: Any,
) -> None:
    fact("timestamp")
    spec = PartitionSpec(table="fact", by=BOTH.by, since="2026-01", ahead=1)
    with engine.begin() as connection:
        apply_partitions(connection, plan_partitions(connection, spec, clock=NOW))
        table = read_table(connection, "fact")
        plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}").scalar_one()
    scan = scan_of(plan, table)
    advice = partition_advice(scan)
    if expected is None:
        assert (scan.scanned, advice) == (scanned, None)
        return
    assert advice is not None
    why, column, expression = expected
    assert (advice.why, advice.column, advice.scanned) == (why, column, scan.total)
    assert expression is None or advice.expression == expression
    assert column in advice.text


@pytest.fixture
def metadata() -> sa.MetaData:
    held = sa.MetaData()
    sa.Table(
        "fact",
        held,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("ts", sa.Date, primary_key=True),
        sa.Column("platform", sa.String(40), primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("twice", sa.Integer, sa.Computed("n * 2")),
        sa.Index("fact_n", "n"),
        postgresql_partition_by="RANGE (ts)",
    )
    return held


def test_alembic_leaves_partitions_alone_and_sees_the_rest(
    engine: sa.Engine, fact: Callable[..., None], pg_database: Database, metadata: sa.MetaData
) -> None:
    fact()
    spec = PartitionSpec(table="fact", by=BOTH.by, since="2026-09", ahead=0)
    apply_partitions(engine, plan_partitions(engine, spec, clock=NOW))
    kept = PartitionSpec(table="fact", by=BOTH.by, ahead=0, keep=1)
    apply_partitions(engine, plan_partitions(engine, kept, clock=NOW))
    pg_database.say("CREATE TABLE forgotten (id int)")
    pg_database.say("CREATE TABLE facts_2026 (id int)")
    pg_database.say("CREATE TABLE legacy (id int)")

    def dropped(**options: Any) -> list[str]:
        with engine.connect() as connection:
            filters = {name: make(connection) for name, make in options.items()}
            context = MigrationContext.configure(connection, opts=filters)
            found = compare_metadata(context, metadata)
        assert {each[0] for each in found} <= {"remove_table", "remove_index"}
        return sorted(each[1].name for each in found if each[0] == "remove_table")

    assert len(dropped()) == 15
    assert dropped(include_object=partition_filter) == ["facts_2026", "forgotten", "legacy"]

    def own(target: Any, name: str, kind: str, reflected: bool, compare_to: Any) -> bool:
        return name != "legacy"

    assert dropped(include_object=lambda connection: partition_filter(connection, own)) == [
        *("facts_2026", "forgotten")
    ]


def test_alembic_still_compares_a_partition_that_the_metadata_declares(
    engine: sa.Engine, fact: Callable[..., None], metadata: sa.MetaData
) -> None:
    fact()
    apply_partitions(engine, plan_partitions(engine, MONTHS, clock=NOW))
    sa.Table("fact_2026_11", metadata, sa.Column("added", sa.Integer))
    with engine.connect() as connection:
        opts = {"include_object": partition_filter(connection)}
        found = compare_metadata(MigrationContext.configure(connection, opts=opts), metadata)
    assert ("add_column", "fact_2026_11") in {
        each[:1] + each[2:3] for each in found if each[0] == "add_column"
    }
    assert not [each for each in found if each[0] == "remove_table"]


def test_a_filter_on_another_database_asks_nothing() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        include = partition_filter(connection)
        assert include(sa.Table("t", sa.MetaData()), "t", "table", True, None)
    engine.dispose()
