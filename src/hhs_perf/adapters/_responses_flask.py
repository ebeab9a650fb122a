"""Cached responses of Flask views."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec

from flask import Request, Response, current_app
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from ..web.cached_view import CachedView
from ..web.http import Response as Answer
from ..web.response_cache import Asked, Plan, Seen, kept_apart
from ._common import cache_for

if TYPE_CHECKING:
    from ..cache import TieredCache

__all__ = ["cached_response"]

P = ParamSpec("P")

_METHODS: Final = ("GET", "HEAD")


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

    Put it next to the function, below the route and what checks permissions. The view runs once
    for all who ask for the same path, query and `vary` headers at a time. Not kept are streams,
    answers with Set-Cookie, to another status than `statuses`, with a Vary on a header that is
    not in `vary`, and those whose Cache-Control has no-store, private or no-cache.

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

    Raises ConfigurationError for values that make no sense.
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
        served = CachedView(plan, _read)

        @wraps(view)
        def cached(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            run: Callable[[], ResponseReturnValue] = partial(
                current_app.ensure_sync(view), *args, **kwargs
            )
            asked = _asked(request_ctx.request)
            if asked.method not in _METHODS:
                return run()
            where, default_ttl = cache_for(current_app.extensions.get("hhs_perf"), cache)
            given = served.serve(where, asked, default_ttl, partial(_run, run))
            if isinstance(given, HTTPException):
                raise given
            if isinstance(given, Answer):
                return _response(given)
            if plan.credentials == "bypass" and asked.names_somebody():
                _keep_apart(plan, given)
            return given

        return cached

    return decorator


def _asked(request: Request) -> Asked:
    # The request itself: the proxy costs more than all that is read here.
    return Asked(
        method=request.method,
        base=f"{request.scheme}://{request.host}",
        path=request.root_path + request.path,
        query=request.query_string.decode("latin-1"),
        header=request.headers.get,
        route="" if request.url_rule is None else request.url_rule.rule,
    )


def _run(view: Callable[[], ResponseReturnValue]) -> BaseResponse | HTTPException:
    """Run the view; what it aborts with is for Flask's error handlers, once for each request."""
    try:
        return current_app.make_response(view())
    except HTTPException as exc:
        return exc


def _read(native: BaseResponse | HTTPException) -> Seen | None:
    if isinstance(native, HTTPException) or native.direct_passthrough or not native.is_sequence:
        return None
    # What the view wrote into the session is for this visitor, and so may be the page with it.
    # Past the proxy, which would mark the session as read.
    session = getattr(request_ctx, "_session", None)
    if (request_ctx.session if session is None else session).modified:
        return None
    return Seen(
        status=native.status_code,
        headers=tuple(native.headers.items()),
        body=native.get_data(),
    )


def _keep_apart(plan: Plan, response: BaseResponse) -> None:
    headers = response.headers
    for name, value in kept_apart(
        plan, ", ".join(headers.getlist("Vary")), headers.get("Cache-Control")
    ).items():
        headers[name] = value


def _response(answer: Answer) -> Response:
    response = current_app.response_class(answer.body, status=answer.status)
    response.headers.clear()
    response.headers.extend(answer.headers)
    return response
