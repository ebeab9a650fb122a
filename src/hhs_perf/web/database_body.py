"""What `/api/performance/database` and its profile answer, and how they are put together.

A file of its own, imported when somebody asks, as that of the cache is. It needs no SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import attrs

from .._clock import rfc3339
from ..advice import Advice, database_advice
from ..collectors.database_detail import DatabaseDetail, detail
from ..database.indexes.report import IndexReport
from ..database.partitions.advice import PartitionAdvice
from ..database.pools.report import Holder, PoolReport
from ..database.replicas.report import ReplicaReport, ReplicaState
from ..database.report import (
    DatabaseTotals,
    EngineReport,
    LookReport,
    NPlusOneReport,
    PoolSizing,
    ProfileReport,
    SlowReport,
)
from .bodies import Header
from .build import header_of

if TYPE_CHECKING:
    from .._monitor import Monitor
    from ..database.report import DatabaseReport

__all__ = [
    "DatabaseBody",
    "ProfileBody",
    "database_body",
    "database_state",
    "profile_body",
]

V = TypeVar("V", bound=attrs.AttrsInstance)

_HOW: Final = (
    "set ENABLE_QUERY_PROFILING=true in development and start again: every query of a request is"
    " then kept with its times, and missing indexes are tried out"
)


@attrs.frozen(kw_only=True, slots=False)
class HolderRow(Holder):
    """A connection that is out for too long, with a stamp."""

    since: str  # type: ignore[assignment] # a stamp in place of seconds


@attrs.frozen(kw_only=True, slots=False)
class PoolStanding(PoolReport):
    """One pool."""

    holders: tuple[HolderRow, ...]


@attrs.frozen(kw_only=True, slots=False)
class ReplicaRow(ReplicaState):
    """One replica, with a stamp."""

    since: str  # type: ignore[assignment] # likewise


@attrs.frozen(kw_only=True, slots=False)
class RouterRow(ReplicaReport):
    """A router and its replicas."""

    replicas: tuple[ReplicaRow, ...]


@attrs.frozen(kw_only=True, slots=False)
class DatabaseBody(Header):
    """`/api/performance/database`.

    `in_window` is what was recorded in the window; everything else is of this process since it
    began, and empty while nobody has asked for `monitor.database`. `look` says when plans, indexes
    and partitions were looked at.
    """

    observed: bool
    in_window: DatabaseDetail
    since_start: DatabaseTotals | None
    slow_query: float
    slow_latest: tuple[SlowReport, ...]
    n_plus_one: tuple[NPlusOneReport, ...]
    pools: tuple[PoolStanding, ...]
    pool_sizing: tuple[PoolSizing, ...]
    replicas: tuple[RouterRow, ...]
    look: LookReport | None
    indexes: tuple[IndexReport, ...]
    partitions: tuple[PartitionAdvice, ...]
    advice: tuple[Advice, ...]
    engines: tuple[EngineReport, ...]
    sees_all: bool
    detail: Literal["full", "timing"]
    limits: tuple[str, ...]


@attrs.frozen(kw_only=True, slots=False)
class ProfileBody:
    """`/api/performance/database/profile`; `how` says how profiling is enabled where it is not."""

    enabled: bool
    how: str | None
    requests: tuple[ProfileReport, ...]


def database_body(monitor: Monitor, window: str) -> DatabaseBody:
    """Build `/database` over `window`; makes no database part where there is none."""
    snapshot = monitor.reader.read(window)
    settings = monitor.settings.database
    in_window = detail(snapshot, settings.slow_query)
    report = monitor.database.report(snapshot) if monitor.has_database else None
    shown: dict[str, Any] = _nothing() if report is None else _shown(report)
    return DatabaseBody(
        **header_of(snapshot),
        observed=in_window.observed or (report is not None and report.is_used),
        in_window=in_window,
        slow_query=settings.slow_query,
        detail=settings.query_detail,
        **shown,
    )


def database_state(monitor: Monitor) -> int:
    """Give a number that changes with what is shown of databases besides the metrics."""
    from ..database.reporting import state_of  # noqa: PLC0415 - needs SQLAlchemy

    return state_of(monitor.database)


def profile_body(monitor: Monitor) -> ProfileBody:
    """Build `/database/profile`."""
    enabled = monitor.settings.database.profiling
    requests: tuple[ProfileReport, ...] = ()
    if enabled and monitor.has_database:
        from ..database.reporting import profiles_of  # noqa: PLC0415 - needs SQLAlchemy

        requests = profiles_of(monitor.database)
    return ProfileBody(enabled=enabled, how=None if enabled else _HOW, requests=requests)


def _nothing() -> dict[str, Any]:
    lists = (
        *("slow_latest", "n_plus_one", "pools", "pool_sizing", "replicas", "indexes"),
        *("partitions", "advice", "engines", "limits"),
    )
    return {"since_start": None, "look": None, "sees_all": False} | dict.fromkeys(lists, ())


def _shown(report: DatabaseReport) -> dict[str, Any]:
    shown = attrs.asdict(report, recurse=False)
    del shown["detail"], shown["uptime"]
    return shown | {
        "advice": database_advice(report),
        "pools": tuple(map(_pool, report.pools)),
        "replicas": tuple(map(_router, report.replicas)),
    }


def _pool(pool: PoolReport) -> PoolStanding:
    holders = tuple(_as(HolderRow, each, since=rfc3339(each.since)) for each in pool.holders)
    return _as(PoolStanding, pool, holders=holders)


def _router(router: ReplicaReport) -> RouterRow:
    replicas = tuple(_as(ReplicaRow, each, since=rfc3339(each.since)) for each in router.replicas)
    return _as(RouterRow, router, replicas=replicas)


def _as(of: type[V], value: attrs.AttrsInstance, **changed: object) -> V:
    return of(**(attrs.asdict(value, recurse=False) | changed))
