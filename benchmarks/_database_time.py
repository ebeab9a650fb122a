"""How much of the time that a database takes one contender sees, in a process of its own.

Usage: ``python -m benchmarks._database_time CONTENDER DRIVER URL``.  Prints a line of JSON: seconds
that the driver took to execute and to fetch, measured around its own cursor, and seconds that the
contender tells.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import psycopg
import sqlalchemy
from sqlalchemy import Engine, select
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks._database import Parent, monitor

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS: Final = 300_000
QUERY: Final = select(Parent.__table__)
SPENT: Final[list[float]] = [0.0]


def _timed(base: type) -> type:
    """Return a cursor class that adds up what its methods take."""

    def timed(name: str) -> Callable[..., Any]:
        def call(self: object, *given: Any) -> Any:  # noqa: ANN401 - a cursor's
            begun = time.perf_counter()
            try:
                return getattr(base, name)(self, *given)
            finally:
                SPENT[0] += time.perf_counter() - begun

        return call

    return type("Timed", (base,), {name: timed(name) for name in ("execute", "fetchall")})


class _Connection(sqlite3.Connection):
    def cursor(self) -> Any:  # type: ignore[override] # noqa: ANN401 - a class made at run time
        return super().cursor(_timed(sqlite3.Cursor))


def _engine(driver: str, url: str) -> Engine:
    given = (
        {"factory": _Connection}
        if driver == "sqlite"
        else {"cursor_factory": _timed(psycopg.Cursor)}
    )
    return sqlalchemy.create_engine(url, connect_args=given)


def _send(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(QUERY.limit(1)).all()
        _BEGIN[0]()
        SPENT[0] = 0.0
        rows = connection.execute(QUERY).all()
        assert len(rows) == ROWS


async def _send_async(url: str, watch: Callable[[Engine], None]) -> None:
    engine = create_async_engine(url)
    watch(engine.sync_engine)
    async with engine.connect() as connection:
        (await connection.execute(QUERY.limit(1))).all()
        _BEGIN[0]()
        # This driver has all rows when it has executed.
        begun = time.perf_counter()
        result = await connection.execute(QUERY)
        SPENT[0] = time.perf_counter() - begun
        assert len(result.all()) == ROWS
    await engine.dispose()


_BEGIN: Final[list[Callable[[], None]]] = [lambda: None]


def _run(driver: str, url: str, watch: Callable[[Engine], None]) -> None:
    if driver == "asyncpg":
        asyncio.run(_send_async(url, watch))
        return
    engine = _engine(driver, url)
    watch(engine)
    _send(engine)
    engine.dispose()


def _ours(driver: str, url: str) -> float:
    with closing(monitor("full")) as mine:
        _run(driver, url, mine.database.instrument)
        mine.metrics.flush()
        (found,) = (
            each
            for each in mine.database.statements
            if "FROM bench_parents" in each.shape.sql and "LIMIT" not in each.shape.sql
        )
        assert found.most_rows == ROWS
        return found.total


def _otel(driver: str, url: str) -> float:
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    _BEGIN[0] = exporter.clear

    def watch(engine: Engine) -> None:
        SQLAlchemyInstrumentor().instrument(
            engine=engine, tracer_provider=provider, skip_dep_check=True
        )

    _run(driver, url, watch)
    spans = [each for each in exporter.get_finished_spans() if each.name.startswith("SELECT")]
    assert len(spans) == 1
    return (spans[0].end_time - spans[0].start_time) / 1e9


def _sentry(driver: str, url: str) -> float:
    import sentry_sdk
    from sentry_sdk.integrations.sqlalchemy import SqlalchemyIntegration
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: object) -> None:
            """Send nothing."""

    sentry_sdk.init(
        "http://key@127.0.0.1:9/1",
        transport=Nowhere,
        traces_sample_rate=1.0,
        integrations=[SqlalchemyIntegration()],
        default_integrations=False,
    )
    with sentry_sdk.start_transaction(name="turn") as transaction:
        _run(driver, url, lambda _: None)
        spans = [
            each
            for each in transaction._span_recorder.spans  # noqa: SLF001 - what it would send
            if each.op == "db"
            and "LIMIT" not in each.description
            and "FROM bench" in each.description
        ]
    assert len(spans) == 1
    return (spans[0].timestamp - spans[0].start_timestamp).total_seconds()


CONTENDERS: Final = {"hhs_perf": _ours, "OpenTelemetry": _otel, "sentry-sdk": _sentry}

if __name__ == "__main__":
    seen = CONTENDERS[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"spent": SPENT[0], "seen": seen}))
