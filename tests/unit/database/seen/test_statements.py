"""The book of statements is exact and bounded."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import create_engine, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import NullPool

from hhs_perf import Monitor
from hhs_perf.database.seen.shapes import Shapes
from hhs_perf.database.seen.statements import OTHER, StatementBook

from .conftest import USERS, Seen

DIALECT = sqlite.dialect()


def test_statements_past_the_bound_are_other(make_monitor: Callable[..., Monitor]):
    """4,096 have a name; what comes later is counted together, none is lost."""
    book: StatementBook = make_monitor().database.statements
    shapes = Shapes()
    for number in range(5000):
        book.add(shapes.of_text(f"SELECT a FROM t{number}", DIALECT)).take((0.5, 0.25, 1, 1))
    book()
    statements = {each.key: each for each in book}
    assert len(statements) == 4097
    assert statements[OTHER].count == 5000 - 4096
    assert statements[OTHER].shape.sql == "other statements"
    assert sum(each.count for each in statements.values()) == 5000
    assert book.get(OTHER) is book.add(shapes.of_text("SELECT a FROM t4999", DIALECT))


def test_other_statements_keep_their_own_nature(seen: Seen, monkeypatch: Any):
    """Past the bound a SELECT still has rows, an INSERT none, and each its own shape."""
    monkeypatch.setattr("hhs_perf.database.seen.statements._MOST_STATEMENTS", 0)
    with seen.database.scope() as scope, seen.engine.begin() as connection:
        for _ in range(3):
            connection.execute(USERS.insert().values(name="x"))
            assert len(connection.execute(select(USERS).limit(5)).all()) == 5
            connection.execute(text("UPDATE users SET name = 'y' WHERE id < 3"))
            for number in range(2):
                connection.execute(select(USERS.c.name).where(USERS.c.id == number)).all()
    seen.monitor.metrics.flush()
    (other,) = seen.database.statements
    assert (other.key, other.count, other.errors) == (OTHER, 15, 0)
    assert other.rows == 3 * (1 + 5 + 2 + 1)
    assert scope.queries == 15
    assert [finding.count for finding in scope.findings] == [6]


def test_draining_under_threads_loses_nothing(make_monitor: Callable[..., Monitor]):
    """Eight threads add while others flush: every figure is exact."""
    monitor = make_monitor()
    book = monitor.database.statements
    shapes = Shapes()
    stop = threading.Event()

    def add(thread: int) -> None:
        for number in range(4000):
            statement = book.add(shapes.of_text(f"SELECT a FROM t{number % 7}", DIALECT))
            statement.take((1.0, 0.5, 2, 3))
            if not number % 10:
                book.fail(statement, 1.0)
            if len(statement.waiting) > 100:
                book.drain(statement)

    def flush() -> None:
        while not stop.is_set():
            monitor.metrics.flush()

    threads = [threading.Thread(target=add, args=(n,)) for n in range(8)]
    flusher = threading.Thread(target=flush)
    flusher.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    flusher.join()
    monitor.metrics.flush()
    totals = [
        (each.count, each.executed, each.errors, each.rows, each.fetch_total, each.execute_total)
        for each in book
    ]
    assert list(map(sum, zip(*totals, strict=True))) == [
        *(35_200, 96_000, 3200, 64_000), *(16_000.0, 35_200.0),
    ]  # fmt: skip


def test_a_finalizer_may_run_a_query_in_the_midst_of_a_drain(make_monitor: Callable[..., Monitor]):
    """What it adds is drained the next time."""
    monitor = make_monitor()
    book = monitor.database.statements
    statement = book.add(Shapes().of_text("SELECT 1", DIALECT))

    class Seconds(float):
        """Seconds that run a query when they are added up."""

        def __radd__(self, other: float) -> float:
            book.drain(statement)
            statement.take((1.0, 0.0, 0, 1))
            return float(other) + float(self)

    statement.take((Seconds(1.0), 0.0, 0, 1))
    book.drain(statement)
    first = statement.count
    book.drain(statement)
    assert first == 1
    assert statement.count > 1


def test_a_child_counts_from_nothing(tmp_path: Any):
    """And with locks of its own, even those that another thread held."""
    engine = create_engine(f"sqlite:///{tmp_path / 'db'}", poolclass=NullPool)
    monitor = Monitor(installed_plugins=False, tick=False)
    monitor.database.instrument(engine)

    def read(times: int) -> None:
        with engine.connect() as connection:
            for _ in range(times):
                connection.execute(select(1)).all()

    read(5)
    with monitor.database.statements.lock:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                read(3)
                monitor.metrics.flush()
                counts = [each.count for each in monitor.database.statements]
                status = 0 if counts == [3] and not monitor.faults else 2
            finally:
                os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    read(2)
    monitor.metrics.flush()
    assert [each.count for each in monitor.database.statements] == [7]
    monitor.close()
    engine.dispose()


def test_figures_are_those_of_the_executions(seen: Seen):
    """Counts, sets of parameters, rows, most rows, times and the series of the metrics."""
    with seen.engine.begin() as connection:
        connection.execute(USERS.insert(), [{"name": str(n)} for n in range(30)])
        for most in (10, 50):
            connection.execute(select(USERS.c.id).limit(most)).all()
    statements = seen.statements()
    insert = next(each for sql, each in statements.items() if sql.startswith("INSERT"))
    read = next(each for sql, each in statements.items() if sql.startswith("SELECT"))
    assert (insert.count, insert.executed, insert.rows) == (1, 30, 30)
    assert (read.count, read.executed, read.rows, read.most_rows) == (2, 2, 60, 50)
    assert read.slowest <= read.total
    assert read.first_seen <= read.last_seen
