"""What is FastAPI's own: dependencies, models, background tasks, included routers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Depends,
    FastAPI,
    Form,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
)
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask

from hhs_perf import request_scope
from hhs_perf.adapters.fastapi import cached_response, init_app
from hhs_perf.collectors.api import DURATION
from hhs_perf.exceptions import ConfigurationError
from hhs_perf.testing import FakeClock
from hhs_perf.web import allow_all
from tests.web_calls import Answer, call_asgi, quiet_monitor

runs: list[str] = []


class Account(BaseModel):
    name: str
    followers: int = 0


class Secret(Account):
    password: str = "hidden"


@pytest.fixture
def app(clock: FakeClock) -> FastAPI:
    app = FastAPI()
    init_app(app, quiet_monitor(clock), auth=allow_all)
    runs.clear()
    return app


def call(app: FastAPI, path: str, **headers: str) -> Answer:
    pairs = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
    return asyncio.run(call_asgi(app, path, headers=pairs))


def bodies(app: FastAPI, *paths: str) -> list[str]:
    return [call(app, path).body.decode() for path in paths]


@pytest.mark.parametrize("is_async", [True, False])
def test_what_the_view_returns_goes_through_the_response_model(
    app: FastAPI, is_async: bool
) -> None:
    """A hit shows no more of an object than the first answer did."""

    def view(name: str, big: bool = False) -> Any:
        runs.append(name)
        return Secret(name=name, followers=5)

    async def async_view(name: str, big: bool = False) -> Any:
        return view(name, big)

    cached = cached_response()(async_view if is_async else view)
    app.get("/accounts/{name}", response_model=Account, response_model_exclude_unset=True)(cached)
    expected = '{"name":"ada","followers":5}'
    assert bodies(app, "/accounts/ada", "/accounts/ada") == [expected, expected]
    assert call(app, "/accounts/ada?big=maybe").status == 422
    assert runs == ["ada"]


def test_the_route_looks_in_the_schema_as_it_does_without() -> None:
    async def view(account_id: int, page: int = 1, *, request: Request) -> list[Account]:
        """Give the accounts."""
        return []

    schemas = []
    for each in (view, cached_response()(view)):
        app = FastAPI()
        app.get("/accounts/{account_id}")(each)
        schemas.append(app.openapi())
    assert schemas[0] == schemas[1]


def test_dependencies_run_for_each_request_and_may_refuse_it(app: FastAPI) -> None:
    """A key in a header that no cache knows as a credential still keeps others out of hits."""

    def allowed(token: Annotated[str, Header()] = "") -> str:
        runs.append(f"check {token}")
        if token != "good":
            raise HTTPException(403)
        return token

    @app.get("/list", dependencies=[Depends(allowed)])
    @cached_response()
    async def view() -> str:
        runs.append("view")
        return "list"

    assert [call(app, "/list", token=t).status for t in ("good", "good", "bad")] == [200, 200, 403]
    assert runs == ["check good", "view", "check good", "check bad"]


def test_headers_of_dependencies_are_each_requests_own(app: FastAPI) -> None:
    """What the view sets is kept with the response; what a dependency sets is not."""

    def limit(response: Response, number: Annotated[str, Header()]) -> None:
        response.headers["X-Left"] = number

    @app.get("/list", dependencies=[Depends(limit)])
    @cached_response(statuses=[201])
    async def view(response: Response) -> str:
        response.headers["X-Of-View"] = "yes"
        response.status_code = 201
        return "list"

    answers = [call(app, "/list", number=number) for number in ("2", "1")]
    assert [a.headers["x-left"] for a in answers] == ["2", "1"]
    assert [a.headers["x-of-view"] for a in answers] == ["yes", "yes"]
    assert [a.status for a in answers] == [201, 201]


def test_a_view_that_takes_the_request_gets_its_own(app: FastAPI) -> None:
    @app.get("/list")
    @cached_response()
    def view(request: Annotated[Request, "as it came"], **_: Any) -> dict[str, str]:
        return {"path": request.url.path}

    assert call(app, "/list?_=").body == b'{"path":"/list"}'


def test_response_classes_of_routes_routers_and_the_application_hold(clock: FakeClock) -> None:
    app = FastAPI(default_response_class=PlainTextResponse)
    init_app(app, quiet_monitor(clock), auth=allow_all)
    router = APIRouter(prefix="/inner")

    @app.get("/plain")
    @router.get("/plain")
    @cached_response()
    async def plain() -> Any:
        return "text"

    @router.get("/html", response_class=HTMLResponse)
    @cached_response()
    async def html() -> Any:
        return "<p>"

    app.include_router(router, prefix="/outer")
    for path, kind in (
        ("/plain", "text/plain; charset=utf-8"),
        ("/outer/inner/plain", "text/plain; charset=utf-8"),
        ("/outer/inner/html", "text/html; charset=utf-8"),
    ):
        for _ in range(2):
            answer = call(app, path)
            assert (answer.status, answer.headers["content-type"]) == (200, kind)


def test_background_tasks_run_for_the_request_that_ran_the_view(app: FastAPI) -> None:
    @app.get("/injected")
    @cached_response()
    async def injected(tasks: BackgroundTasks) -> str:
        tasks.add_task(runs.append, "injected")
        return "done"

    @app.get("/attached")
    @cached_response()
    async def attached() -> Response:
        return PlainTextResponse("done", background=BackgroundTask(runs.append, "attached"))

    assert bodies(app, "/injected", "/injected", "/attached", "/attached")
    assert runs == ["injected", "attached"]


def test_refusals_reach_the_exception_handlers_each_time(app: FastAPI) -> None:
    class OddError(Exception):
        pass

    @app.exception_handler(OddError)
    async def handle(_: Request, __: Exception) -> Response:
        return PlainTextResponse("odd", 418)

    @app.get("/refused")
    @cached_response()
    async def refused() -> None:
        runs.append("refused")
        raise HTTPException(409, "no")

    @app.get("/odd")
    @cached_response()
    def odd() -> None:
        runs.append("odd")
        raise OddError

    assert [call(app, p).status for p in ("/refused", "/refused", "/odd", "/odd")] == [
        *(409, 409),
        *(418, 418),
    ]
    assert runs == ["refused", "refused", "odd", "odd"]


def test_files_are_passed_on(app: FastAPI) -> None:
    @app.get("/file")
    @cached_response()
    def file() -> FileResponse:
        runs.append("file")
        return FileResponse(__file__)

    assert [call(app, "/file").status for _ in range(2)] == [200, 200]
    assert runs == ["file", "file"]


def test_the_kind_that_the_view_says_is_that_of_its_run(app: FastAPI) -> None:
    @app.get("/list")
    @cached_response()
    def view() -> str:
        scope = request_scope()
        assert scope is not None
        scope.kind = "database"
        return "list"

    call(app, "/list")
    call(app, "/list")
    rows = [tags["kind"] for tags, _ in app.state.hhs_perf.reader.read("5m").timers(DURATION)]
    assert sorted(rows) == ["cached", "database"]


def test_views_that_yield_are_refused_at_once() -> None:
    def lines() -> Iterator[str]:
        yield "a"

    async def async_lines() -> AsyncIterator[str]:
        yield "a"

    for view in (lines, async_lines):
        with pytest.raises(TypeError, match="stream"):
            cached_response()(view)


def test_views_that_take_a_body_are_refused_at_once() -> None:
    def explicit(words: Annotated[dict[str, str], Body()]) -> None: ...

    def by_default(words: str = Body()) -> None: ...

    def form(word: Annotated[str, Form()]) -> None: ...

    def model(account: Account) -> None: ...

    for view in (explicit, by_default, form, model):
        with pytest.raises(ConfigurationError, match=r"parameter '\w+' is read from the body"):
            cached_response()(view)


def test_models_of_the_query_and_of_dependencies_are_no_bodies(app: FastAPI) -> None:
    def given(x_name: Annotated[str, Header()] = "bob") -> Account:
        return Account(name=x_name)

    needed = Depends(given)

    @app.get("/list")
    @cached_response()
    def view(asked: Annotated[Account, Query()], made: Account = needed) -> int:
        runs.append(f"{asked.name} {made.name}")
        return asked.followers

    assert bodies(app, "/list?name=ada&followers=2", "/list?name=ada&followers=2") == ["2", "2"]
    assert runs == ["ada bob"]


def test_methods_are_decorated_where_they_are_bound(app: FastAPI) -> None:
    class Shop:
        def goods(self) -> str:
            runs.append("goods")
            return "tea"

    with pytest.raises(ConfigurationError, match=r"cached_response\(\)\(thing.method\)"):
        cached_response()(Shop.goods)
    app.get("/goods")(cached_response()(Shop().goods))
    assert bodies(app, "/goods", "/goods") == ['"tea"', '"tea"']
    assert runs == ["goods"]


def test_a_mounted_application_is_told_what_to_do(app: FastAPI) -> None:
    """It has a state of its own, so it does not see the monitor of the outer one."""
    inner = FastAPI()

    @inner.get("/lost/{name}")
    @cached_response()
    def lost(name: str) -> str:
        return name

    @inner.get("/found/{name}")
    @cached_response(cache=app.state.hhs_perf.cache)
    def found(name: str) -> str:
        runs.append(name)
        return name

    app.mount("/inner", inner)
    error = call(app, "/inner/lost/x").error
    assert isinstance(error, ConfigurationError)
    assert "mounted in another one" in str(error)
    assert "cache=monitor.cache" in str(error)
    assert bodies(app, "/inner/found/x", "/inner/found/x") == ['"x"', '"x"']
    assert runs == ["x"]
    patterns = [row.pattern for row in app.state.hhs_perf.cache.report().patterns]
    assert patterns == ["response:/found/{name}"]


def test_what_is_no_route_of_fastapi_is_told_so(app: FastAPI) -> None:
    async def view() -> str:
        return "list"

    async def by_starlette(_: Request) -> Any:
        return await cached_response()(view)()

    app.router.add_route("/list", by_starlette)
    error = call(app, "/list").error
    assert isinstance(error, ConfigurationError)
    assert "below the route" in str(error)


def test_without_a_monitor_it_is_said_what_is_missing() -> None:
    app = FastAPI()

    @app.get("/list")
    @cached_response()
    async def view() -> str:
        return "list"

    error = call(app, "/list").error
    assert isinstance(error, ConfigurationError)
    assert "init_app" in str(error)
