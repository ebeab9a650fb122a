"""Slow statements are kept, few of them, and nothing of their values is shown."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, insert, select, text
from sqlalchemy.exc import OperationalError

from hhs_perf import Monitor
from hhs_perf.database.profile import MOST_QUERIES, digest_of
from hhs_perf.database.seen.slow import (
    MOST_SOURCE_BYTES,
    SlowBook,
    SlowStatement,
    source_of,
)

from .conftest import USERS, Seen

SECRET = "swordfish"


@pytest.fixture
def slow(engine: Engine, make_monitor: Callable[..., Monitor]) -> Iterator[Seen]:
    """An engine of which every statement is slow, and profiled."""
    monitor = make_monitor(slow_query=1e-9, profiling=True)
    monitor.database.instrument(engine)
    yield Seen(engine, monitor)
    assert not monitor.faults


def test_latest_are_kept_with_what_they_took(slow: Seen):
    """At most a hundred, newest first; the line and the route with each."""
    with slow.database.scope("report"), slow.engine.connect() as connection:
        for number in range(150):
            connection.execute(select(USERS.c.id).where(USERS.c.id < number)).all()
    latest = slow.database.slow_latest()
    assert len(latest) == 100
    assert [each.rows for each in latest][:2] == [20, 20]
    assert all(each.seconds >= each.fetch_seconds > 0 for each in latest)
    assert {each.route for each in latest} == {"report"}
    assert {each.line.function for each in latest} == {"test_latest_are_kept_with_what_they_took"}
    assert slow.only().slow == 150


def test_statements_are_kept_for_a_closer_look(slow: Seen):
    """The latest of each, with engine, tree and parameters, at most two hundred."""
    with slow.engine.connect() as connection:
        for number in range(300):
            connection.exec_driver_sql(f"SELECT {number} AS a{number}").all()
        connection.execute(select(USERS.c.id).where(USERS.c.id == 7)).all()
    kept = slow.database.slow_statements()
    assert len(kept) == 200
    assert kept[-1].engine is slow.engine
    assert kept[-1].clause is not None
    assert kept[-1].parameters == (7,)
    assert kept[-1].driver_sql.endswith("users.id = ?")


def test_engines_with_options_do_not_take_the_engine_away(slow: Seen):
    """The engine of a slow statement is the one that stays."""
    made = slow.engine.execution_options(a=1).execution_options(b=2)
    with made.connect() as connection:
        connection.execute(select(USERS.c.id)).all()
    del made, connection
    gc.collect()
    assert slow.database.slow_statements()[0].engine is slow.engine


def test_large_values_are_not_kept(slow: Seen):
    """Neither a megabyte of text nor a thousand parameters."""
    with slow.engine.connect() as connection:
        connection.execute(select(func.length(text(":a"))), {"a": "x" * 1_000_000}).all()
        (kept,) = slow.database.slow_statements()
        assert kept.parameters is None
        connection.exec_driver_sql("SELECT '" + "x" * 1_000_000 + "' AS b").all()
    kept = slow.database.slow_statements()[-1]
    assert kept.source is None
    assert kept.driver_sql == kept.sql == "SELECT ?"


class Hostile(str):
    """A value that will not be looked at."""

    __slots__ = ()

    def __len__(self) -> int:
        raise ZeroDivisionError

    def __repr__(self) -> str:
        raise ZeroDivisionError

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    __hash__ = str.__hash__


def test_hostile_values_are_left_alone(slow: Seen):
    """They are no fault of anybody's."""
    with slow.database.scope(), slow.engine.connect() as connection:
        for _ in range(3):
            found = connection.execute(text("SELECT :a"), {"a": Hostile("x")}).scalar()
            assert found == "x"
    assert slow.only().slow == 3
    assert slow.database.slow_statements()[0].parameters is None


def everything(value: Any, depth: int = 6) -> Iterator[str]:
    """Return each text that a value shows when it is written or printed."""
    yield repr(value)
    if depth and hasattr(value, "__attrs_attrs__"):
        for field in value.__attrs_attrs__:
            if field.repr is not False:
                yield from everything(getattr(value, field.name), depth - 1)


def test_no_value_is_shown_anywhere(slow: Seen, caplog: pytest.LogCaptureFixture):
    """Not in texts of statements, errors, findings, profiles or what is logged."""
    with (
        caplog.at_level(logging.DEBUG, logger="hhs_perf"),
        slow.database.scope(n_plus_one="record") as scope,
        slow.engine.connect() as connection,
    ):
        for number in range(8):
            connection.exec_driver_sql(f"SELECT '{SECRET}', '{SECRET}{number}' -- {SECRET}").all()
            connection.execute(select(USERS.c.id).where(USERS.c.name == f"{SECRET}{number}")).all()
        connection.execute(insert(USERS), [{"name": SECRET}, {"name": SECRET}])
        with pytest.raises(OperationalError):
            connection.exec_driver_sql(f"SELECT nonsense('{SECRET}'")
    assert scope.findings
    shown = [
        caplog.text,
        *(str(finding) for finding in scope.findings),
        *(text for each in slow.database.slow_latest() for text in everything(each)),
        *(text for each in slow.database.slow_statements() for text in everything(each)),
        *(text for each in slow.database.findings.all() for text in everything(each.finding)),
        *(text for each in slow.database.profiles.latest() for text in everything(each)),
        *(f"{each.key} {each.shape.sql} {each.lines}" for each in slow.database.statements),
        json.dumps(sorted(slow.statements(with_ddl=True))),
    ]
    assert len(shown) > 40
    assert not [text for text in shown if SECRET in text]


def test_profiles_tell_every_query_and_its_duplicates(slow: Seen):
    """In their order, with rows and times; the same parameters twice are a duplicate."""
    with slow.database.scope("page"), slow.engine.connect() as connection:
        for number in (1, 2, 2, 2):
            connection.execute(select(USERS.c.name).where(USERS.c.id == number)).all()
        connection.execute(USERS.update().where(USERS.c.id < 4).values(name="z"))
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT nonsense"))
    (profile,) = slow.database.profiles.latest()
    assert profile.name == "page"
    assert [query.rows for query in profile.queries] == [1, 1, 1, 1, 3, 0]
    assert [query.failed for query in profile.queries] == [False] * 5 + [True]
    assert sorted(profile.duplicates().values()) == [2]
    assert 0 < profile.query_seconds <= profile.seconds
    assert all(query.line is not None for query in profile.queries)


def test_profiles_are_bounded(slow: Seen):
    """500 queries of one request, the latest fifty requests."""
    for number in range(60):
        with slow.database.scope(str(number)), slow.engine.connect() as connection:
            for _ in range(MOST_QUERIES + 7 if number == 59 else 1):
                connection.execute(select(1)).all()
    profiles = slow.database.profiles.latest()
    assert [each.name for each in profiles] == [str(n) for n in range(59, 9, -1)]
    assert len(profiles[0].queries) == MOST_QUERIES
    assert profiles[0].left_out == 7


def test_digests_are_equal_for_equal_parameters_only():
    """And say nothing of them."""
    assert digest_of("SELECT ?", (1,)) == digest_of("SELECT ?", (1,))
    assert digest_of("SELECT ?", (1,)) != digest_of("SELECT ?", (2,))
    assert digest_of("SELECT ?", (Hostile("x"),)) != digest_of("SELECT ?", (1,))
    assert digest_of("SELECT '\ud800'", None) == digest_of("SELECT '\ud800'", None)
    assert len(digest_of("x" * 10_000_000, ["y" * 10_000_000])) == 16


def test_sources_of_driver_sql_have_no_tree():
    """There is none to look at."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        source = source_of((connection, None, "SELECT 1", ()))
    assert source.clause is None
    assert source.engine() is engine
    engine.dispose()


def test_what_is_kept_for_plans_is_bounded_all_together(engine: Engine):
    """Many statements with large parameters do not fill the memory: the oldest make room."""
    book = SlowBook()
    with engine.connect() as connection:
        for number in range(150):
            source = source_of((connection, None, "select ?", ("x" * 39_000,)))
            book.add(
                SlowStatement(
                    key=str(number), sql="select ?", seconds=1.0, fetch_seconds=0.0, rows=None,
                    line=None, route=None, at=0.0, source=source,
                )
            )  # fmt: skip
        huge = source_of((connection, None, "select ?", ("x" * 50_000,)))
    assert huge is not None
    assert huge.parameters is None
    kept = book.by_statement()
    assert sum(each.source.size for each in kept if each.source) <= MOST_SOURCE_BYTES
    assert [kept[-1].key, len(kept)] == ["149", MOST_SOURCE_BYTES // 39_008]
