"""What is a loop that asks for one row after the other, and what only looks like one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, create_engine, select, text
from sqlalchemy.pool import StaticPool

from hhs_perf import Monitor
from hhs_perf.database import QueryScope

METADATA = MetaData()
ROWS = Table("rows", METADATA, Column("id", Integer, primary_key=True), Column("owner", Integer))


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.execute(ROWS.insert(), [{"owner": number % 7} for number in range(60)])
        yield connection
    engine.dispose()


@pytest.fixture
def scope(connection: Connection) -> Iterator[QueryScope]:
    monitor = Monitor(installed_plugins=False, tick=False)
    monitor.database.instrument(connection.engine)
    with monitor.database.scope() as scope:
        yield scope
    assert not monitor.faults
    monitor.close()


def test_pages_that_go_on_after_the_last_key_are_no_loop(connection: Connection, scope: QueryScope):
    last = 0
    while rows := connection.execute(
        select(ROWS.c.id).where(ROWS.c.id > last).order_by(ROWS.c.id).limit(5)
    ).all():
        last = rows[-1].id
    assert scope.queries == 13
    assert scope.findings == ()


def test_the_first_rows_of_each_parent_are_one(connection: Connection, scope: QueryScope):
    """A LIMIT and a range that stays do not make pages."""
    for owner in range(7):
        query = select(ROWS.c.id).where(ROWS.c.owner == owner, ROWS.c.id > 3).limit(3)
        connection.execute(query).all()
    [found] = scope.findings
    assert (found.kind, found.count) == ("loop", 7)


def test_asking_the_same_again_and_again_is_polling(connection: Connection, scope: QueryScope):
    for _ in range(10):
        connection.execute(select(ROWS.c.id).where(ROWS.c.owner == 3)).all()
        connection.execute(text("select count(*) from rows where owner = :o"), {"o": 3}).all()
        connection.exec_driver_sql("select 1 where 1 = ?", (1,)).all()
    assert scope.findings == ()


def test_it_is_a_loop_as_soon_as_the_values_move(connection: Connection, scope: QueryScope):
    for turn in range(20):
        connection.execute(select(ROWS.c.id).where(ROWS.c.owner == max(turn - 10, 0))).all()
    [found] = scope.findings
    assert found.count == 20
