"""`monitor.database`: what an application does with the database part."""

from __future__ import annotations

import asyncio
from threading import RLock
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from sqlalchemy import Engine

from .._fork import renew_after_fork
from .._scope import current as current_request
from ..collectors.database import DURATION
from ..exceptions import ConfigurationError
from .addresses import root_of, sync_engine_of
from .lines import application_line
from .looking import Looker
from .n_plus_one.book import FindingBook
from .n_plus_one.fallback import PublicWatch
from .pools import PoolBook
from .profile import Profile, ProfileBook
from .reporting import report_of
from .scopes import QueryScope, open_scope
from .seen.around import Surroundings
from .seen.listening import Listener
from .seen.seer import Seer
from .seen.statements import StatementBook
from .selftest import abilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncEngine

    from .._clock import Clock, Timeline
    from .._faults import Faults
    from .._scope import RequestScope
    from .._settings import DatabaseSettings
    from ..metrics import Registry, Snapshot
    from .looking import Looked
    from .replicas import ReplicaRouter
    from .report import DatabaseReport
    from .scopes import OnNPlusOne
    from .seen.slow import SlowStatement
    from .selftest import Abilities

__all__ = ["Database"]


_NOT_FIRST: Final = (
    "listeners of do_execute come before: what one of them executes by itself is not seen"
)


class Database:
    """Sees what engines of SQLAlchemy execute, and how their pools do.

    Nothing is seen before `instrument`. All methods may be called from any thread.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        metrics: Registry,
        clock: Clock,
        timeline: Timeline,
        faults: Faults,
        route_of: Callable[[RequestScope], str | None] = lambda _: None,
        enabled: bool = True,
    ) -> None:
        self._is_enabled = enabled
        self.settings = settings
        self._route_of = route_of
        self.metrics = metrics
        self.clock = clock
        self.timeline = timeline
        self.faults = faults
        self.statements = StatementBook(metrics, DURATION)
        self.findings = FindingBook()
        self.profiles = ProfileBook()
        self.pools = PoolBook(
            timeline=timeline,
            faults=faults,
            collector_metrics=metrics,
            held_too_long=settings.held_too_long,
            line_of=application_line,
            route_of=self._label,
        )
        self.routers: WeakSet[ReplicaRouter] = WeakSet()
        self._seer = Seer(
            book=self.statements,
            metrics=metrics,
            faults=faults,
            slow_from=settings.slow_query,
            owner=self,
            meet=self._meet_used,
            open_request=self._open_request,
            current=self._current,
        )
        self._around = Surroundings(
            self._seer, self._meet_used, lays_over=lambda: abilities().layers is None
        )
        self.looker = Looker(self)
        self._listener: Listener | None = None
        self._public: PublicWatch | None = None
        # Guards what is below; reentrant, as a finalizer may run the first query of an engine.
        self._lock = RLock()
        self._engines: WeakSet[Engine] = WeakSet()
        self._used: WeakSet[Engine] = WeakSet()
        self._sees_all = False
        self._is_first = True
        renew_after_fork(self)

    @property
    def is_observed(self) -> bool:
        """Tell whether an engine was instrumented."""
        return self._sees_all or bool(self._engines)

    @property
    def sees_all(self) -> bool:
        """Tell whether every engine of the process is instrumented."""
        return self._sees_all

    @property
    def abilities(self) -> Abilities:
        """What works with the SQLAlchemy at hand."""
        return abilities()

    @property
    def limits(self) -> tuple[str, ...]:
        """What cannot be seen, in words."""
        return abilities().limits if self._is_first else (*abilities().limits, _NOT_FIRST)

    def engines(self) -> tuple[Engine, ...]:
        """Give the engines known: those instrumented, and with `instrument()` those in use.

        The engines of asynchronous ones are given as their `sync_engine`.
        """
        with self._lock:
            return tuple(self._engines)

    def instrument(self, engine: Engine | AsyncEngine | None = None) -> None:
        """See every query of `engine`, or of every engine of the process, made before or after.

        Instrumenting twice does nothing, nor does it where HHS_PERF_ENABLED is false. Raises
        ConfigurationError for what is no engine.
        """
        root = None if engine is None else _checked(engine)
        if not self._is_enabled:
            return
        with self._lock:
            listener = self._listener or self._make_listener()
            if self._public is not None:
                self._public.attach()
            if root is not None:
                if not self._sees_all:
                    # What comes last lets the listeners sleep.
                    self._around.attach(root)
                    self._is_first = listener.attach(root) and self._is_first
                self._meet(root)
            elif not self._sees_all:
                self._sees_all = True
                for each in self._engines:
                    listener.detach(each)
                    self._around.detach(each)
                self._around.attach(Engine)
                self._is_first = listener.attach(Engine) and self._is_first
                for each in self._used:
                    self._meet(each)

    def uninstrument(self, engine: Engine | AsyncEngine | None = None) -> None:
        """See no more of `engine`, or of any; what was seen stays.

        Where every engine is instrumented, one alone cannot be left out: ConfigurationError.
        """
        root = None if engine is None else _checked(engine)
        with self._lock:
            listener = self._listener
            if listener is None:
                return
            if root is not None:
                if self._sees_all:
                    raise ConfigurationError(
                        "instrument() sees every engine: it cannot leave one out"
                    )
                listener.detach(root)
                self._around.detach(root)
                self.pools.unwatch(root)
                self._engines.discard(root)
                return
            if self._sees_all:
                self._sees_all = False
                listener.detach(Engine)
                self._around.detach(Engine)
            for each in tuple(self._engines):
                listener.detach(each)
                self._around.detach(each)
                self.pools.unwatch(each)
            self._engines.clear()
            if self._public is not None:
                self._public.detach()

    def scope(self, name: str = "scope", *, n_plus_one: OnNPlusOne | None = None) -> QueryScope:
        """Count queries and look for N+1 queries in a `with` or `async with` block.

        `n_plus_one` says what to do with those found: `record`, `warn`, `raise` (NPlusOneError,
        at the line that sends them) or `off`; by default what HHS_PERF_N_PLUS_ONE says.
        """
        return QueryScope(
            name,
            owner=self,
            n_plus_one=n_plus_one or self.settings.n_plus_one,
            done=self._done,
            profiled=[] if self.settings.profiling else None,
            began=self.clock.monotonic(),
        )

    def add(self, router: ReplicaRouter) -> None:
        """Show a router of read replicas, keep the lag of its replicas, and close it at the end."""
        self.routers.add(router)
        router.join(self.metrics, self.faults)

    def slow_latest(self) -> tuple[SlowStatement, ...]:
        """Give the latest slow executions, the newest first, at most 100."""
        return self._seer.slow_book.latest()

    def slow_statements(self) -> tuple[SlowStatement, ...]:
        """Give the latest slow execution of each statement, with what a plan takes."""
        return self._seer.slow_book.by_statement()

    def report(self, snapshot: Snapshot | None = None) -> DatabaseReport:
        """Tell all that is known; the load of pools is that of `snapshot`, or of five minutes.

        Asks no database anything: plans, indexes and partitions are those of the latest look.
        """
        return report_of(self, snapshot)

    def look_closer(self) -> Looked:
        """Ask the databases for plans, indexes and partitions of what was slow, and wait for it.

        What fails is counted among the faults, or said in what it gives. With
        ENABLE_QUERY_PROFILING=true missing indexes are tried out.
        """
        return self.looker.look()

    async def look_closer_async(self) -> Looked:
        """Do the same in a thread, while the event loop goes on."""
        return await asyncio.to_thread(self.look_closer)

    def tick(self) -> None:
        """Have that done on a thread of its own where it is due; for the monitor's tick."""
        self.looker.tick()

    def close(self) -> None:
        """Listen to no engine any more, and stop what probes replicas."""
        self.looker.close()
        self.uninstrument()
        for router in tuple(self.routers):
            router.close()

    def after_fork_in_child(self) -> None:
        """Renew the lock, which another thread may have held."""
        self._lock = RLock()

    def _make_listener(self) -> Listener:
        found = abilities()
        full = self.settings.query_detail == "full"
        listener = Listener(
            self._seer,
            full=full,
            times_fetching=found.fetching is None,
            lays_over=found.layers is None,
        )
        self._listener = listener
        if full and found.orm is not None:
            self._public = PublicWatch(self._current, self._seer.shapes.of_text, self._seer.fault)
        return listener

    def _meet_used(self, engine: Engine) -> None:
        """Get to know an engine that sent something new."""
        if self._sees_all:
            try:
                root = root_of(engine)
                if root not in self._used:
                    with self._lock:
                        self._used.add(root)
                        self._meet(root)
            except Exception as error:  # noqa: BLE001 - a named border: seeing a query
                self._seer.fault(error)

    def _meet(self, engine: Engine) -> None:
        if engine not in self._engines:
            self._engines.add(engine)
            self._around.met(engine)
            self.pools.watch(engine)
            if self._listener is not None:
                if self._sees_all:
                    self._listener.wake(type(engine.dialect))
                self._listener.fall_asleep(engine)

    def _current(self) -> QueryScope | None:
        """Give the scope of this monitor's that queries belong to, None outside of all."""
        scope = open_scope()
        while scope is not None and scope.owner is not self:
            scope = scope.outer
        if scope is not None:
            return scope
        request = current_request.get()
        if request is None or not request.is_open:
            return None
        held: QueryScope = request.queries or self._open_request(request)
        return held if held.owner is self else None

    def _label(self) -> str | None:
        scope = self._current()
        return None if scope is None else scope.label()

    def _open_request(self, request: RequestScope) -> QueryScope:
        """Open the scope of a request that sends its first query."""
        request.runs_query()
        scope = QueryScope(
            "request",
            owner=self,
            n_plus_one=self.settings.n_plus_one,
            done=self._done,
            profiled=[] if self.settings.profiling else None,
            began=request.started,
            request=request,
            route_of=self._route_of,
        )
        request.queries = scope
        if request.at_end is None:
            request.at_end = []
        request.at_end.append(lambda _: scope.end())
        if self.settings.profiling:
            if request.at_response_start is None:
                request.at_response_start = []
            request.at_response_start.append(
                lambda headers: headers.append(("Server-Timing", _server_timing(scope)))
            )
        return scope

    def _done(self, scope: QueryScope) -> None:
        label = scope.label()
        request = scope.request
        if request is not None:
            label = request.route or "unmatched"
        counts = scope.counts()
        findings = scope.findings
        with self.statements.lock:
            for statement, times in counts.items():
                statement.add_route(label, times)
            for finding in findings:
                repeated = self.statements.get(finding.statement)
                if repeated is not None:
                    repeated.add_line(finding.line)
        now = self.timeline.now()
        self.findings.add(findings, label, now)
        if scope.profiled:
            seconds = self.clock.monotonic() - scope.began
            profile = Profile(
                name=label,
                method=None if request is None else request.method,
                at=now - seconds,
                began=scope.began,
                seconds=seconds,
                queries=tuple(scope.profiled),
                left_out=scope.left_out,
            )
            self.profiles.add(profile)
        if request is None and counts and scope.around() is None:
            self._take_over(scope)

    def _take_over(self, scope: QueryScope) -> None:
        """Let what a block sent count in the request that it stands in, too."""
        request = current_request.get()
        if request is not None and request.is_open:
            held: QueryScope = request.queries or self._open_request(request)
            if held.owner is self:
                held.take_over(scope)


def _checked(engine: Engine | AsyncEngine) -> Engine:
    """Give the engine that does the work; raises ConfigurationError for what is none."""
    # An AsyncEngine is known by what it holds: to import its class takes greenlet.
    if not isinstance(getattr(engine, "sync_engine", engine), Engine):
        raise ConfigurationError(
            f"instrument() takes an Engine or an AsyncEngine of SQLAlchemy, got {type(engine)!r}"
        )
    return root_of(sync_engine_of(engine))


def _server_timing(scope: QueryScope) -> str:
    """Write what the queries took so far as a metric of the header Server-Timing (W3C)."""
    profiled = scope.profiled or ()
    seconds = sum(query.execute + query.fetch for query in profiled)
    count = len(profiled) + scope.left_out
    noun = "query" if count == 1 else "queries"
    return f'db;dur={seconds * 1000:.3f};desc="{count} {noun}"'
