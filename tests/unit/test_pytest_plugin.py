"""The pytest plugin, in suites of its own and in this one."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import StaticPool

from hhs_perf import Monitor
from hhs_perf.pytest_plugin import assert_query_count, no_n_plus_one

pytest_plugins = ["pytester"]


class Base(DeclarativeBase):
    pass


class Org(Base):
    __tablename__ = "org"
    id: Mapped[int] = mapped_column(primary_key=True)
    accounts: Mapped[list[Account]] = relationship()


class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int] = mapped_column(sa.ForeignKey("org.id"))


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    """Four organisations with an account each, in memory."""
    engine = sa.create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Org(id=n, accounts=[Account(id=n)]) for n in range(4))
        session.commit()
    yield engine
    engine.dispose()


def ask(engine: sa.Engine, times: int = 1) -> None:
    with engine.connect() as connection:
        for n in range(times):
            connection.execute(sa.text("SELECT id FROM org WHERE id = :n"), {"n": n}).all()


def lazily(engine: sa.Engine) -> None:
    with Session(engine) as session:
        for org in session.scalars(sa.select(Org)):
            list(org.accounts)


@pytest.mark.parametrize(
    "said", [{"expected": 3}, {"at_most": 3}, {"at_least": 3}, {"at_least": 1, "at_most": 9}]
)
def test_a_number_that_is_right_passes(engine: sa.Engine, said: dict[str, int]) -> None:
    with assert_query_count(**said) as sent:
        ask(engine, 3)
    assert sent.count == 3


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"expected": 2}, "3 queries were sent, and 2 expected"),
        ({"expected": 4}, "3 queries were sent, and 4 expected"),
        ({"at_most": 2}, "3 queries were sent, and at most 2 expected"),
        ({"at_most": 9, "at_least": 4}, "and at most 9 and at least 4 expected"),
    ],
)
def test_a_number_that_is_wrong_lists_what_was_sent(
    engine: sa.Engine, said: dict[str, int], told: str
) -> None:
    with pytest.raises(AssertionError) as caught, assert_query_count(**said):
        ask(engine, 3)
        with engine.connect() as connection:
            connection.exec_driver_sql("SAVEPOINT s")
    text = str(caught.value)
    assert told in text
    assert "3 × SELECT id FROM org WHERE id = " in text
    assert "test_pytest_plugin.py:" in text


def test_literals_are_not_shown(engine: sa.Engine) -> None:
    with pytest.raises(AssertionError) as caught, assert_query_count(0), engine.connect() as held:
        held.exec_driver_sql("SELECT 1 WHERE 'geheim' = 'geheim'")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("said", [{}, {"expected": 1, "at_most": 2}])
def test_exactly_one_thing_is_said(said: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="say the exact number"), assert_query_count(**said):
        pass


def test_an_error_of_the_block_is_not_covered(engine: sa.Engine) -> None:
    with pytest.raises(ZeroDivisionError), assert_query_count(7), no_n_plus_one():
        lazily(engine)
        raise ZeroDivisionError


def test_engines_made_before_within_and_of_others_are_told_apart(engine: sa.Engine) -> None:
    with (
        assert_query_count(4),
        assert_query_count(1, engine),
        assert_query_count(3, [engine, (other := sa.create_engine("sqlite://"))]),
    ):
        ask(engine)
        third = sa.create_engine("sqlite://")
        for each, times in ((other, 2), (third, 1)):
            with each.connect() as connection:
                for _ in range(times):
                    connection.exec_driver_sql("SELECT 1")
    other.dispose()
    third.dispose()


def test_connections_opened_before_count(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        with assert_query_count(2):
            connection.exec_driver_sql("SELECT 1")
            held = connection.exec_driver_sql("SELECT id FROM org")  # its rows are not fetched yet
        held.all()


def test_the_queries_of_threads_count(engine: sa.Engine) -> None:
    with assert_query_count(5):
        thread = threading.Thread(target=ask, args=(engine, 5))
        thread.start()
        thread.join()


def test_statements_that_fail_count_and_sets_of_parameters_do_not(engine: sa.Engine) -> None:
    with assert_query_count(2), engine.connect() as connection:
        connection.execute(sa.insert(Org), [{"id": 90}, {"id": 91}])
        with pytest.raises(sa.exc.OperationalError):
            connection.exec_driver_sql("SELECT nothing")


@pytest.fixture
def host_monitor() -> Iterator[Monitor]:
    monitor = Monitor(installed_plugins=False, tick=False)
    yield monitor
    monitor.close()


def test_a_monitor_that_the_host_has_changes_nothing(
    engine: sa.Engine, host_monitor: Monitor
) -> None:
    host_monitor.database.instrument()
    with host_monitor.database.scope() as scope:
        with assert_query_count(2):
            ask(engine, 2)
        with pytest.raises(AssertionError, match="N\\+1 queries"), no_n_plus_one():
            lazily(engine)
    assert scope.queries == 2 + 5
    ask(engine)
    host_monitor.database.statements()
    assert sum(each.count for each in host_monitor.database.statements) == 8


def test_nothing_listens_after_the_block(engine: sa.Engine) -> None:
    with assert_query_count(0):
        pass
    with no_n_plus_one():
        pass
    assert not list(engine.dialect.dispatch.do_execute)


def test_n_plus_one_is_told_with_kind_count_line_and_advice(engine: sa.Engine) -> None:
    with pytest.raises(AssertionError) as caught, no_n_plus_one():
        lazily(engine)
    text = str(caught.value)
    assert text.startswith("N+1 queries (lazy): 4 × Org.accounts at ")
    assert "test_pytest_plugin.py:" in text
    assert "selectinload(Org.accounts)" in text


async def test_asynchronous_code_counts(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/db")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        session.add_all(Org(id=n, accounts=[Account(id=n)]) for n in range(4))
        await session.commit()
    with assert_query_count(1, engine):
        async with AsyncSession(engine) as session:
            await session.scalars(sa.select(Org))
    with pytest.raises(AssertionError, match=r"lazy\): 4 × Org.accounts"), no_n_plus_one():
        async with AsyncSession(engine) as session:
            await session.run_sync(
                lambda held: [list(org.accounts) for org in held.scalars(sa.select(Org))]
            )
    await engine.dispose()


@pytest.mark.parametrize("kind", ["threads of the server", "the event loop"])
def test_what_a_test_client_asks_of_an_application_is_seen(engine: sa.Engine, kind: str) -> None:
    app = FastAPI()

    async def in_loop() -> None:
        lazily(engine)

    app.get("/")(in_loop if kind == "the event loop" else lambda: lazily(engine))
    client = TestClient(app)
    with assert_query_count(5):
        client.get("/")
    with pytest.raises(AssertionError, match=r"lazy\): 4 × Org.accounts"), no_n_plus_one():
        client.get("/")


SUITE = """
import pytest, sqlalchemy as sa
from sqlalchemy.pool import StaticPool
from sqlalchemy.ext.asyncio import create_async_engine

@pytest.fixture
def engine():
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    yield engine
    engine.dispose()

def loop(connection):
    for n in range(9):
        connection.execute(sa.text("SELECT 1 WHERE 1 = :n"), {"n": n}).all()

def test_count(engine, assert_query_count):
    with assert_query_count(9), engine.connect() as connection:
        loop(connection)

def test_fixture(engine, no_n_plus_one):
    with engine.connect() as connection:
        loop(connection)

@pytest.mark.no_n_plus_one
def test_marker(engine):
    with engine.connect() as connection:
        loop(connection)

@pytest.mark.no_n_plus_one
class TestClass:
    def test_method(self, engine):
        with engine.connect() as connection:
            loop(connection)

    def test_clean(self, engine):
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

@pytest.mark.no_n_plus_one
async def test_async():
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.connect() as connection:
        for n in range(9):
            (await connection.execute(sa.text("SELECT 1 WHERE 1 = :n"), {"n": n})).all()
    await engine.dispose()

@pytest.mark.no_n_plus_one
@pytest.mark.xfail(strict=True)
def test_expected(engine):
    with engine.connect() as connection:
        loop(connection)

def test_other(engine):
    with engine.connect() as connection:
        loop(connection)
"""
# By its module: where hhs_perf is installed, its entry point would load it once more.
PLUGIN = ("-p", "no:hhs_perf", "-p", "hhs_perf.pytest_plugin", "-p", "no:cacheprovider")
OPTIONS = (
    *(*PLUGIN, "-o", "asyncio_mode=auto"),
    *("-o", "asyncio_default_fixture_loop_scope=function"),
)


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test_suite=SUITE)
    return pytester.runpytest_subprocess("--strict-markers", *OPTIONS, *options)


def test_a_suite_fails_where_it_sends_n_plus_one_queries_and_nowhere_else(
    pytester: pytest.Pytester,
) -> None:
    result = run(pytester, "-W", "error")
    result.assert_outcomes(passed=3, failed=4, xfailed=1)
    result.stdout.fnmatch_lines(
        ["*AssertionError: N+1 queries (loop): 9 × SELECT* at test_suite.py:*"]
    )
    result.stdout.fnmatch_lines(
        [f"FAILED test_suite.py::{name} - *" for name in ("test_fixture", "test_marker")]
    )
    result.stdout.fnmatch_lines(["FAILED test_suite.py::test_async - *"])


def test_the_marker_is_known_and_told(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess(*OPTIONS, "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.no_n_plus_one: *"])


def test_a_run_that_asks_for_nothing_loads_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_modules():
            loaded = {name.partition(".")[0] for name in sys.modules}
            assert "sqlalchemy" not in loaded
            assert {name for name in sys.modules if name.startswith("hhs_perf.")} <= {
                "hhs_perf._lazy", "hhs_perf.pytest_plugin"
            }
        """
    )
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


def test_the_plugin_is_registered_for_every_host() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"] == {
        "pytest11": {"hhs_perf": "hhs_perf.pytest_plugin"}
    }
