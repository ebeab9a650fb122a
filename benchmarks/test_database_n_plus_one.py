"""Which N+1 queries are found, and which alarms are false: ours and the others, in one run.

`asgi-profiler` looks at the very same executions. The rule that others go by, five equal statements
in a request (fastapi-nplusone, Sentry without its minimum of time), is applied to them too.
nplusone and nplus1 know of relationships, and do not import with SQLAlchemy 2.1.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from asgi_profiler import instrument
from asgi_profiler.detectors import Settings, detect
from asgi_profiler.instrument import current_origin, current_queries
from asgi_profiler.models import Profile
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks._database import monitor
from benchmarks._interleave import Spread
from benchmarks._results import Result
from benchmarks.n_plus_one_scenarios import (
    SCENARIOS,
    Scenario,
    prepare,
    prepare_async,
    run_async,
    run_sync,
)
from benchmarks.n_plus_one_verdict import Alarm, Verdict, alarms_of, judge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.conftest import Bench
    from hhs_perf import Monitor

OURS: Final = "hhs_perf"
PROFILER: Final = "asgi-profiler"
RULE: Final = "five equal statements in a request"
REPEATS: Final = 5
NOTE: Final = (
    "Ours must also name the kind, the line, at least the number of repeats and the option that"
    " cures it; of the others only an alarm is asked. The scenarios are older than the detector,"
    " and contain the cases of the test suites of nplusone, nplus1 and django-zeal, which"
    " themselves do not run with SQLAlchemy 2.1."
)


@pytest.fixture
def _profiling() -> Iterator[None]:
    """Let asgi-profiler watch all engines meanwhile."""
    instrument.install()
    yield
    instrument.uninstall()


class Watch:
    """What each detector says of one scenario, over all of its scopes."""

    def __init__(self, mine: Monitor) -> None:
        self._mine = mine
        self.alarms: dict[str, list[Alarm]] = {OURS: [], PROFILER: [], RULE: []}

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Be one request for all of them."""
        queries: list[Any] = []
        held = current_queries.set(queries)
        origin = current_origin.set((time.perf_counter(), threading.get_ident()))
        with self._mine.database.scope(n_plus_one="record") as scope:
            yield
        current_queries.reset(held)
        current_origin.reset(origin)
        self.alarms[OURS] += alarms_of(scope.findings)
        profile = Profile(id="1", method="GET", path="/", queries=queries)
        profile.finalise()
        self.alarms[PROFILER] += [
            Alarm() for each in detect(profile, Settings()) if each.type == "n_plus_one_db"
        ]
        counts = Counter(query.sql for query in queries)
        self.alarms[RULE] += [Alarm() for count in counts.values() if count >= REPEATS]

    def verdicts(self, scenario: Scenario) -> dict[str, Verdict]:
        """Judge them all."""
        return {
            name: judge(scenario, alarms, strict=name == OURS)
            for name, alarms in self.alarms.items()
        }


def _run_sync(scenario: Scenario, path: Path) -> dict[str, Verdict]:
    engine = create_engine(f"sqlite:///{path}")
    with closing(monitor("full")) as mine:
        prepare(engine)
        mine.database.instrument(engine)
        watch = Watch(mine)
        run_sync(scenario, engine, watch.scope)
        assert not mine.faults
    engine.dispose()
    return watch.verdicts(scenario)


async def _run_async(scenario: Scenario, path: Path) -> dict[str, Verdict]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    with closing(monitor("full")) as mine:
        await prepare_async(engine)
        mine.database.instrument(engine)
        watch = Watch(mine)
        await run_async(scenario, engine, watch.scope)
        assert not mine.faults
    await engine.dispose()
    return watch.verdicts(scenario)


@pytest.mark.usefixtures("_profiling")
def test_found_and_false(bench: Bench, tmp_path: Path) -> None:
    """Every N+1 is found at its line with its cure, and no alarm is false."""
    verdicts: dict[str, dict[str, Verdict]] = {}

    def campaign() -> None:
        for scenario in SCENARIOS:
            path = tmp_path / f"{scenario.name}.db"
            run = _run_sync(scenario, path) if not scenario.is_async else None
            verdicts[scenario.name] = run or asyncio.run(_run_async(scenario, path))

    bench.benchmark.pedantic(campaign, rounds=1)
    positive = [each.name for each in SCENARIOS if each.expected]
    silent = [each.name for each in SCENARIOS if not each.expected]
    missed = {
        name: sum(bool(verdicts[each][name].missed) for each in positive)
        for name in (OURS, PROFILER, RULE)
    }
    false = {
        name: sum(bool(verdict[name].false_alarms) for verdict in verdicts.values())
        for name in (OURS, PROFILER, RULE)
    }
    for name in (OURS, PROFILER, RULE):
        print(name, [each for each in positive if verdicts[each][name].missed])
        print(name, [each for each, found in verdicts.items() if found[name].false_alarms])
    bench.judge(
        *_results(f"missed, of {len(positive)} scenarios with an N+1", missed),
        *_results(f"false alarms, in {len(silent)} scenarios without one", false),
    )


def _results(what: str, counts: dict[str, int]) -> list[Result]:
    return [
        Result(
            what=what,
            peer=peer,
            unit="",
            ours=_exactly(counts[OURS]),
            theirs=_exactly(counts[peer]),
            bound=0,
            note=NOTE,
        )
        for peer in (PROFILER, RULE)
    ]


def _exactly(value: float) -> Spread:
    return Spread(median=value, low=value, high=value)
