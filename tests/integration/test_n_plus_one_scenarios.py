"""The detector against every scenario: what it must find, and where it must keep silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.n_plus_one_scenarios import (
    SCENARIOS,
    Scenario,
    prepare,
    prepare_async,
    run_async,
    run_sync,
)
from benchmarks.n_plus_one_verdict import alarms_of, judge
from hhs_perf import Monitor
from hhs_perf.database import selftest

SYNC = [scenario for scenario in SCENARIOS if not scenario.is_async]
ASYNC = [scenario for scenario in SCENARIOS if scenario.is_async]


@contextmanager
def watched(engine: Any) -> Iterator[tuple[Callable[[], Any], list[Any], Monitor]]:
    """Watch an engine; each scope that is opened is kept."""
    monitor = Monitor(installed_plugins=False, tick=False)
    monitor.database.instrument(engine)
    scopes: list[Any] = []

    def scope() -> Any:
        scopes.append(monitor.database.scope(n_plus_one="record"))
        return scopes[-1]

    try:
        yield scope, scopes, monitor
        assert not monitor.faults
    finally:
        monitor.close()


def wrong_with(scenario: Scenario, scopes: list[Any]) -> tuple[str, ...]:
    """Say what is wrong with what was found in the scopes."""
    found = [finding for scope in scopes for finding in scope.findings]
    return judge(scenario, alarms_of(found)).wrong


def have_written(scopes: list[Any]) -> bool:
    """Tell whether the rows are others now: to make them anew takes longer than most scenarios."""
    statements = [each for scope in scopes for each in scope.counts()]
    return not all(each.shape.operation in {"SELECT", "WITH"} for each in statements)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The shop on SQLite, as it is after `prepare`."""
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('shop') / 'shop.db'}")
    prepare(engine)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("scenario", SYNC, ids=lambda each: each.name)
def test_finds_what_is_there_on_sqlite(scenario: Scenario, shop: Engine):
    """Each N+1 is found at its line with its cure, and nothing else is."""
    with watched(shop) as (scope, scopes, _):
        run_sync(scenario, shop, scope)
    if have_written(scopes):
        prepare(shop)
    assert wrong_with(scenario, scopes) == ()


@pytest.mark.parametrize("scenario", ASYNC, ids=lambda each: each.name)
async def test_finds_what_is_there_on_aiosqlite(scenario: Scenario, tmp_path: Path):
    """Likewise through greenlets."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
    try:
        await prepare_async(engine)
        with watched(engine) as (scope, scopes, _):
            await run_async(scenario, engine, scope)
    finally:
        await engine.dispose()
    assert wrong_with(scenario, scopes) == ()


def test_finds_what_is_there_on_postgresql(pg_database: Any):
    """The same with psycopg."""
    wrong = {}
    engine = create_engine(pg_database.url("psycopg"))
    try:
        with watched(engine) as (scope, scopes, _):
            for scenario in SYNC:
                if not wrong or have_written(scopes):
                    prepare(engine)
                scopes.clear()
                run_sync(scenario, engine, scope)
                wrong[scenario.name] = wrong_with(scenario, scopes)
    finally:
        engine.dispose()
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_finds_what_is_there_on_asynchronous_postgresql(driver: str, pg_database: Any):
    """The same with asyncpg and asynchronous psycopg."""
    wrong = {}
    engine = create_async_engine(pg_database.url(driver))
    try:
        with watched(engine) as (scope, scopes, _):
            for scenario in ASYNC:
                if not wrong or have_written(scopes):
                    await prepare_async(engine)
                scopes.clear()
                await run_async(scenario, engine, scope)
                wrong[scenario.name] = wrong_with(scenario, scopes)
    finally:
        await engine.dispose()
    assert {name: found for name, found in wrong.items() if found} == {}


def lazy_only(scenario: Scenario) -> Scenario:
    """Leave of what is expected what the public API tells."""
    return attrs.evolve(
        scenario,
        expected=tuple(each for each in scenario.expected if each.kind == "lazy"),
        tolerated=scenario.tolerated + scenario.expected,
    )


def test_public_api_finds_lazy_loads_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where the ORM does not say what a statement is for, lazy loads are found all the same."""
    limited = attrs.evolve(selftest.abilities(), orm="it was forgotten")
    monkeypatch.setattr("hhs_perf.database.database.abilities", lambda: limited)
    wrong = {}
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    try:
        with watched(engine) as (scope, scopes, monitor):
            assert "lazy loads only" in monitor.database.abilities.limits[0]
            for scenario in SYNC:
                if any(each.kind == "lazy" for each in scenario.expected):
                    if not wrong or have_written(scopes):
                        prepare(engine)
                    scopes.clear()
                    run_sync(scenario, engine, scope)
                    wrong[scenario.name] = wrong_with(lazy_only(scenario), scopes)
    finally:
        engine.dispose()
    assert {name: found for name, found in wrong.items() if found} == {}
