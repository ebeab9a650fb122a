"""What is shown of a statement holds none of its values."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    DateTime,
    Enum,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg, psycopg

from hhs_perf.database.seen.masking import LONGEST, mask, operation_of, tables_of

# Letters that occur in nothing but values here.
SECRET = st.text(alphabet="zq7 'é-*/$\"\\;,()\n%:?\0\ud800", max_size=30)
TAGS = st.sampled_from(["", "a", "a1", "tag_9", "é"])


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def dollar_quoted(text: str, tag: str) -> str:
    return f"${tag}${text.replace('$', '')}${tag}$"


VALUES = st.one_of(
    SECRET.map(quoted),
    SECRET.map(lambda text: "N" + quoted(text)),
    SECRET.map(lambda text: "E" + quoted(text.replace("\\", "\\\\"))),
    SECRET.map(lambda text: "e'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    st.builds(dollar_quoted, SECRET, TAGS),
    st.sampled_from(["x'7a7A'", "X'77'", "b'101'", "U&'\\0437z' UESCAPE '!'", "0x7F", "7_000"]),
    st.integers(min_value=0).map(str),
    st.floats(min_value=0, allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from([".7e-7", "7.", "7e7", "77zq", "-7", "+ 7", "$7", ":7"]),
    SECRET.map(lambda text: "1 -- " + text.replace("\n", "") + "\n"),
    SECRET.map(lambda text: "1 /* " + text.replace("*", "").replace("/", "") + " */"),
)


@given(
    values=st.lists(VALUES, min_size=1, max_size=5),
    dialect=st.sampled_from(["sqlite", "postgresql"]),
)
@example(values=["'C:\\'", "'zq'"], dialect="postgresql")
@example(values=["$a1$z q$a1$"], dialect="postgresql")
@example(values=[".7e7"], dialect="sqlite")
@example(values=["ARRAY[E'zq', 'z']"], dialect="postgresql")
def test_no_value_survives(values: list[str], dialect: str):
    """Whatever the literal, and wherever it stands, nothing of it is shown."""
    masked = mask(f"SELECT a FROM t WHERE b IN ({', '.join(values)}) AND c = {values[0]}", dialect)
    assert not set(masked) & set("zq7é\0"), masked
    assert masked.startswith("SELECT a FROM t WHERE b IN (")


@given(start=st.sampled_from(["'", "E'", "$$", "$a1$", "/*", "--", '"', "`"]), text=SECRET)
def test_what_does_not_end_is_a_value(start: str, text: str):
    """A statement cut off in the midst of a value shows nothing of that."""
    text = text.replace("\n", "")
    for end in ("'", '"', "`", "$", "*"):
        text = text.replace(end, "")
    for dialect in ("sqlite", "postgresql", "mysql"):
        masked = mask(f"SELECT a FROM t WHERE b = {start}{text}", dialect)
        assert not set(masked) & set("zq7é"), masked


def test_mysql_escapes_with_backslashes_and_quotes_with_double_quotes():
    """There a backslash keeps a string open, and a double quote begins one."""
    masked = mask("""SELECT a FROM `t` WHERE b = 'it\\'s z' AND c = "z\\"q" # z'q""", "mysql")
    assert masked == "SELECT a FROM `t` WHERE b = ? AND c = ?"


def test_comments_within_comments_end_where_postgresql_ends_them():
    """PostgreSQL counts them; what follows the first end is comment still."""
    sql = "SELECT /* a /* b /* c */ */ zq */ 1 FROM t"
    assert mask(sql, "postgresql") == "SELECT ? FROM t"


@given(st.text(max_size=200))
def test_any_text_is_masked_and_can_be_written(text: str):
    """No text is refused, and what comes out is UTF-8, surrogates or not."""
    for dialect in ("sqlite", "postgresql", "mysql"):
        mask(text, dialect).encode()


def test_names_stay():
    """Quoted or not, names are what tells statements apart."""
    sql = 'SELECT "a b".c, `d`, [Order Details].x2, t$1.y FROM s3.t9 WHERE ñandú = 1'
    assert mask(sql) == sql.replace("= 1", "= ?")


TABLE = Table(
    "orders",
    MetaData(schema="shop"),
    Column("id", Integer, primary_key=True),
    Column("name", String(20)),
    Column("price", Numeric(10, 2)),
    Column("at", DateTime(timezone=True)),
    Column("state", Enum("open", "closed", name="Order State", schema="shop")),
)
DRIVERS = [sqlite.dialect(), psycopg.dialect(), asyncpg.dialect()]


@pytest.mark.parametrize("driver", DRIVERS, ids=["sqlite", "psycopg", "asyncpg"])
def test_any_number_of_values_in_a_list_is_one_statement(driver):
    """As many arities as there are, SQLAlchemy's text or the driver's: one text."""
    texts = set()
    for arity in range(1, 401):
        query = select(TABLE.c.id).where(TABLE.c.id.in_(range(arity)), TABLE.c.name != "x")
        texts.add(mask(str(query.compile(dialect=driver)), driver.name))
        whole = query.compile(dialect=driver, compile_kwargs={"render_postcompile": True})
        texts.add(mask(str(whole), driver.name))
    assert len(texts) == 1
    assert "IN (?)" in texts.pop()


STATEMENTS = {
    "in": select(TABLE).where(TABLE.c.state.in_(["open"]), TABLE.c.price > 1),
    "tuples": select(TABLE.c.id).where(tuple_(TABLE.c.id, TABLE.c.name).in_([(1, "a"), (2, "b")])),
    "types": select(TABLE.c.id).where(TABLE.c.at > literal("2024", DateTime(timezone=True))),
    "insert": insert(TABLE).values(id=1, name="a", price=1, state="open"),
    "update": update(TABLE).values(price=2).where(TABLE.c.id == 1),
    "page": select(TABLE.c.id).limit(10).offset(5),
    "negative": select(TABLE.c.id).where(TABLE.c.id == -5),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_drivers_make_no_difference(name: str):
    """One statement has one text with SQLite, psycopg and asyncpg."""
    texts = set()
    for driver in DRIVERS:
        compiled = STATEMENTS[name].compile(dialect=driver)
        texts.add(mask(str(compiled), driver.name))
    assert len(texts) == 1, texts


def test_rows_of_values_are_one_row():
    """However many rows are inserted at once."""
    many = ", ".join(f"({n}, now(), 'x{n}')" for n in range(50))
    assert mask(f"INSERT INTO t VALUES {many}") == "INSERT INTO t VALUES (?, now(), ?)"
    assert mask("INSERT INTO t VALUES (1, 2), (3, 4)") == "INSERT INTO t VALUES (?)"
    assert mask("SELECT 1 WHERE a IN (-1, +2, 3)") == "SELECT ? WHERE a IN (?)"


def test_savepoints_have_no_names():
    """SQLAlchemy numbers them."""
    for text in ("SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT"):
        assert mask(f"{text} sa_savepoint_7") == f"{text} ?"


def test_long_lists_cut_off_are_one_statement():
    """What is read of a long statement ends somewhere in its values, which makes no difference."""
    texts = {
        mask("SELECT a FROM t WHERE b IN (" + ", ".join(str(first + n) for n in range(9000)) + ")")
        for first in (1, 50, 99_000, 1_234_567)
    }
    assert texts == {"SELECT a FROM t WHERE b IN (?)"}
    assert len({mask("INSERT INTO t VALUES " + f"({n}, 'x'), " * 9000) for n in (1, 22, 333)}) == 1


@pytest.mark.parametrize(
    "piece",
    ["'", "''\\", "/*", "/* ", "(", "VALUES (", "$a$", "a", "1", "[a ", "?::x", ":", "--\n", '"',
     "(?, ", "(?", "VALUES (?,now()),", "x.1e", " ", "= - ?", "IN (1,", "é", "%(a)s::a.b,"],
)  # fmt: skip
def test_a_megabyte_is_masked_at_once(piece: str):
    """Only the beginning is read, and no text makes the reading slow."""
    text = piece * (1_000_000 // len(piece))
    best = 1.0
    for _ in range(5):
        began = process_time()
        masked = mask(text, "postgresql")
        best = min(best, process_time() - began)
    assert len(masked) <= LONGEST + 10
    assert best < 0.05  # some 5 ms; what goes back and forth takes seconds


def test_operations_and_tables_are_read_from_masked_texts():
    """The first word, and what stands where tables do."""
    masked = mask('SELECT * FROM "users" u JOIN shop.orders o ON 1 = 1, (SELECT 1 FROM `x`) y')
    assert operation_of(masked) == "SELECT"
    assert tables_of(masked) == ("users", "shop.orders", "x")
    assert operation_of("(SELECT ?") == "SELECT"
    assert operation_of("? ? ?") == "OTHER"
    assert operation_of("") == "OTHER"
