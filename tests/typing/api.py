"""What a user of the library writes, for the type checker alone; nobody runs this file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import assert_type

import attrs
from fastapi import FastAPI
from flask import Flask
from sqlalchemy import Engine

import hhs_perf.adapters.fastapi
import hhs_perf.adapters.flask
from hhs_perf import (
    AlertRule,
    ConfigurationError,
    Monitor,
    QuantileObjective,
    RatioObjective,
    RequestScope,
    Selector,
    Settings,
    Sla,
    hookimpl,
    request_scope,
)
from hhs_perf.cache import Policy, TieredCache
from hhs_perf.database import (
    AsyncRoutingSession,
    Database,
    QueryScope,
    ReplicaRouter,
    RoutingSession,
    async_routing_sessionmaker,
    create_engine_from_env,
    read_only,
    routing_sessionmaker,
)
from hhs_perf.metrics import Counter, Distribution, Gauge, Reader, Registry, Snapshot, Timer
from hhs_perf.sla import Alert, AlertChange, Quantile, Ratio, SlaChange, SlaVerdict, Status
from hhs_perf.testing import FakeClock
from hhs_perf.web import Authenticator, Principal, Request, Site, allow_all

# Making a monitor and mounting it.
settings = Settings.from_env({"HHS_PERF_TOKENS": "viewer:secret"})
monitor = Monitor.from_env()
assert_type(monitor, Monitor)
assert_type(Monitor(settings, clock=FakeClock(), tick=False, plugins=[object()]), Monitor)
assert_type(hhs_perf.adapters.flask.init_app(Flask("host"), monitor), Monitor)
assert_type(
    hhs_perf.adapters.fastapi.init_app(FastAPI(), monitor, auth=allow_all, url_prefix="/x"), Monitor
)

# A mistyped argument is a mistake for the checker, too.
Monitor.from_env({"HHS_PERF_MAX_SERIES": 2000})  # type: ignore[dict-item]
hhs_perf.adapters.flask.init_app(FastAPI(), monitor)  # type: ignore[arg-type]

# Instruments.
timer = monitor.metrics.timer("report.build", kind="daily")
assert_type(timer, Timer)
assert_type(monitor.metrics.counter("mail.sent"), Counter)
assert_type(monitor.metrics.gauge("queue.length"), Gauge)
monitor.metrics.timer("report.build", kind=3)  # type: ignore[arg-type]
timer.record(0.1)
with timer.time():
    pass


# Decorators keep signatures.
@timer.timed
def plain(number: int, *, text: str = "") -> bool:
    return bool(number) and bool(text)


@timer.timed
async def later(number: int) -> str:
    return str(number)


@timer.timed
def rows(number: int) -> Iterator[int]:
    yield number


@timer.timed
async def rows_later(number: int) -> AsyncIterator[int]:
    yield number


assert_type(plain(1, text="a"), bool)
assert_type(rows(1), Iterator[int])
assert_type(rows_later(1), AsyncIterator[int])


async def wait() -> None:
    """Wait for one."""
    assert_type(await later(1), str)
    await later("1")  # type: ignore[arg-type]


plain("1")  # type: ignore[arg-type]
plain(1, txt="a")  # type: ignore[call-arg]
as_callable: Callable[[int], Iterator[int]] = rows

# Reading.
reader: Reader = monitor.reader
snapshot = reader.read("1h")
assert_type(snapshot, Snapshot)
assert_type(snapshot.timer("report.build", kind="daily"), Distribution)
assert_type(snapshot.timer("report.build").quantile(0.95), float | None)
assert_type(snapshot.counters("mail.sent"), list[tuple[Mapping[str, str], float]])
reader.read("1h", "galaxy")  # type: ignore[arg-type]

# SLAs and alerts.
objective = QuantileObjective(name="p95", metric="report.build", quantile=0.95, target=1)
share = RatioObjective(good=Selector(name="a"), total=Selector(name="b"), target=0.9, op=">=")
monitor.add_sla(Sla(name="report-time", objectives=(objective, share)))
monitor.add_alert(
    AlertRule(name="slow", figure=Quantile(metric="report.build", quantile=0.95), threshold=2)
)
AlertRule(
    name="errors",
    figure=Ratio(good=Selector(name="a"), total=Selector(name="b")),
    threshold=0.05,
    severity="loud",  # type: ignore[arg-type]
)
assert_type(monitor.evaluate(), tuple[SlaVerdict, ...])
status: Status = monitor.evaluate("report-time", window="5m")[0].status
assert_type(monitor.alerts.active(), tuple[Alert, ...])

# The request under way.
scope = request_scope()
assert_type(scope, RequestScope | None)
if scope is not None:
    scope.kind = "cached"
    scope.kind = "lucky"  # type: ignore[assignment]

# Recording other kinds of work.
monitor.collectors.database.record_query("SELECT ?", 0.01, failed=True)
monitor.collectors.cache.record_lookup(l1="miss", l2="hit")
monitor.collectors.cache.record_lookup(l1="maybe")  # type: ignore[arg-type]
monitor.collectors.scrapers.record_scrape("youtube", 1.0, succeeded=True)
monitor.collectors.scrapers.request("youtube", seconds=1.0, waited=0.5, cost=1.0, unit="units")
monitor.collectors.scrapers.outcome("youtube", "skipped", None, reason="no_credentials")
monitor.collectors.scrapers.outcome("youtube", "lucky", None)  # type: ignore[arg-type]
monitor.collectors.frontend.record_load("/", 0.5)


# Authenticators, sync and async.
def by_header(request: Request) -> Principal | None:
    name = request.headers.get("x-user")
    return Principal(name=name, roles=frozenset({"viewer"})) if name else None


async def by_database(request: Request) -> Principal | None:
    return by_header(request)


def by_accident(request: Request) -> str:
    return request.path


chosen: list[Authenticator] = [by_header, by_database, allow_all]
Site(monitor, by_database)
Site(monitor, by_accident)  # type: ignore[arg-type]


# A plugin.
class Plugin:
    """Implements hooks, with their arguments typed."""

    @hookimpl
    def hhs_perf_register_slas(self) -> list[Sla]:
        """Give an SLA."""
        return [Sla(name="report-time", objectives=(objective,))]

    @hookimpl
    def hhs_perf_register_collectors(self, metrics: Registry) -> None:
        """Keep a timer."""
        self.timer = metrics.timer("mail.duration")

    @hookimpl
    def hhs_perf_sla_changed(self, change: SlaChange) -> None:
        """Hear of a status."""
        assert_type(change.status, Status)

    @hookimpl
    def hhs_perf_alert_changed(self, change: AlertChange) -> None:
        """Hear of an alert."""
        assert_type(change.alert.value, float | None)


def problems_of(error: ConfigurationError) -> tuple[str, ...]:
    """Give every mistake."""
    return error.problems


# Caching: a type asked for is the type given, and decorators keep signatures here as well.
@attrs.frozen
class Account:
    id: int


cache = monitor.cache
assert_type(cache, TieredCache)
assert_type(cache.get("a", type=Account), Account | None)
assert_type(cache.get("a", 3, Account), Account | int)
assert_type(cache.get_or_load("a", lambda: Account(1), policy=Policy(stale_for=30)), Account)
assert_type(cache.get_many(["a"], type=Account), dict[str, Account])
cache.set(3, "a")  # type: ignore[arg-type]


@cache.cached(ttl=60)
def accounts(org: str, most: int = 3) -> list[Account]:
    return [Account(len(org))] * most


assert_type(accounts("cdc"), list[Account])
assert_type(accounts.refresh("cdc", most=2), list[Account])
assert_type(accounts.key_of("cdc"), str)
accounts.invalidate(3)  # type: ignore[arg-type]


class Page:
    id = 3

    @cache.cached(ttl=60, key="page:{self.id}:{number}")
    def text(self, number: int) -> str:
        return str(number)


assert_type(Page().text(3), str)


@cache.cached(ttl=60)
async def total(org: str) -> int:
    return len(org)


async def ask() -> None:
    async def load() -> Account:
        return Account(1)

    assert_type(await total("cdc"), int)
    assert_type(await cache.aio.get_or_load("a", load), Account)
    assert_type(await cache.aio.get_or_load("a", lambda: 3), int)
    assert_type(await cache.aio.get("a", type=Account), Account | None)


# Databases: engines of both kinds, scopes, sessions that keep their class.
engine = create_engine_from_env({"DATABASE_URL": "sqlite://"})
assert_type(engine, Engine)
database = monitor.database
assert_type(database, Database)
database.instrument()
database.instrument(engine)
database.instrument("sqlite://")  # type: ignore[arg-type]
with database.scope("import", n_plus_one="raise") as queries:
    assert_type(queries, QueryScope)
    assert_type(queries.queries, int)
database.scope(n_plus_one="loudly")  # type: ignore[arg-type]

router = ReplicaRouter(engine, [])
database.add(router)
with routing_sessionmaker(router)() as session, read_only():
    assert_type(session, RoutingSession)
assert_type(async_routing_sessionmaker(router)(), AsyncRoutingSession)
