"""The host applications that are measured bare, under hhs_perf and under each peer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from prometheus_fastapi_instrumentator import metrics as instrumentator_metrics
from prometheus_flask_exporter import PrometheusMetrics
from starlette.middleware.base import BaseHTTPMiddleware

from hhs_perf.adapters import fastapi as fastapi_adapter
from hhs_perf.adapters import flask as flask_adapter
from hhs_perf.web import allow_all

if TYPE_CHECKING:
    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.requests import Request
    from starlette.responses import Response

    from hhs_perf import Monitor


def flask_bare() -> Flask:
    """Make the Flask host: one JSON view with a typed path parameter."""
    app = Flask("bench_host")

    @app.get("/items/<int:item>")
    def read(item: int) -> dict[str, int]:
        return {"id": item}

    return app


def flask_ours(monitor: Monitor) -> Flask:
    """Make the Flask host as a user of hhs_perf has it."""
    app = flask_bare()
    flask_adapter.init_app(app, monitor, auth=allow_all)
    return app


def flask_exporter(group_by: str) -> Flask:
    """Make the Flask host under prometheus-flask-exporter."""
    app = flask_bare()
    PrometheusMetrics(app, group_by=group_by, registry=CollectorRegistry())
    return app


def fastapi_bare() -> FastAPI:
    """Make the FastAPI host: one JSON view with a typed path parameter."""
    app = FastAPI()

    @app.get("/items/{item}")
    async def read(item: int) -> dict[str, int]:
        return {"id": item}

    return app


def fastapi_ours(monitor: Monitor) -> FastAPI:
    """Make the FastAPI host as a user of hhs_perf has it."""
    app = fastapi_bare()
    fastapi_adapter.init_app(app, monitor, auth=allow_all)
    return app


def fastapi_instrumentator(*, latency_only: bool = False) -> FastAPI:
    """Make the FastAPI host under prometheus-fastapi-instrumentator.

    With ``latency_only`` it keeps one histogram by handler, method and status, and neither the
    body sizes nor the second histogram that its default adds.
    """
    app = fastapi_bare()
    registry = CollectorRegistry()
    instrumentator = Instrumentator(registry=registry)
    if latency_only:
        instrumentator.add(instrumentator_metrics.latency(registry=registry))
    instrumentator.instrument(app)
    return app


class _TimerMiddleware(BaseHTTPMiddleware):
    """Do our job the way most middleware is written: time by method and route template."""

    def __init__(self, app: Any, monitor: Monitor) -> None:  # noqa: ANN401 - any ASGI app
        super().__init__(app)
        self._record = monitor.collectors.api.record

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        begun = time.perf_counter()
        response = await call_next(request)
        ended = time.perf_counter()
        route = request.scope["route"].path
        status = response.status_code
        self._record(request.method, route, "uncached", status, ended - begun, ended)
        return response


def fastapi_base_middleware(monitor: Monitor) -> FastAPI:
    """Make the FastAPI host with the same job done in a BaseHTTPMiddleware."""
    app = fastapi_bare()
    app.add_middleware(_TimerMiddleware, monitor=monitor)
    return app
