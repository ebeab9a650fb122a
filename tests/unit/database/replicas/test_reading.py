"""Which statements may run on a replica."""

from __future__ import annotations

import pytest
from sqlalchemy import (
    Integer,
    Sequence,
    column,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    text,
    union,
    update,
    values,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column, selectinload

from hhs_perf.database.replicas import reading
from hhs_perf.database.replicas.reading import Manners, manner_of, manner_of_text


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


INSERTED = insert(Account).values(id=1, name="a").returning(Account.id).cte()
LOCKED = select(Account.id).with_for_update()

READS = {
    "entity": select(Account).where(Account.name == "a").order_by(Account.id).limit(5),
    "alias": select(aliased(Account)),
    "union": union(select(Account.id), select(Account.id)),
    "exists": exists().select(),
    "subquery": select(select(Account.id).subquery()),
    "a read-only CTE": select(select(Account.id).cte()),
    "count": select(func.count()).select_from(Account),
    "text": text("SELECT * FROM account"),
    "columns of text": text("SELECT 1").columns(Account.id),
    "entities from text": select(Account).from_statement(text("SELECT * FROM account")),
    "a condition in text": select(Account.id).where(text("name = 'FOR UPDATE' AND \"id\" = 1")),
    "a text in an IN list": select(Account.id).where(text('"id" IN (1, 2)')),
    "a prefix": select(Account.id).prefix_with("ALL"),
    "a hint": select(Account.id).with_statement_hint("/*+ SeqScan(account) */"),
    "an operator": select(Account.id.op("@>")(1)),
    "functions of the catalogue": select(func.pg_catalog.lower("a"), func.now(), func.max(1)),
    "text functions of the catalogue": text(
        "SELECT count(*), pg_catalog.lower(name), CAST(id AS numeric(3, 1)) FROM account"
        " WHERE id IN (SELECT 1) AND (name = 'bump(1)') GROUP BY (name)"
    ),
    "values within": select(values(column("a", Integer), name="v").data([(1,)])),
}
WRITES = {
    "insert": insert(Account),
    "update": update(Account),
    "delete": delete(Account),
    "insert returning": insert(Account).returning(Account),
    "insert within a CTE": select(INSERTED),
    "insert beside": select(1).add_cte(INSERTED),
    "entities from an insert": select(Account).from_statement(insert(Account).returning(Account)),
    "entities from a text's update": select(Account).from_statement(
        text("UPDATE account SET name = '' RETURNING *")
    ),
    "columns of a text's update": text("UPDATE account SET id = 1 RETURNING id").columns(
        Account.id
    ),
    "nextval": select(func.nextval("s")),
    "a sequence": select(Sequence("s").next_value()),
    "setval of a schema": select(func.pg_catalog.setval("s", 1)),
    "set_config": select(func.set_config("a.b", "c", True)),
    "an advisory lock": select(func.pg_advisory_xact_lock(1)),
    "a sequence in a text within": select(text("nextval('s')")),
    "a sequence in a literal column": select(literal_column("nextval('s')")),
    "a quoted sequence in a text within": select(text("\"nextval\"('s')")),
    "a write in a text within": select(text("*")).select_from(text("(DELETE FROM t RETURNING a)")),
    "a second statement in a text within": select(Account.id).where(text("true; SELECT 1")),
    "a write in a literal column": select(literal_column("(UPDATE t SET a = 1 RETURNING a)")),
    "a prefix that writes": select(Account.id).prefix_with("nextval('s'),"),
    "a suffix that writes": select(Account.id).suffix_with("INTO OUTFILE 'x'"),
    "an operator that writes": select(Account.id.op("= nextval('s') +")(1)),
    "a hint of MySQL's that it executes": select(Account.id).prefix_with("/*! SQL_NO_CACHE */"),
    "a function alone": func.now(),
    "a sequence alone": Sequence("s"),
}
CALLS = {
    "a function": select(func.bump(1)),
    "a function with a schema": select(func.app.lower("a")),
    "a function in a condition": select(Account.id).where(func.bump(Account.id) > 0),
    "a function in a subquery": select(select(func.bump(1)).subquery()),
    "a function as a table": select(func.bump(1).table_valued("id")),
    "a function in a text": text("SELECT bump(1)"),
    "a function with a schema in a text": text("SELECT app.lower('a')"),
    "a function in a text within": select(Account.id).where(text("bump (1) > 0")),
    "a function in a literal column": select(literal_column("bump(1)")),
    "columns of a text's function": text("SELECT bump(1)").columns(Account.id),
}
LOCKS = {
    "for update": select(Account).with_for_update(),
    "for share": select(Account).with_for_update(read=True),
    "for update within": select(LOCKED.subquery()),
    "for update in a CTE": select(LOCKED.cte()),
    "for update in a union": union(LOCKED, select(Account.id)),
    "for update in a text within": select(Account.id).where(text("1 = 1 FOR UPDATE")),
    "for update behind a text's table": select(text("*")).select_from(text("t FOR UPDATE")),
    "for update as a suffix": select(Account.id).suffix_with("FOR UPDATE"),
    "for update as the suffix of a CTE": select(
        select(Account.id).cte().suffix_with("FOR NO KEY UPDATE")
    ),
    "for update as a hint of the statement": select(Account.id).with_statement_hint("FOR UPDATE"),
    "for update as a hint of a table": select(Account.id).with_hint(Account, "FOR UPDATE"),
}


@pytest.mark.parametrize("name", READS)
def test_what_only_reads_may_go_to_a_replica(name):
    assert manner_of(READS[name]) == "read"


@pytest.mark.parametrize("name", WRITES)
def test_what_writes_anywhere_within_is_a_write(name):
    assert manner_of(WRITES[name]) == "write"


@pytest.mark.parametrize("name", CALLS)
def test_what_calls_a_function_not_known_to_only_read_may_do_either(name):
    assert manner_of(CALLS[name]) == "call"


def test_what_calls_a_function_and_writes_is_a_write():
    assert manner_of(select(func.bump(1), func.nextval("s"))) == "write"
    assert manner_of_text("SELECT bump(1), nextval('s')") == "write"
    assert manner_of(select(func.bump(1)).with_for_update()) == "for update"


@pytest.mark.parametrize("name", LOCKS)
def test_what_locks_rows_anywhere_within_is_for_the_primary(name):
    assert manner_of(LOCKS[name]) == "for update"


def test_loader_options_change_nothing():
    assert manner_of(select(Account).options(selectinload("*"))) == "read"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "  select 1;  ",
        "/* who */ SELECT 1 -- why",
        "-- insert into t\nSELECT 1",
        "(SELECT 1) UNION (SELECT 2)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "VALUES (1), (2)",
        "SHOW work_mem",
        "EXPLAIN SELECT 1",
        "TABLE account",
        "SELECT 'DELETE FROM t; FOR UPDATE', 'it''s -- no comment'",
        'SELECT "update" FROM "insert into"',
        "SELECT $$ FOR UPDATE; $$, $a$ $$ DELETE $a$",
        "SELECT last_update, inserted FROM t",
        "SELECT 1 /* 'x */",
    ],
)
def test_a_text_that_plainly_reads_is_a_read(sql):
    assert manner_of_text(sql) == "read"


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "INSERT INTO t VALUES (1)",
        "-- SELECT\nDELETE FROM t",
        "/* SELECT */ UPDATE t SET a = 1",
        "WITH a AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM a",
        "WITH a AS (SELECT 1) DELETE FROM t",
        "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
        "SELECT * INTO t FROM s",
        "SELECT 1; DELETE FROM t",
        "SELECT nextval('s')",
        "SELECT pg_catalog.setval ('s', 1)",
        "SELECT \"nextval\"('s')",
        'SELECT "pg_catalog"."nextval" /* who */ (\'s\')',
        "SELECT `get_lock`('a', 1)",
        "SELECT pg_try_advisory_lock(1)",
        "SELECT set_config('a.b', 'c', true)",
        "EXPLAIN ANALYZE DELETE FROM t",
        "CALL f()",
        "DO $$ BEGIN END $$",
        "LOCK TABLE t",
        "SET LOCAL work_mem = '1MB'",
        "COPY t FROM STDIN",
        "VACUUM",
        "SELECT /*! 1 INTO OUTFILE 'x' */ 1",
        "/* /* */ INSERT INTO t VALUES (1) -- */",
        r"SELECT E'\'' , 'x'; DELETE FROM t --'",
        "SELECT 'open",
        "SELECT " + "1, " * 10_000 + "1",
    ],
)
def test_a_text_in_any_doubt_is_a_write(sql):
    assert manner_of_text(sql) == "write"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t FOR UPDATE",
        "select * from t for no key update skip locked",
        "SELECT * FROM t FOR /* all */ KEY SHARE",
        "SELECT * FROM t LOCK IN SHARE MODE",
    ],
)
def test_a_text_that_locks_rows_is_for_the_primary(sql):
    assert manner_of_text(sql) == "for update"


def test_what_is_remembered_of_a_statement_is_what_it_does():
    manners = Manners()
    for statement in (READS | CALLS | WRITES | LOCKS).values():
        assert manners.of(statement) == manner_of(statement)
        assert manners.of(statement) == manner_of(statement)
    assert manners.of(select(Account).where(Account.id == 1)) == "read"
    assert manners.of(select(Account).where(Account.id == 1).with_for_update()) == "for update"


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(reading, "_MOST_KNOWN", 10)
    manners = Manners()
    for number in range(100):
        manners.of(select(literal_column(f"a{number}")))
    assert len(manners._known) <= 10
