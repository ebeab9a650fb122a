"""The N+1 scenarios are what they say, judged without any detector."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import greenlet
import pytest
import sqlalchemy.orm
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import ORMExecuteState, Session

from benchmarks import n_plus_one_models
from benchmarks.n_plus_one_scenarios import (
    SCENARIOS,
    Scenario,
    marked_lines,
    prepare,
    prepare_async,
    run_async,
    run_sync,
)

SYNC = [scenario for scenario in SCENARIOS if not scenario.is_async]
ASYNC = [scenario for scenario in SCENARIOS if scenario.is_async]
BENCHMARKS = str(Path(n_plus_one_models.__file__).parent)
ENOUGH = {"lazy": 3, "refresh": 3, "loop": 5}


def by_name(scenario: Scenario) -> str:
    return scenario.name


def masked(sql: str) -> str:
    """Return the shape of a statement: without its literals and the length of its lists."""
    shape = re.sub(r"'[^']*'|(?<![\w.])\d+", "?", sql)
    return re.sub(r"\((\?, )*\?\)", "(?)", shape)


class Seen:
    """What SQLite says it ran, and from which application lines SELECTs were sent."""

    def __init__(self) -> None:
        self.traced: list[str] = []
        self.sent: Counter[tuple[tuple[str, int], str]] = Counter()

    def repeats(self) -> Counter[str]:
        """Return how often each SELECT ran, whatever its literals."""
        return Counter(masked(sql) for sql in self.traced if sql.startswith("SELECT"))

    def sent_from(self, places: Collection[tuple[str, int]]) -> int:
        """Return how many SELECTs were sent from these lines."""
        return sum(count for (place, _), count in self.sent.items() if place in places)

    def watch(self, engine: Engine) -> None:
        """See all that happens on the connections that the engine makes from now on."""
        event.listen(engine, "connect", self.trace)
        event.listen(engine, "before_cursor_execute", self.before)

    def trace(self, connection: object, _record: object) -> None:
        """Have SQLite itself report each statement."""
        run = getattr(connection, "run_async", None)
        if run is None:
            connection.set_trace_callback(self.traced.append)
        else:
            run(lambda driver: driver.set_trace_callback(self.traced.append))

    def before(self, _connection: object, _cursor: object, sql: str, *_rest: object) -> None:
        """Count the SELECT at the innermost line of the scenarios."""
        place = innermost()
        if place is not None and sql.startswith("SELECT"):
            self.sent[place, masked(sql)] += 1


def innermost() -> tuple[str, int] | None:
    """Return the innermost line of the scenarios, also from inside a greenlet."""
    frame, inside = sys._getframe(1), greenlet.getcurrent()
    while frame is not None:
        if frame.f_code.co_filename.startswith(BENCHMARKS):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
        if frame is None and inside.parent is not None:
            inside = inside.parent
            frame = inside.gr_frame
    return None


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the tables as ``prepare`` leaves them."""
    shop = tmp_path_factory.mktemp("filled") / "shop.db"
    engine = create_engine(f"sqlite:///{shop}")
    prepare(engine)
    engine.dispose()
    return shop


@pytest.fixture
def shop(filled: Path, tmp_path: Path) -> Path:
    """Return a copy of the tables that the scenario may change."""
    return Path(shutil.copy(filled, tmp_path))


def run(scenario: Scenario, shop: Path) -> Seen:
    engine, seen = create_engine(f"sqlite:///{shop}"), Seen()
    seen.watch(engine)
    try:
        run_sync(scenario, engine)
    finally:
        engine.dispose()
    return seen


async def run_awaited(scenario: Scenario, shop: Path) -> Seen:
    engine, seen = create_async_engine(f"sqlite+aiosqlite:///{shop}"), Seen()
    seen.watch(engine.sync_engine)
    try:
        await run_async(scenario, engine)
    finally:
        await engine.dispose()
    return seen


def check(scenario: Scenario, seen: Seen) -> None:
    assert seen.traced
    repeats = seen.repeats().most_common()
    for expected in scenario.expected:
        assert expected.count_at_least >= 2 * ENOUGH[expected.kind]
        assert seen.sent_from(scenario.places(expected)) >= expected.count_at_least
    known = {place for e in scenario.expected for place in scenario.places(e)}
    if scenario.expected:
        repeating = {place for (place, _), count in seen.sent.items() if count >= ENOUGH["loop"]}
        assert repeating <= known
    wanted = sorted((expected.count_at_least for expected in scenario.expected), reverse=True)
    for (sql, count), at_least in zip(repeats, wanted, strict=False):
        assert count >= at_least, sql
    if not scenario.expected:
        # SQLite traces no statement that it could not prepare.
        most = max([count for _, count in repeats] + [*seen.sent.values()], default=0)
        assert (most >= min(ENOUGH.values())) == bool(scenario.reason), repeats[:1]


@pytest.mark.parametrize("scenario", SYNC, ids=by_name)
def test_repeats_what_it_says(scenario: Scenario, shop: Path):
    """A positive repeats a SELECT from the marked line, a negative does not or says why."""
    check(scenario, run(scenario, shop))


@pytest.mark.parametrize("scenario", ASYNC, ids=by_name)
async def test_repeats_what_it_says_when_awaited(scenario: Scenario, shop: Path):
    """Likewise over aiosqlite."""
    check(scenario, await run_awaited(scenario, shop))


async def test_tables_are_filled_alike_by_both_kinds_of_drivers(filled: Path, tmp_path: Path):
    """The same scenario meets the same rows."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'awaited.db'}")
    await prepare_async(engine)
    await prepare_async(engine)
    await engine.dispose()
    awaited, plain = (sqlite3.connect(file) for file in (tmp_path / "awaited.db", filled))
    with contextlib.closing(awaited), contextlib.closing(plain):
        assert list(awaited.iterdump()) == list(plain.iterdump())


def test_there_are_enough_of_both_kinds():
    """Neither half alone would judge a detector."""
    finding = [scenario for scenario in SCENARIOS if scenario.expected]
    assert len(finding) >= 40
    assert len(SCENARIOS) - len(finding) >= 40


def test_names_are_unique():
    """A verdict is filed under a name."""
    assert not [name for name, n in Counter(map(by_name, SCENARIOS)).items() if n > 1]


def test_each_expectation_has_one_marked_line():
    """A finding is at one line; a scenario without any expectation has no mark."""
    for scenario in SCENARIOS:
        for expected in scenario.expected:
            assert len(scenario.places(expected)) == 1, scenario.name
        if not scenario.expected:
            assert not marked_lines(scenario.run), scenario.name


def options(scenario: Scenario) -> list[object]:
    """Return the loader options that the advice names, where all of it is whole ones."""
    texts = [expected.advice or "" for expected in scenario.expected]
    if not all(re.fullmatch(r"(selectinload|joinedload|undefer)\(.*\)", text) for text in texts):
        return []
    names = {**vars(sqlalchemy.orm), **vars(n_plus_one_models)}
    return [eval(text, names) for text in texts]


CURABLE = [
    scenario
    for scenario in SCENARIOS
    if scenario.takes == "session"
    and options(scenario)
    # Its query names the wrong loader, which no option added to it can replace.
    and scenario.name != "lazy_under_the_name_of_eager"
    # A stream has its children in batches, so that a statement for each batch remains.
    and "stream" not in scenario.name
    and "iterator" not in scenario.name
]


@contextlib.contextmanager
def advised(scenario: Scenario) -> Iterator[None]:
    """Give each query of the scenario the options that the advice names, where they fit."""

    def heed(state: ORMExecuteState) -> None:
        if state.is_select and not (state.is_relationship_load or state.is_column_load):
            root = options(scenario)[0].path[0]
            if root in state.all_mappers:
                state.statement = state.statement.options(*options(scenario))

    event.listen(Session, "do_orm_execute", heed)
    try:
        yield
    finally:
        event.remove(Session, "do_orm_execute", heed)


@pytest.mark.parametrize("scenario", CURABLE, ids=by_name)
async def test_advice_is_a_cure(scenario: Scenario, shop: Path):
    """The loader options that are expected as the advice make the repeats go away."""
    with advised(scenario):
        if scenario.is_async:
            seen = await run_awaited(scenario, shop)
        else:
            seen = run(scenario, shop)
    most = seen.repeats().most_common(1)[0]
    assert most[1] == 1, most
