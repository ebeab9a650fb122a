"""What the tests of seeing queries share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import attrs
import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine, insert
from sqlalchemy.pool import StaticPool

from hhs_perf import Monitor, Settings
from hhs_perf.database.database import Database
from hhs_perf.database.seen.statements import Statement

METADATA = MetaData()
USERS = Table(
    "users", METADATA, Column("id", Integer, primary_key=True), Column("name", String(50))
)


class Seen:
    """An engine with twenty users, and a monitor that sees it."""

    def __init__(self, engine: Engine, monitor: Monitor) -> None:
        self.engine = engine
        self.monitor = monitor
        self.database: Database = monitor.database

    def statements(self, with_ddl: bool = False) -> dict[str, Statement]:
        """Return what was seen, by masked text."""
        self.monitor.metrics.flush()
        return {
            each.shape.sql: each
            for each in self.database.statements
            if with_ddl or each.shape.operation != "CREATE"
        }

    def only(self) -> Statement:
        """Return the one statement that was seen."""
        (statement,) = self.statements().values()
        return statement


def make_engine(**options: Any) -> Engine:
    """Make an engine with twenty users."""
    options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}, **options}
    engine = create_engine("sqlite://", **options)
    METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(USERS), [{"name": f"u{n}"} for n in range(20)])
    return engine


@pytest.fixture
def make_monitor() -> Iterator[Callable[..., Monitor]]:
    """Make a monitor with these settings of the database part; faults fail the test."""
    with ExitStack() as stack:

        def make(**database: Any) -> Monitor:
            settings = attrs.evolve(
                Settings(), database=attrs.evolve(Settings().database, **database)
            )
            return stack.enter_context(
                closing(Monitor(settings, installed_plugins=False, tick=False))
            )

        yield make


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine that nobody sees yet."""
    engine = make_engine()
    yield engine
    engine.dispose()


@pytest.fixture
def seen(engine: Engine, make_monitor: Callable[..., Monitor]) -> Iterator[Seen]:
    """An engine that is seen."""
    monitor = make_monitor()
    monitor.database.instrument(engine)
    yield Seen(engine, monitor)
    assert not monitor.faults
