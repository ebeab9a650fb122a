"""Putting the report of databases together, and telling whether it has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._clock import rfc3339
from ..collectors.database import POOL_HOLD, POOL_WAIT
from ..collectors.latency import ratio
from ..metrics import LocalReader
from .looking import primaries
from .plans import Plan
from .pools import engine_name
from .pools.sizing import PoolLoad
from .pools.sizing import advise as advise_size
from .report import (
    DatabaseReport,
    DatabaseTotals,
    EngineReport,
    LineCount,
    LookReport,
    NPlusOneReport,
    PlanReport,
    PoolSizing,
    ProfiledQueryReport,
    ProfileReport,
    RouteCount,
    SlowReport,
    StatementReport,
)

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping

    from ..metrics import Snapshot
    from .database import Database
    from .looking import Looked, PlanSeen
    from .n_plus_one.book import Found
    from .pools.report import PoolReport
    from .profile import Profile
    from .seen.slow import SlowStatement
    from .seen.statements import Statement

__all__ = ["profiles_of", "report_of", "slow_of", "state_of"]

MOST_STATEMENTS: Final = 100


def report_of(database: Database, snapshot: Snapshot | None = None) -> DatabaseReport:
    """Put the report together; the load of pools is that of `snapshot`, or of five minutes."""
    database.statements()
    seen = snapshot or LocalReader(database.metrics).read("5m")
    looked = database.looker.latest
    pools = database.pools.report()
    return DatabaseReport(
        uptime=max(0.0, database.timeline.now() - database.statements.since),
        sees_all=database.sees_all,
        detail=database.settings.query_detail,
        limits=database.limits if database.is_observed else (),
        engines=tuple(_engines(database)),
        since_start=_totals(database),
        slow_latest=slow_of(database),
        n_plus_one=tuple(map(_n_plus_one, database.findings.all())),
        pools=pools,
        pool_sizing=tuple(_sizing(pools, seen)),
        replicas=tuple(
            router.report() for router in sorted(database.routers, key=lambda r: str(r.primary.url))
        ),
        look=_look(looked),
        indexes=looked.indexes,
        partitions=looked.partitions,
    )


def slow_of(database: Database, most: int | None = None) -> tuple[SlowReport, ...]:
    """Give the latest slow executions, the newest first."""
    plans = database.looker.latest.plans
    return tuple(_slow(each, plans) for each in database.slow_latest()[:most])


def state_of(database: Database) -> int:
    """Give a number that changes with the report, at a fraction of its price."""
    statements = [
        (each.key, each.count, each.errors, each.slow, len(each.lines), each.routes.total())
        for each in database.statements
    ]
    found = database.findings.all()
    slow, profiles = database.slow_latest(), database.profiles.latest()
    looked = database.looker.latest
    return hash(
        (
            tuple(statements),
            len(found),
            sum(each.times for each in found),
            (len(slow), slow[0].at if slow else None),
            (len(profiles), profiles[0].at if profiles else None),
            looked.at,
            database.sees_all,
            tuple(sorted(map(engine_name, database.engines()))),
            database.pools.mark(),
            tuple(router.mark() for router in database.routers),
        )
    )


def profiles_of(database: Database) -> tuple[ProfileReport, ...]:
    """Give the profiled requests, the newest first."""
    plans = database.looker.latest.plans
    return tuple(_profile(each, plans) for each in database.profiles.latest())


def _engines(database: Database) -> Iterator[EngineReport]:
    primary_of = primaries(database.routers)
    roots = set(primary_of.values())
    for engine in sorted(database.engines(), key=engine_name):
        yield EngineReport(
            name=engine_name(engine),
            dialect=engine.dialect.name,
            driver=engine.dialect.driver,
            is_async=engine.dialect.is_async,
            role="replica" if engine in primary_of else "primary" if engine in roots else "other",
        )


def _totals(database: Database) -> DatabaseTotals:
    book = database.statements
    with book.lock:
        seen = [each for each in book if each.count]
        total = sum(each.total for each in seen)
        seen.sort(key=lambda each: (-each.total, each.key))
        return DatabaseTotals(
            since=rfc3339(book.since),
            statements_seen=len(seen),
            queries=sum(each.count for each in seen),
            executed=sum(each.executed for each in seen),
            errors=sum(each.errors for each in seen),
            slow=sum(each.slow for each in seen),
            execute_seconds=sum(each.execute_total for each in seen),
            fetch_seconds=sum(each.fetch_total for each in seen),
            rows=sum(each.rows for each in seen),
            statements=tuple(_statement(each, total) for each in seen[:MOST_STATEMENTS]),
        )


def _statement(statement: Statement, total: float) -> StatementReport:
    is_one = statement.key == statement.shape.key
    return StatementReport(
        statement=statement.key,
        sql=statement.shape.sql if is_one else "",
        operation=statement.shape.operation if is_one else "",
        tables=statement.shape.tables if is_one else (),
        count=statement.count,
        executed=statement.executed,
        total=statement.total,
        share=ratio(statement.total, total),
        avg=ratio(statement.total, statement.count),
        slowest=statement.slowest,
        execute_seconds=statement.execute_total,
        fetch_seconds=statement.fetch_total,
        rows=statement.rows,
        most_rows=statement.most_rows,
        streamed=statement.is_streamed,
        errors=statement.errors,
        slow=statement.slow,
        first_seen=rfc3339(statement.first_seen),
        last_seen=rfc3339(statement.last_seen),
        lines=tuple(
            LineCount(line=line, count=count) for line, count in statement.lines.most_common()
        ),
        routes=_routes(statement.routes),
    )


def _routes(routes: Counter[str]) -> tuple[RouteCount, ...]:
    return tuple(RouteCount(route=route, count=count) for route, count in routes.most_common())


def _slow(slow: SlowStatement, plans: Mapping[str, PlanSeen]) -> SlowReport:
    return SlowReport(
        statement=slow.key,
        sql=slow.sql,
        at=rfc3339(slow.at),
        seconds=slow.seconds,
        fetch_seconds=slow.fetch_seconds,
        rows=slow.rows,
        failed=slow.failed,
        line=slow.line,
        route=slow.route,
        plan=_plan(plans.get(slow.key)),
    )


def _plan(seen: PlanSeen | None) -> PlanReport | None:
    if seen is None:
        return None
    if isinstance(seen.plan, Plan):
        return PlanReport(at=rfc3339(seen.at), text=seen.plan.text, reason=None)
    return PlanReport(at=rfc3339(seen.at), text=None, reason=seen.plan.reason)


def _n_plus_one(found: Found) -> NPlusOneReport:
    finding = found.finding
    return NPlusOneReport(
        kind=finding.kind,
        statement=finding.statement,
        sql=finding.sql,
        about=finding.about,
        advice=finding.advice,
        line=finding.line,
        times=found.times,
        queries=found.queries,
        most=found.most,
        seconds=found.seconds,
        first_at=rfc3339(found.first_at),
        last_at=rfc3339(found.last_at),
        routes=_routes(found.routes),
    )


def _sizing(pools: Iterable[PoolReport], snapshot: Snapshot) -> Iterator[PoolSizing]:
    """Forecast for the pools that have a bound and whose waits are timed."""
    for pool in pools:
        held = snapshot.timer(POOL_HOLD, pool=pool.name)
        waited = snapshot.timer(POOL_WAIT, pool=pool.name)
        rate = snapshot.rate(waited.count)
        if not pool.capacity or not rate or held.mean is None or waited.mean is None:
            continue
        load = PoolLoad(rate=rate, hold=held.mean, capacity=pool.capacity, wait=waited.mean)
        yield PoolSizing(pool=pool.name, checkouts=waited.count, sizing=advise_size(load))


def _look(looked: Looked) -> LookReport:
    return LookReport(
        looked_at=None if looked.at is None else rfc3339(looked.at),
        seconds=looked.seconds,
        proves=looked.proves,
        notes=looked.notes,
    )


def _profile(profile: Profile, plans: Mapping[str, PlanSeen]) -> ProfileReport:
    first: dict[bytes, int] = {}
    rows = []
    for place, query in enumerate(profile.queries):
        earlier = first.setdefault(query.same, place)
        rows.append(
            ProfiledQueryReport(
                statement=query.key,
                sql=query.sql,
                offset=query.began - profile.began,
                execute_seconds=query.execute,
                fetch_seconds=query.fetch,
                rows=query.rows,
                failed=query.failed,
                line=query.line,
                duplicate_of=None if earlier == place else earlier,
                plan=_plan(plans.get(query.key)),
            )
        )
    return ProfileReport(
        route=profile.name,
        method=profile.method,
        at=rfc3339(profile.at),
        seconds=profile.seconds,
        query_seconds=profile.query_seconds,
        count=len(rows) + profile.left_out,
        left_out=profile.left_out,
        duplicates=sum(row.duplicate_of is not None for row in rows),
        queries=tuple(rows),
    )
