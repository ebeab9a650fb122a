"""The detector against every scenario: what it must find, and where it must keep silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.n_plus_one_scenarios import (
    SCENARIOS,
    Expected,
    Scenario,
    prepare,
    prepare_async,
    run_async,
    run_sync,
)
from hhs_perf import Monitor
from hhs_perf.database import selftest
from hhs_perf.database.n_plus_one.findings import Finding

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


def is_at(scenario: Scenario, expected: Expected, finding: Finding) -> bool:
    """Tell whether a finding is of the kind and at the place that were expected."""
    if finding.kind != expected.kind or finding.line is None:
        return False
    place = (str(Path(finding.line.file).resolve()), finding.line.line)
    return place in scenario.places(expected) or place[0] in {
        str(Path(file).resolve()) for file in expected.files
    }


def verdict(scenario: Scenario, findings: list[Finding]) -> list[str]:
    """Say what is wrong with the findings."""
    wrong = []
    taken: set[int] = set()
    for expected in scenario.expected:
        mine = [n for n, each in enumerate(findings) if is_at(scenario, expected, each)]
        taken.update(mine)
        count = sum(findings[n].count for n in mine)
        if count < expected.count_at_least:
            wrong.append(f"{expected} was found {count} times")
        elif expected.advice is not None and not any(
            expected.advice in findings[n].advice for n in mine
        ):
            wrong.append(f"advice {[findings[n].advice for n in mine]}, not {expected.advice}")
    for n, each in enumerate(findings):
        if n not in taken and not any(is_at(scenario, one, each) for one in scenario.tolerated):
            wrong.append(f"false alarm: {each}")
    return wrong


def findings_of(scopes: list[Any]) -> list[Finding]:
    return [finding for scope in scopes for finding in scope.findings]


@pytest.mark.parametrize("scenario", SYNC, ids=lambda each: each.name)
def test_finds_what_is_there_on_sqlite(scenario: Scenario, tmp_path: Path):
    """Each N+1 is found at its line with its cure, and nothing else is."""
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    try:
        prepare(engine)
        with watched(engine) as (scope, scopes, _):
            run_sync(scenario, engine, scope)
    finally:
        engine.dispose()
    assert verdict(scenario, findings_of(scopes)) == []


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
    assert verdict(scenario, findings_of(scopes)) == []


def test_finds_what_is_there_on_postgresql(pg_database: Any):
    """The same with psycopg."""
    wrong = {}
    engine = create_engine(pg_database.url("psycopg"))
    try:
        with watched(engine) as (scope, scopes, _):
            for scenario in SYNC:
                prepare(engine)
                scopes.clear()
                run_sync(scenario, engine, scope)
                wrong[scenario.name] = verdict(scenario, findings_of(scopes))
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
                await prepare_async(engine)
                scopes.clear()
                await run_async(scenario, engine, scope)
                wrong[scenario.name] = verdict(scenario, findings_of(scopes))
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
            prepare(engine)
            for scenario in SYNC:
                if any(each.kind == "lazy" for each in scenario.expected):
                    prepare(engine)
                    scopes.clear()
                    run_sync(scenario, engine, scope)
                    wrong[scenario.name] = verdict(lazy_only(scenario), findings_of(scopes))
    finally:
        engine.dispose()
    assert {name: found for name, found in wrong.items() if found} == {}
