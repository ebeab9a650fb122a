"""Names and lines of the indexes that are advised."""

from sqlalchemy.dialects import postgresql, sqlite

from hhs_perf.database.indexes.merging import Wish, merge
from hhs_perf.database.indexes.migration import alembic_line, create_sql, index_name


def test_long_names_are_shortened_to_what_postgresql_takes():
    """They stay different where their columns are."""
    one = index_name("t" * 60, ("a", "b"))
    other = index_name("t" * 60, ("a", "c"))
    assert len(one) == len(other) == 63
    assert one != other
    assert len(index_name("ü" * 60, ("a",)).encode()) <= 63


def test_schema_and_operators_stand_in_the_line():
    """All that the migration needs."""
    line = alembic_line("ix", "t", "s", ("a", "b"), {"a"})
    assert line == (
        'op.create_index("ix", "t", ["a", "b"], schema="s",'
        ' postgresql_ops={"a": "text_pattern_ops"})'
    )


def test_writers_are_not_kept_waiting_where_that_can_be():
    """PostgreSQL builds concurrently; SQLite cannot."""
    dialect = postgresql.dialect()
    assert create_sql(dialect, "ix", "order", "s", ("group",)) == (
        'CREATE INDEX CONCURRENTLY ix ON s."order" ("group")'
    )
    assert create_sql(sqlite.dialect(), "ix", "t", None, ("a",)) == "CREATE INDEX ix ON t (a)"


def wish(*columns, statement=None, gain=None, table="t"):
    return Wish(
        table=table,
        schema=None,
        columns=columns,
        reason=f"for {statement}",
        statement=statement,
        gain=gain,
        rows=5000,
    )


def test_one_index_stands_for_those_that_begin_it():
    """The longest one serves all, foreign keys included; columns in another order do not."""
    found = merge(
        sqlite.dialect(),
        [
            wish("a", statement="one", gain=5.0),
            wish("a", "b", statement="two", gain=3.0),
            wish("b", "a", statement="three", gain=9.0),
            wish("a"),
            wish("c"),
        ],
    )
    assert [(one.columns, one.kind, one.statements, one.gain) for one in found] == [
        (("b", "a"), "query", ("three",), 9.0),
        (("a", "b"), "query", ("two", "one"), 5.0),
        (("c",), "foreign_key", (), None),
    ]
