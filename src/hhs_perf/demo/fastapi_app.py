"""The demo as a FastAPI application, measured by hhs_perf."""

from __future__ import annotations

import weakref
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import StreamingResponse

from hhs_perf import Monitor
from hhs_perf.adapters.fastapi import init_app

from .cached import CachedFigures
from .queries import Figures, Row

__all__ = ["create_app"]


def create_app(figures: Figures | None = None) -> FastAPI:
    """Build the application on `figures`, or on the database of `DATABASE_URL`."""
    figures = figures or Figures.from_env()
    app = FastAPI(title="Accounts of US federal health agencies, with sample figures")
    monitor = init_app(app, Monitor.from_env())
    monitor.database.instrument()  # every engine of the process
    _add_lists(app, figures, CachedFigures(figures, monitor.cache))
    _add_streams(app, figures)
    _add_troublemakers(app, figures)
    weakref.finalize(app, figures.close)
    monitor.start()  # the cache is warm before the first request
    return app


def _add_lists(app: FastAPI, figures: Figures, cached: CachedFigures) -> None:
    @app.get("/api/summary")
    def summary() -> Row:
        return cached.summary()

    @app.get("/api/accounts")
    def accounts(
        platform: str | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> Row:
        return cached.accounts(platform=platform, limit=limit, offset=offset)

    @app.get("/api/accounts/{account_key}")
    def account(account_key: int) -> Row:
        return _found(cached.account(account_key))

    @app.get("/api/accounts/{account_key}/history")
    def history(account_key: int) -> Row:
        return _found(figures.history(account_key))


def _add_streams(app: FastAPI, figures: Figures) -> None:
    @app.get("/api/export")
    def export(format: str = "ndjson") -> StreamingResponse:  # noqa: A002 -- the query's word
        if format == "csv":
            return StreamingResponse(figures.export("csv"), media_type="text/csv")
        return StreamingResponse(figures.export("ndjson"), media_type="application/x-ndjson")

    @app.get("/api/events")
    def events() -> StreamingResponse:
        return StreamingResponse(figures.events(), media_type="text/event-stream")


def _add_troublemakers(app: FastAPI, figures: Figures) -> None:
    @app.get("/api/organizations")
    def organizations(platform: str = "X") -> Row:
        return figures.organizations(platform)

    @app.get("/api/mentions")
    def mentions() -> Row:
        return figures.mentions(20)

    @app.get("/api/slow")
    def slow() -> Row:
        return figures.slow_report()

    @app.get("/api/broken")
    def broken() -> Row:
        raise RuntimeError("this view fails on purpose")


def _found(row: Row | None) -> Row:
    if row is None:
        raise HTTPException(status_code=404)
    return row
