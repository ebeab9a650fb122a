"""A closer look at slow statements: plans, indexes, partitions. Never on the path of a request.

Each question costs the host's database something. So a look takes few statements, those that took
most of the time, over connections of its own with time-outs; the tick of a monitor has one taken
when something slow is new, at most every ten minutes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final
from weakref import ref

import attrs

from .._fork import renew_after_fork
from .addresses import root_of
from .indexes import IndexAdvisor
from .plans import NoPlan, Plan, explain
from .pruning import pruning_advice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Engine

    from .database import Database
    from .indexes import IndexReport
    from .partitions import PartitionAdvice
    from .replicas import ReplicaRouter
    from .seen.slow import SlowStatement, Source

__all__ = ["EVERY", "FIRST_AFTER", "MOST_STATEMENTS", "Looked", "Looker", "PlanSeen", "primaries"]

MOST_STATEMENTS: Final = 20
"""Statements that one look takes."""
EVERY: Final = 600.0
"""Seconds between two looks that a tick has taken; while profiling, `_EVERY_PROFILING`."""
FIRST_AFTER: Final = 60.0
"""Seconds from the first tick to the first look; while profiling, `_FIRST_PROFILING`."""
_EVERY_PROFILING: Final = 5.0
_FIRST_PROFILING: Final = 2.0
_MOST_PLANS: Final = 500
_PLAN_TIMEOUT: Final = 2.0
_SECONDS: Final = 10.0
_BORDER: Final = "a closer look at the database"


@attrs.frozen(kw_only=True)
class PlanSeen:
    """A plan, or why there is none, and when that was: a place on the timeline."""

    at: float
    plan: Plan | NoPlan


@attrs.frozen(kw_only=True)
class Looked:
    """What came of the looks so far.

    `at`, a place on the timeline, is the end of the latest, and `seconds` what it took; both are
    None before the first. `plans` are by the key of the statement, and made while profiling only.
    """

    at: float | None = None
    seconds: float | None = None
    proves: bool = False
    plans: Mapping[str, PlanSeen] = attrs.field(factory=dict)
    indexes: tuple[IndexReport, ...] = ()
    partitions: tuple[PartitionAdvice, ...] = ()
    notes: tuple[str, ...] = ()


class Looker:
    """Looks closer at what one `Database` has seen; what it learned last is `latest`."""

    def __init__(self, database: Database) -> None:
        self._database = ref(database)
        self._settings = database.settings
        self._clock = database.clock
        self._timeline = database.timeline
        self._faults = database.faults
        self._advisor = IndexAdvisor(faults=database.faults, clock=database.clock)
        # Held by whoever looks; the tick does not wait for it.
        self._looking = threading.Lock()
        self._stop = threading.Event()
        self._due_at: float | None = None
        self._seen = (0, 0.0)
        self.latest = Looked()
        renew_after_fork(self)

    def look(self) -> Looked:
        """Look now, and wait for it."""
        with self._looking:
            return self._look(threading.Event())

    def tick(self) -> None:
        """Have a look taken on a thread of its own if one is due; waits for nothing."""
        database = self._database()
        if database is None:
            return
        now = self._clock.monotonic()
        profiling = self._settings.profiling
        if self._due_at is None:
            self._due_at = now + (_FIRST_PROFILING if profiling else FIRST_AFTER)
        if now < self._due_at or self._looking.locked():
            return
        slow = sum(statement.slow for statement in database.statements)
        profiles = database.profiles.latest() if profiling else ()
        seen = (slow, profiles[0].at if profiles else 0.0)
        if seen == self._seen or not any(seen):
            return
        self._due_at = now + (_EVERY_PROFILING if profiling else EVERY)
        self._seen = seen
        self._stop = stop = threading.Event()
        # A daemon: a database that does not answer must not keep the process from ending.
        threading.Thread(
            target=self._look_aside, args=(stop,), name="hhs_perf-look", daemon=True
        ).start()

    def close(self) -> None:
        """Let a look under way end after the question that it is at, without waiting for it."""
        self._stop.set()

    def after_fork_in_child(self) -> None:
        """Let the child look for itself: the thread that looked stayed with the parent."""
        self._looking = threading.Lock()
        self._stop = threading.Event()
        self._due_at = None
        self._seen = (0, 0.0)
        self.latest = Looked()

    def _look_aside(self, stop: threading.Event) -> None:
        if not self._looking.acquire(blocking=False):
            return
        try:
            self._look(stop)
        except Exception as error:  # noqa: BLE001 - a named border: the host knows nothing of it
            self._faults.note(_BORDER, error)
        finally:
            self._looking.release()

    def _look(self, stop: threading.Event) -> Looked:
        database = self._database()
        if database is None:
            return self.latest
        began = self._clock.monotonic()
        replicas = primaries(database.routers)
        slow = tuple(_on_primaries(_dearest(database), replicas))
        plans = dict(self.latest.plans)
        notes: list[str] = []
        if self._settings.profiling:
            self._explain(_sources(database, slow), plans, stop)
        indexes: list[IndexReport] = []
        partitions: list[PartitionAdvice] = []
        for engine in sorted(database.engines(), key=lambda each: str(each.url)):
            if stop.is_set():
                notes.append("the look was cut short: the monitor was closed")
                break
            if engine in replicas:
                continue
            indexes.append(
                self._advisor.find(engine, slow, prove=self._settings.profiling, seconds=_SECONDS)
            )
            partitions += self._prune(database, engine, slow)
        now = self._clock.monotonic()
        self.latest = Looked(
            at=self._timeline.at(now),
            seconds=now - began,
            proves=self._settings.profiling,
            plans=plans,
            indexes=tuple(indexes),
            partitions=tuple(partitions),
            notes=tuple(notes),
        )
        return self.latest

    def _explain(
        self, sources: Mapping[str, Source], plans: dict[str, PlanSeen], stop: threading.Event
    ) -> None:
        """Ask for plans that are not known yet, then for those known for longest."""
        never = float("-inf")
        keys = sorted(sources, key=lambda key: plans[key].at if key in plans else never)
        for key in keys[:MOST_STATEMENTS]:
            source = sources[key]
            engine = source.engine()
            if engine is None or stop.is_set():
                continue
            plan = self._plan(engine, source)
            plans.pop(key, None)
            plans[key] = PlanSeen(at=self._timeline.now(), plan=plan)
        while len(plans) > _MOST_PLANS:
            del plans[next(iter(plans))]

    def _plan(self, engine: Engine, source: Source) -> Plan | NoPlan:
        return explain(
            engine,
            source.driver_sql,
            source.parameters,
            timeout=_PLAN_TIMEOUT,
            faults=self._faults,
        )

    def _prune(
        self, database: Database, engine: Engine, slow: tuple[SlowStatement, ...]
    ) -> tuple[PartitionAdvice, ...]:
        if engine.dialect.name != "postgresql":
            return ()
        mine = [(each, _tables(database, each)) for each in slow if each.engine is engine]
        try:
            return pruning_advice(engine, mine, timeout=_PLAN_TIMEOUT, faults=self._faults)
        except Exception as error:  # noqa: BLE001 - a named border: the driver may raise anything
            self._faults.note("partition advice", error)
            return ()


def primaries(routers: Iterable[ReplicaRouter]) -> dict[Engine, Engine]:
    """Give the primary of each replica, both as the engines that theirs were made from."""
    return {
        root_of(replica): root_of(router.primary)
        for router in routers
        for replica in router.replicas
    }


def _dearest(database: Database) -> list[SlowStatement]:
    """Give the slow statements that took most of the time, by one execution each."""

    def total(slow: SlowStatement) -> float:
        statement = database.statements.get(slow.key)
        return 0.0 if statement is None else statement.total

    return sorted(database.slow_statements(), key=total, reverse=True)[:MOST_STATEMENTS]


def _on_primaries(
    slow: list[SlowStatement], replicas: Mapping[Engine, Engine]
) -> Iterator[SlowStatement]:
    """Take what was sent to a replica as sent to its primary, whose indexes the replica has."""
    for each in slow:
        source, engine = each.source, each.engine
        primary = None if engine is None else replicas.get(engine)
        if source is None or primary is None:
            yield each
        else:
            yield attrs.evolve(each, source=attrs.evolve(source, engine=ref(primary)))


def _sources(database: Database, slow: tuple[SlowStatement, ...]) -> dict[str, Source]:
    """Give what a plan takes of each slow or profiled statement."""
    profiled = {
        query.key: query.source
        for profile in reversed(database.profiles.latest())
        for query in profile.queries
        if query.source is not None
    }
    return profiled | {each.key: each.source for each in slow if each.source is not None}


def _tables(database: Database, slow: SlowStatement) -> tuple[str, ...]:
    statement = database.statements.get(slow.key)
    return () if statement is None else statement.shape.tables
