"""Route templates of FastAPI applications of every make, on the version that is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from hhs_perf import Monitor
from hhs_perf.adapters.fastapi import init_app
from hhs_perf.web import allow_all
from tests.web_calls import call_asgi, counted, quiet_monitor


@pytest.fixture
def monitor() -> Monitor:
    return quiet_monitor()


@pytest.fixture
def app(monitor: Monitor) -> FastAPI:
    app = FastAPI()
    init_app(app, monitor, auth=allow_all)
    return app


async def _view() -> str:
    return "x"


async def _plain(_request: object) -> PlainTextResponse:
    return PlainTextResponse("x")


async def _routes_of(app: FastAPI, monitor: Monitor, *paths: str) -> list[str]:
    for path in paths:
        answer = await call_asgi(app, path)
        assert answer.error is None
    assert monitor.faults == {}
    return sorted(route for _, route, _ in counted(monitor))


async def test_a_function_that_serves_several_routes_is_told_apart(
    app: FastAPI, monitor: Monitor
) -> None:
    app.get("/a/{x}")(_view)
    app.get("/b/{x}/c")(_view)
    assert await _routes_of(app, monitor, "/a/1", "/b/1/c", "/a/2") == ["/a/{x}", "/b/{x}/c"]


async def test_a_router_included_twice_is_told_apart(app: FastAPI, monitor: Monitor) -> None:
    router = APIRouter()
    router.get("/x/{y}")(_view)
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2/{tenant}")
    found = await _routes_of(app, monitor, "/v1/x/1", "/v2/acme/x/1", "/v2/emca/x/2")
    assert found == ["/v1/x/{y}", "/v2/{tenant}/x/{y}"]


async def test_an_application_mounted_twice_is_told_apart(app: FastAPI, monitor: Monitor) -> None:
    sub = FastAPI()
    sub.get("/s/{z}")(_view)
    sub.get("/files/{rest:path}")(_view)
    app.mount("/one", sub)
    app.mount("/two/{tenant}", sub)
    found = await _routes_of(
        app, monitor, "/one/s/1", "/two/acme/s/1", "/two/emca/s/2", "/two/acme/files/a/b"
    )
    assert found == ["/one/s/{z}", "/two/{tenant}/files/{rest:path}", "/two/{tenant}/s/{z}"]


async def test_plain_starlette_routes_have_their_template(app: FastAPI, monitor: Monitor) -> None:
    app.router.routes.append(Route("/plain/{id}", _plain))
    more = Mount("/more", Router([Route("/z/{q}", _plain)]))
    sub = Starlette(routes=[Route("/deep/{id}", _plain), more])
    app.mount("/star/{s}", sub)
    router = APIRouter()
    router.add_route("/inside/{id}", _plain)
    app.include_router(router, prefix="/inc/{p}")
    paths = ("/plain/1", "/plain/2", "/star/1/deep/2", "/star/3/more/z/4", "/inc/5/inside/6")
    assert await _routes_of(app, monitor, *paths) == [
        "/inc/{p}/inside/{id}",
        "/plain/{id}",
        "/star/{s}/deep/{id}",
        "/star/{s}/more/z/{q}",
    ]


async def test_a_mount_under_middleware_keeps_the_templates_inside(
    app: FastAPI, monitor: Monitor
) -> None:
    class Wrapper:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

    sub = FastAPI()
    sub.get("/s/{z}")(_view)
    app.mount("/by/{hand}", Wrapper(sub))
    app.router.routes.append(
        Mount("/by-starlette", routes=[Route("/s/{z}", _plain)], middleware=[Middleware(Wrapper)])
    )
    found = await _routes_of(app, monitor, "/by/1/s/2", "/by-starlette/s/2")
    assert found == ["/by-starlette/s/{z}", "/by/{hand}/s/{z}"]


async def test_what_matches_no_route_in_a_mount_is_unmatched(
    app: FastAPI, monitor: Monitor
) -> None:
    sub = FastAPI()
    sub.get("/s/{z}")(_view)
    app.mount("/t/{tenant}", sub)
    paths = [f"/t/tenant{n}/nothing{n}" for n in range(30)]
    assert await _routes_of(app, monitor, *paths) == ["unmatched"]


async def test_static_files_are_one_route_whatever_is_asked_for(
    app: FastAPI, monitor: Monitor, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("a")
    app.mount("/static", StaticFiles(directory=tmp_path))
    await _routes_of(app, monitor, "/static/a.txt", *(f"/static/{n}" for n in range(30)))
    assert counted(monitor) == {("GET", "/static", "2xx"): 1, ("GET", "/static", "4xx"): 30}


async def test_a_built_frontend_is_one_route(
    app: FastAPI, monitor: Monitor, tmp_path: Path
) -> None:
    """FastAPI serves those since 0.138; before, there is nothing to tell apart."""
    (tmp_path / "index.html").write_text("<p>")
    if hasattr(app, "frontend"):
        app.frontend("/app", directory=tmp_path)
    await _routes_of(app, monitor, "/app", "/app/", "/app/deep/link", "/app/other")
    routes = {route for _, route, _ in counted(monitor)}
    assert routes <= {"/app/{path}", "unmatched"}
    assert ("/app/{path}" in routes) == hasattr(app, "frontend")


async def test_hosts_have_templates(app: FastAPI, monitor: Monitor) -> None:
    app.router.routes.append(Host("api.localhost", app=Router([Route("/h/{id}", _plain)])))
    answer = await call_asgi(app, "/h/1", headers=[(b"host", b"api.localhost")])
    assert answer.status == 200
    assert counted(monitor) == {("GET", "/h/{id}", "2xx"): 1}


async def test_routes_added_while_serving_are_found(app: FastAPI, monitor: Monitor) -> None:
    app.get("/early/{x}")(_view)
    await call_asgi(app, "/early/1")

    async def late() -> str:
        return "x"

    app.get("/late/{x}")(late)
    assert await _routes_of(app, monitor, "/late/1") == ["/early/{x}", "/late/{x}"]


async def test_endpoints_from_nowhere_never_become_series_without_end(
    app: FastAPI, monitor: Monitor
) -> None:
    """An application may make an endpoint for each request; the table of templates is bounded."""

    class Hidden:
        """No list of routes, no inner application."""

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            scope["endpoint"] = lambda: None
            scope["route"] = type("R", (), {"path": scope["path"], "endpoint": None})()
            await PlainTextResponse("x")(scope, receive, send)

    app.mount("/hidden", Hidden())
    for number in range(1_000):
        assert (await call_asgi(app, f"/hidden/{number}")).status == 200
    assert counted(monitor) == {("GET", "unmatched", "2xx"): 1_000}


async def test_an_application_mounted_in_itself_does_not_hang(
    app: FastAPI, monitor: Monitor
) -> None:
    app.get("/x/{y}")(_view)
    app.mount("/again", app)
    assert "/x/{y}" in await _routes_of(app, monitor, "/x/1")


async def test_middleware_added_later_is_inside_of_the_timer(
    app: FastAPI, monitor: Monitor
) -> None:
    class Guard:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("no", status_code=403)(scope, receive, send)

    app.add_middleware(Guard)
    await call_asgi(app, "/anything")
    assert counted(monitor) == {("GET", "unmatched", "4xx"): 1}


async def test_an_application_that_serves_already_is_timed_too(monitor: Monitor) -> None:
    app = FastAPI()
    app.get("/x/{y}")(_view)
    await call_asgi(app, "/x/1")
    init_app(app, monitor, auth=allow_all)
    assert await _routes_of(app, monitor, "/x/1") == ["/x/{y}"]
