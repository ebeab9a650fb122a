"""hhs_perf in a FastAPI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from .._lazy import importer
from ..exceptions import ConfigurationError
from ..web.asgi import AsgiTimer
from ..web.http import Request as SiteRequest
from ..web.site import Endpoint, Site
from ._common import OWN, close_with, read_prefix, read_query, refuse_second
from ._templates import RouteTemplates

try:
    from fastapi import FastAPI, Request, Security
    from fastapi.security import HTTPBearer
    from starlette.requests import ClientDisconnect
    from starlette.responses import Response
    from starlette.routing import Match
except ImportError as exc:
    raise ConfigurationError.missing_extra("hhs_perf.adapters.fastapi", "fastapi") from exc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, ItemsView, Iterable

    from starlette.routing import BaseRoute, Route
    from starlette.types import ASGIApp, Scope

    from .._monitor import Monitor
    from ..web.auth import Authenticator
    from ._responses_fastapi import cached_response

__all__ = ["cached_response", "init_app"]

# The cache is slow to import, and not every application caches responses.
__getattr__ = importer(__package__, {"cached_response": "_responses_fastapi"}, globals())

_NAME: Final = "hhs_perf"
_SITE: Final = "hhs_perf_site"
_PROBLEM: Final = {
    "application/problem+json": {
        "schema": {
            "type": "object",
            "title": "Problem",
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
            },
            "required": ["type", "title", "status"],
        }
    }
}
_REFUSALS: Final = {
    400: "A parameter is unknown or has a value that is not allowed",
    401: "Nobody is named, or somebody unknown",
    403: "The role does not suffice",
}


def init_app(
    app: FastAPI,
    monitor: Monitor,
    *,
    auth: Authenticator | None = None,
    url_prefix: str = "/api/performance",
) -> Monitor:
    """Time every request of `app`, mount the routes under `url_prefix`, and return the monitor.

    The monitor is reachable as `app.state.hhs_perf`; the routes stand in the application's
    OpenAPI under the tag `performance`; the monitor closes at shutdown, or when `app` goes.
    Where equal routes meet, the one added first answers. The dependencies given to `FastAPI()`
    hold for our routes as well. With `HHS_PERF_ENABLED=false` nothing is timed or mounted.

    Raises ConfigurationError for a second monitor in one application, for a prefix that is no
    path, and when there is neither `auth` nor a token in `HHS_PERF_TOKENS`.
    """
    refuse_second(getattr(app.state, _NAME, None))
    prefix = read_prefix(url_prefix)
    if monitor.is_enabled:
        site = Site(monitor, auth)
        views = [_view(ref(site), endpoint) for endpoint in site.endpoints]
        for endpoint, view in zip(site.endpoints, views, strict=True):
            _add_routes(app, endpoint, view, prefix)
        setattr(app.state, _SITE, site)
        _wrap(app, monitor, views)
        close_with(app, monitor)
    setattr(app.state, _NAME, monitor)
    return monitor


def _wrap(app: FastAPI, monitor: Monitor, own: Iterable[object]) -> None:
    """Stand outside of all middleware, also of that which is added later."""
    template_of = RouteTemplates(app, own).template_of

    def timed(stack: ASGIApp) -> ASGIApp:
        return AsgiTimer(stack, monitor, template_of, {OWN}, disconnects=(ClientDisconnect,))

    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: timed(build())  # type: ignore[method-assign]
    if app.middleware_stack is not None:
        app.middleware_stack = timed(app.middleware_stack)


def _paths(prefix: str, endpoint: Endpoint) -> tuple[str, ...]:
    path = prefix + endpoint.path
    return (path, f"{path}/") if path else ("/",)


def _add_routes(
    app: FastAPI, endpoint: Endpoint, view: Callable[[Request], Awaitable[Response]], prefix: str
) -> None:
    paths = _paths(prefix, endpoint)
    name = f"{_NAME}.{endpoint.name}"
    app.add_api_route(
        paths[0],
        view,
        methods=["GET"],
        name=name,
        operation_id=f"{_NAME}_{endpoint.name}",
        summary=endpoint.summary,
        tags=["performance"],
        dependencies=[Security(HTTPBearer(auto_error=False, scheme_name="Bearer"))],
        response_class=Response,
        response_model=None,
        openapi_extra={
            "parameters": [_parameter(each) for each in endpoint.parameters],
            "responses": _Responses(endpoint),
        },
    )
    _match_quickly(app.router.routes[-1], paths[0])
    # All that the documented route does not take: HEAD, OPTIONS, and what is not allowed. These
    # are FastAPI's routes as well, since plain ones know nothing of the host's dependencies.
    for path in paths:
        app.add_api_route(path, view, name=name, response_model=None, include_in_schema=False)
        route: Route = app.router.routes[-1]  # type: ignore[assignment]  # the one just added
        route.methods = set()  # Starlette's word for all, which FastAPI has no argument for
        _match_quickly(route, path)


def _match_quickly(route: BaseRoute, path: str) -> None:
    """Spare requests to the host's later routes the regular expressions of ours."""
    matches = route.matches

    def quick(scope: Scope) -> tuple[Match, Scope]:
        return matches(scope) if path in scope["path"] else (Match.NONE, {})

    route.matches = quick  # type: ignore[method-assign]


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}


class _Responses(dict[str, Any]):
    """What the document says of the responses, put together when the document is.

    FastAPI merges it in by asking for its items. Before that the schemas would only delay the
    host's start.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override] # no view of this dict
        """Give the responses by status."""
        return _responses(self._endpoint).items()


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    media_type = endpoint.content_type.partition(";")[0]
    schema = endpoint.schema or {"type": "string"}
    found: dict[str, Any] = {
        "200": {"description": endpoint.summary, "content": {media_type: {"schema": schema}}},
        "304": {"description": "Nothing has changed since the ETag in If-None-Match"},
    }
    for status, why in _REFUSALS.items():
        found[str(status)] = {"description": why, "content": _PROBLEM}
    return found


def _view(held: ref[Site], endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    # FastAPI keeps every view in caches of its own, which outlive the application: through
    # this one no more may hang on them. The application's state holds the site.
    async def view(request: Request) -> Response:
        site = held()
        if site is None:
            raise RuntimeError("the application is gone")
        return await _answer(site, endpoint, request)

    return view


async def _answer(site: Site, endpoint: Endpoint, request: Request) -> Response:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        # RFC 9110, 5.3: lines of one name are one list, except for cookies.
        glue = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{glue}{value}" if name in headers else value
    answer = await site.respond_async(
        endpoint,
        SiteRequest(
            method=request.method,
            path=request.scope["path"],
            query=read_query(request.scope["query_string"].decode("latin-1")),
            headers=headers,
            native=request,
        ),
    )
    response = Response(answer.body, status_code=answer.status)
    response.raw_headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers
    ]
    return response
