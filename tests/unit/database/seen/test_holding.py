"""Fetching is taken for done where the driver holds the rows, and nowhere else."""

from __future__ import annotations

import sys

import pytest
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg
from sqlalchemy.dialects.postgresql.psycopg import dialect_async as psycopg_async
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as aiosqlite
from sqlalchemy.dialects.sqlite.pysqlite import dialect as pysqlite

from hhs_perf.database.seen.holding import FETCHED, NO_ROWS, UNKNOWN, rows_held
from hhs_perf.database.seen.shapes import Shape

READ = Shape("SELECT a FROM b", "read", has_rows=True)
RETURNING = Shape("INSERT INTO b RETURNING a", "other", has_rows=True)


@pytest.mark.parametrize(
    ("make", "held"),
    [
        (asyncpg, sys.maxsize),
        (psycopg_async, sys.maxsize),
        (psycopg, 4),
        (aiosqlite, FETCHED),
        (pysqlite, FETCHED),
    ],
)
def test_each_driver_holds_what_it_says(make, held):
    """That of SQLite's adapter never says how many rows there are."""
    assert rows_held(READ, make(), 2) == held


@pytest.mark.parametrize(("columns", "held"), [(1, 8), (3, 2), (8, 1), (9, FETCHED), (0, FETCHED)])
def test_few_are_values_rather_than_rows(columns, held):
    """A row of many columns is made of what was received in a time that counts."""
    assert rows_held(READ, psycopg(), columns) == held


def test_what_changes_data_is_fetched_and_what_has_no_rows_is_not():
    """Batches of insertmanyvalues are gathered from several executions."""
    assert rows_held(RETURNING, asyncpg(), 1) == FETCHED
    assert rows_held(Shape("DELETE FROM b", "other", has_rows=False), asyncpg(), 0) == NO_ROWS
    assert rows_held(Shape("CALL c()", "other", has_rows=None), asyncpg(), 0) == UNKNOWN
