"""The eight scenarios for FastAPI, judged by benchmarks/conformance.py."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse

from benchmarks import conformance
from hhs_perf import Monitor
from hhs_perf.adapters.fastapi import init_app
from hhs_perf.testing import FakeClock
from hhs_perf.web import allow_all
from tests.conformance_verdict import judge
from tests.web_calls import call_asgi, quiet_monitor


def _host(monitor: Monitor, clock: FakeClock) -> FastAPI:
    app = FastAPI()
    init_app(app, monitor, auth=allow_all)
    deep, api = APIRouter(prefix="/deep"), APIRouter(prefix="/api/v1")

    @deep.get("/x/{y}")
    async def x(y: int) -> dict[str, int]:
        return {"y": y}

    api.include_router(deep)
    app.include_router(api)
    tenants = FastAPI()

    @tenants.get("/s/{z}")
    async def s(z: int) -> dict[str, int]:
        return {"z": z}

    app.mount("/t/{tenant}", tenants)

    @app.get("/boom")
    async def boom() -> str:
        raise RuntimeError("boom")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            yield "first"
            clock.advance(conformance.STREAM_SECONDS)
            yield "last"

        return StreamingResponse(chunks())

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(clock.advance, conformance.BACKGROUND_SECONDS)
        return "done"

    return app


@pytest.mark.parametrize("scenario", conformance.FASTAPI, ids=lambda scenario: scenario.name)
async def test_fastapi_is_timed_as_it_should_be(
    scenario: conformance.Scenario, clock: FakeClock
) -> None:
    monitor = quiet_monitor(clock)
    app = _host(monitor, clock)
    for sent in scenario.sent:
        await call_asgi(app, sent.path, sent.method)
    assert judge(scenario, monitor) == []
    assert monitor.faults == {}
