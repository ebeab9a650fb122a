"""What a FastAPI host may count on: dependencies hold, the loop runs, streams are judged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response

from hhs_perf import Monitor
from hhs_perf.adapters.fastapi import init_app
from hhs_perf.testing import FakeClock
from hhs_perf.web import Principal, allow_all
from hhs_perf.web import Request as SiteRequest
from tests.web_calls import Series, call_asgi, counted, quiet_monitor, series

PATHS = tuple(
    f"/api/performance{path}{slash}"
    for path in ("", "/sla", "/alerts", "/settings", "/dashboard")
    for slash in ("", "/")
)


def _need_login(request: Request) -> None:
    if "x-login" not in request.headers:
        raise HTTPException(401, "log in")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "FAKE"])
async def test_no_path_or_method_of_ours_bypasses_the_hosts_dependencies(method: str) -> None:
    app = FastAPI(dependencies=[Depends(_need_login)])
    monitor = init_app(app, quiet_monitor(), auth=allow_all)
    wanted = {"GET": 200, "HEAD": 200, "OPTIONS": 204}.get(method, 405)
    for path in PATHS:
        assert (await call_asgi(app, path, method)).status == 401, path
        answer = await call_asgi(app, path, method, headers=[(b"x-login", b"me")])
        assert answer.status == wanted, path
        assert answer.error is None
    assert counted(monitor) == {}


@pytest.fixture
def monitor(clock: FakeClock) -> Monitor:
    return quiet_monitor(clock)


@pytest.fixture
def wrapped(monitor: Monitor) -> FastAPI:
    """Make a host under a middleware that only passes on."""
    app = FastAPI()
    init_app(app, monitor, auth=allow_all)

    async def passing(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    return app


@pytest.mark.parametrize("sent", [["first"], []], ids=["midway", "at once"])
async def test_a_stream_that_breaks_off_under_a_middleware_is_an_error(
    sent: list[str], wrapped: FastAPI, monitor: Monitor, clock: FakeClock
) -> None:
    @wrapped.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            for chunk in sent:
                yield chunk
            clock.advance(0.5)
            raise RuntimeError("broken off")

        return StreamingResponse(chunks())

    answer = await call_asgi(wrapped, "/stream")
    assert answer.status == 200
    assert isinstance(answer.error, RuntimeError)
    assert series(monitor) == [Series("GET", "/stream", "5xx", 1, 0.5, 0.5)]


@pytest.mark.parametrize("fails", [False, True])
async def test_background_work_after_a_whole_answer_changes_nothing_under_a_middleware(
    fails: bool, wrapped: FastAPI, monitor: Monitor, clock: FakeClock
) -> None:
    """The middleware takes every answer to pieces; the announced length tells that it is whole."""

    async def work() -> None:
        clock.advance(60.0)
        if fails:
            raise RuntimeError("in the background")

    @wrapped.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(work)
        return "done"

    answer = await call_asgi(wrapped, "/background")
    assert answer.error is None or fails  # before 1.0 Starlette keeps it to itself
    assert series(monitor) == [Series("GET", "/background", "2xx", 1, 0.0, 0.0)]


async def test_a_blocking_authenticator_does_not_hold_up_the_loop() -> None:
    """It waits for what only the loop can do, and sees the context of the request."""
    app = FastAPI()
    tenant: ContextVar[str] = ContextVar("tenant", default="none")
    seen: list[str] = []
    released = threading.Event()
    loop = asyncio.get_running_loop()

    def who(request: SiteRequest) -> Principal | None:
        seen.append(tenant.get())
        loop.call_soon_threadsafe(released.set)
        return allow_all(request) if released.wait(20.0) else None

    init_app(app, quiet_monitor(), auth=who)
    tenant.set("acme")
    assert (await call_asgi(app, "/api/performance/sla")).status == 200
    assert seen == ["acme"]


async def test_a_plain_function_may_give_an_awaitable() -> None:
    app = FastAPI()
    loops: list[object] = []

    async def ask(request: SiteRequest) -> Principal:
        loops.append(asyncio.get_running_loop())
        return allow_all(request)

    def who(request: SiteRequest) -> Awaitable[Principal]:
        return ask(request)

    init_app(app, quiet_monitor(), auth=who)
    assert (await call_asgi(app, "/api/performance/sla")).status == 200
    assert loops == [asyncio.get_running_loop()]
