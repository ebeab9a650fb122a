"""Cached responses of FastAPI views."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, cast, get_args

import attrs
from fastapi import Request, Response
from fastapi.params import Body, Depends, Param
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import Scope

from ..exceptions import ConfigurationError
from ..web.cached_view import CachedView
from ..web.http import Response as Answer
from ..web.response_cache import Asked, Plan, Seen, kept_apart
from ._common import cache_for

if TYPE_CHECKING:
    from ..cache import TieredCache

__all__ = ["cached_response"]

P = ParamSpec("P")

_METHODS: Final = ("GET", "HEAD")
# What says of a parameter where FastAPI takes it from.
_TOLD: Final = (Body, Depends, Param)
_VALUE: Final = "hhs_perf.value"
_RENDERER: Final = "_hhs_perf_renderer"
_Renderer = Callable[[Request], Awaitable[Response]]


def cached_response(  # noqa: PLR0913 - each is a choice of its own
    *,
    ttl: float | None = None,
    tags: str | Iterable[str] = (),
    vary: str | Iterable[str] = (),
    query: str | Iterable[str] | None = None,
    credentials: Literal["bypass", "vary", "ignore"] = "bypass",
    statuses: Iterable[int] = (200,),
    max_age: float | None = None,
    largest: int = 1024 * 1024,
    cache: TieredCache | None = None,
) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """Cache the responses of a view to GET and HEAD, and let browsers and proxies do so.

    Put it below the route. The view, `def` or `async def`, runs once for all who ask for the same
    path, query and `vary` headers at a time; what it returns goes through `response_model` and
    `response_class` before it is kept. Dependencies run for each request, before the cache is
    asked, so that they may refuse it. Not kept are streams, answers with Set-Cookie, to another
    status than `statuses`, with a Vary on a header that is not in `vary`, and those whose
    Cache-Control has no-store, private or no-cache.

    Args:
        ttl: Seconds that a response is kept; CACHE_DEFAULT_TIMEOUT by default.
        tags: What to invalidate the responses by: `monitor.cache.invalidate(tags=…)`.
        vary: The request headers that the response depends on.
        query: The parameters that it depends on, where not on all.
        credentials: What becomes of requests with Authorization, Cookie or X-API-Key: `bypass`
            the cache, `vary` (each sender has responses of its own), or `ignore` (the response
            is the same for everybody).
        statuses: The status codes of responses to keep.
        max_age: The longest time in seconds that browsers may keep one, where not to its end.
        largest: The most bytes of a body to keep; 1 MiB by default.
        cache: Where to keep them; by default the cache of the application's monitor.

    Raises ConfigurationError for values that make no sense, for a view that takes a body, and for
    a method of a class: decorate the bound one.
    """
    plan = Plan(
        ttl=ttl,
        tags=tags,
        vary=vary,
        query=query,
        credentials=credentials,
        statuses=statuses,
        max_age=max_age,
        largest=largest,
    )

    def decorator(view: Callable[P, Any]) -> Callable[P, Any]:
        if inspect.isgeneratorfunction(view) or inspect.isasyncgenfunction(view):
            raise TypeError("a view that yields is a stream, which is never cached")
        served = CachedView(plan, _read)
        signature = _Signature(view)

        @wraps(view)
        async def cached(**given: object) -> Response:
            request, told = signature.take(given)
            run = _Run(view, given, request, told)
            asked = _asked(request)
            where, default_ttl = cache_for(getattr(request.app.state, "hhs_perf", None), cache)
            found = await served.serve_async(where, asked, default_ttl, run)
            if isinstance(found, Answer):
                response = _response(found, run.background)
            elif isinstance(found.outcome, HTTPException):
                raise found.outcome
            else:
                response = found.outcome
                if asked.method in _METHODS and plan.credentials == "bypass":
                    _keep_apart(plan, asked, response)
            # What dependencies have set is for this request; what the view sets is kept.
            response.raw_headers.extend(run.told_before)
            return response

        signature.give_to(cached)
        return cast("Callable[P, Any]", cached)

    return decorator


class _Signature:
    """The parameters of a view, and those that FastAPI is to fill for us besides."""

    def __init__(self, view: Callable[..., Any]) -> None:
        try:
            # Here, since FastAPI before 0.117 would look names up in our module.
            self._own = inspect.signature(view, eval_str=True)
        except (NameError, TypeError, SyntaxError):
            self._own = inspect.signature(view)
        self._refuse_what_no_cache_serves()
        self._request = self._name_of(Request) or "hhs_perf_request"
        self._response = self._name_of(Response) or "hhs_perf_response"

    def _refuse_what_no_cache_serves(self) -> None:
        for place, (name, parameter) in enumerate(self._own.parameters.items()):
            if not place and name in ("self", "cls") and parameter.annotation is parameter.empty:
                raise ConfigurationError(
                    "cached_response: FastAPI calls a method by what it is bound to: decorate "
                    "that, cached_response()(thing.method)"
                )
            if _is_body(parameter):
                raise ConfigurationError(
                    f"cached_response: parameter {name!r} is read from the body, which is no part "
                    "of the key; take it from the query, or leave the cache out"
                )

    def _name_of(self, kind: type) -> str | None:
        """Find the parameter that FastAPI fills with its own object of that kind."""
        for name, parameter in self._own.parameters.items():
            annotation, *more = get_args(parameter.annotation) or (parameter.annotation,)
            is_dependency = any(isinstance(each, Depends) for each in (parameter.default, *more))
            if isinstance(annotation, type) and issubclass(annotation, kind) and not is_dependency:
                return name
        return None

    def give_to(self, cached: Callable[..., object]) -> None:
        """Let FastAPI see the parameters."""
        parameters = list(self._own.parameters.values())
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind)
            for name, kind in ((self._request, Request), (self._response, Response))
            if name not in self._own.parameters
        ]
        named = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
        rest = [p for p in parameters if p.kind is p.VAR_KEYWORD]
        signature = self._own.replace(parameters=[*named, *more, *rest])
        cached.__signature__ = signature  # type: ignore[attr-defined]  # inspect looks there

    def take(self, given: dict[str, Any]) -> tuple[Request, Response]:
        """Give the request, and the response that headers may be set on; the rest is the view's."""
        try:
            request, told = given[self._request], given[self._response]
        except KeyError:
            raise ConfigurationError(
                "cached_response: put it below the route of FastAPI, which gives it the request"
            ) from None
        for name in (self._request, self._response):
            if name not in self._own.parameters:
                del given[name]
        return request, told


def _is_body(parameter: inspect.Parameter) -> bool:
    annotation, *more = get_args(parameter.annotation) or (parameter.annotation,)
    told = [each for each in (parameter.default, *more) if isinstance(each, _TOLD)]
    if told:
        return any(isinstance(each, Body) for each in told)
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


@attrs.frozen
class _Made:
    """What a run of the view gave: a response, or what it refused the request with."""

    outcome: Response | HTTPException
    is_personal: bool = False


class _Run:
    """Runs the view for one request, and makes what it gives into a response as FastAPI does."""

    def __init__(
        self, view: Callable[..., Any], given: dict[str, Any], request: Request, told: Response
    ) -> None:
        self._view = view
        self._given = given
        self._request = request
        self._told = told
        self.told_before = list(told.headers.raw)
        self.background: BackgroundTask | None = None

    async def __call__(self) -> _Made:
        """Run the view; what it refuses with is for the exception handlers of each request."""
        scope = self._request.scope
        session = dict(scope.get("session", ()))
        is_async = inspect.iscoroutinefunction(self._view)
        try:
            if is_async:
                value = await self._view(**self._given)
            else:
                value = await run_in_threadpool(self._view, **self._given)
        except HTTPException as exc:
            return _Made(exc)
        if isinstance(value, Response):
            self.background = value.background
            response = value
        else:
            scope[_VALUE] = value
            response = await _renderer(scope, is_async=is_async)(self._request)
            del scope[_VALUE]
            response.status_code = self._told.status_code or response.status_code
            response.raw_headers.extend(self._told.headers.raw[len(self.told_before) :])
        # What the view wrote into the session is for this visitor; so may be the page with it.
        return _Made(response, is_personal=session != dict(scope.get("session", ())))


def _renderer(scope: Scope, *, is_async: bool) -> _Renderer:
    """Give what makes a value the route's response: a route alike, without its dependencies."""
    route = _route_of(scope)
    if not hasattr(route, "response_model_exclude_none"):
        raise ConfigurationError("cached_response: only routes of FastAPI can return plain values")
    held: _Renderer | None = getattr(route, _RENDERER, None)
    if held is None:
        like = APIRoute(
            route.path,
            _hand_over if is_async else _hand_over_in_thread,
            response_model=route.response_model,
            status_code=route.status_code,
            response_class=route.response_class,
            response_model_include=route.response_model_include,
            response_model_exclude=route.response_model_exclude,
            response_model_by_alias=route.response_model_by_alias,
            response_model_exclude_unset=route.response_model_exclude_unset,
            response_model_exclude_defaults=route.response_model_exclude_defaults,
            response_model_exclude_none=route.response_model_exclude_none,
        )
        held = like.get_route_handler()
        # On the route, so that it goes when the application does.
        setattr(route, _RENDERER, held)
    return held


def _route_of(scope: Scope) -> Any:  # noqa: ANN401 - FastAPI has no type for it
    """Give the route that was matched: since FastAPI 0.137 its context, which has the prefixes."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    if context is None or getattr(context, "original_route", None) is not scope.get("route"):
        return scope.get("route")
    return context


async def _hand_over(request: Request) -> object:
    return request.scope[_VALUE]


def _hand_over_in_thread(request: Request) -> object:
    return request.scope[_VALUE]


def _asked(request: Request) -> Asked:
    headers = request.headers

    def header(name: str) -> str | None:
        # RFC 9110, 5.3: lines of one name are one list, except for cookies.
        return ("; " if name == "cookie" else ", ").join(headers.getlist(name)) or None

    return Asked(
        method=request.method,
        base=f"{request.scope.get('scheme', 'http')}://{headers.get('host', '')}",
        path=request.scope["path"],
        query=request.scope["query_string"].decode("latin-1"),
        header=header,
        route=getattr(_route_of(request.scope), "path", ""),
    )


def _read(made: _Made) -> Seen | None:
    response = made.outcome
    # Streams and files have no body yet.
    body = getattr(response, "body", None)
    if made.is_personal or isinstance(response, HTTPException) or not isinstance(body, bytes):
        return None
    return Seen(
        status=response.status_code,
        headers=tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in response.raw_headers),
        body=body,
    )


def _keep_apart(plan: Plan, asked: Asked, response: Response) -> None:
    if not asked.names_somebody():
        return
    headers = response.headers
    for name, value in kept_apart(
        plan, ", ".join(headers.getlist("vary")), headers.get("cache-control")
    ).items():
        headers[name] = value


def _response(answer: Answer, background: BackgroundTask | None) -> Response:
    response = Response(answer.body, status_code=answer.status, background=background)
    response.raw_headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers
    ]
    return response
