"""hhs_perf in a Flask application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._lazy import importer
from .._scope import request_scope
from ..exceptions import ConfigurationError
from ..web.http import Request
from ..web.site import ENDPOINTS, Endpoint, Site
from ..web.wsgi import WsgiTimer
from ._common import OWN, close_with, read_prefix, read_query, refuse_second

try:
    from flask import Blueprint, Flask, Response, got_request_exception, request
except ImportError as exc:
    raise ConfigurationError.missing_extra("hhs_perf.adapters.flask", "flask") from exc

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.blueprints import BlueprintSetupState
    from werkzeug.routing import Rule

    from .._monitor import Monitor
    from ..web.auth import Authenticator
    from ._responses_flask import cached_response

__all__ = ["cached_response", "init_app"]

# The cache is slow to import, and not every application caches responses.
__getattr__ = importer(__package__, {"cached_response": "_responses_flask"}, globals())

_NAME: Final = "hhs_perf"
_OWN_ENDPOINTS: Final = frozenset(f"{_NAME}.{endpoint.name}" for endpoint in ENDPOINTS)


def init_app(
    app: Flask,
    monitor: Monitor,
    *,
    auth: Authenticator | None = None,
    url_prefix: str = "/api/performance",
) -> Monitor:
    """Time every request of `app`, mount the routes under `url_prefix`, and return the monitor.

    The monitor is reachable as `app.extensions["hhs_perf"]`, the routes are the blueprint
    `app.blueprints["hhs_perf"]`; the monitor closes when `app` goes. Where equal rules meet,
    the one registered first answers. What wraps `app.wsgi_app` later stands outside of the
    timer. With `HHS_PERF_ENABLED=false` nothing is timed or mounted.

    Raises ConfigurationError for a second monitor in one application, for a prefix that is no
    path, and when there is neither `auth` nor a token in `HHS_PERF_TOKENS`.
    """
    refuse_second(app.extensions.get(_NAME))
    prefix = read_prefix(url_prefix)
    if monitor.is_enabled:
        site = Site(monitor, auth)
        app.register_blueprint(_blueprint(site, prefix))
        timer = WsgiTimer(app.wsgi_app, monitor, _route_of, {OWN}, _is_rehearsal)
        app.wsgi_app = timer  # type: ignore[method-assign]  # Flask's own way of wrapping
        got_request_exception.connect(_note_route, app)
        close_with(app, monitor)
    app.extensions[_NAME] = monitor
    return monitor


def _rule(prefix: str, endpoint: Endpoint) -> str:
    return prefix + endpoint.path or "/"


def _route_of(environ: dict[str, Any]) -> str | None:
    # Flask clears this when the request's context ends: ask before.
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return None if rule is None else _template_of(rule)


def _template_of(rule: Rule) -> str:
    return OWN if rule.endpoint in _OWN_ENDPOINTS else rule.rule


def _is_rehearsal(environ: dict[str, Any]) -> bool:
    # What Flask's test client calls itself, and what any server adds, whoever the client is.
    agent: str = environ.get("HTTP_USER_AGENT", "")
    return agent.startswith("Werkzeug/") and "SERVER_SOFTWARE" not in environ


def _note_route(_app: Flask, **_: object) -> None:
    """Keep the route of a failing request: the context may end before any response starts."""
    scope = request_scope()
    if scope is not None and scope.route is None and request.url_rule is not None:
        scope.route = _template_of(request.url_rule)


def _blueprint(site: Site, prefix: str) -> Blueprint:
    blueprint = Blueprint(_NAME, __name__)

    def add_rules(state: BlueprintSetupState) -> None:
        for endpoint in site.endpoints:
            name = f"{_NAME}.{endpoint.name}"
            # Past Flask's own `add_url_rule`, which wants a list of methods: here they all are
            # let through, so that the answer to a wrong one is the same in every framework.
            rule = state.app.url_rule_class(
                _rule(prefix, endpoint), endpoint=name, strict_slashes=False
            )
            state.app.url_map.add(rule)
            state.app.view_functions[name] = _view(site, endpoint)

    blueprint.record_once(add_rules)
    return blueprint


def _view(site: Site, endpoint: Endpoint) -> Callable[[], Response]:
    def view() -> Response:
        return _answer(site, endpoint)

    # Flask-Limiter and Flask-WTF tell views apart by these names.
    view.__name__ = view.__qualname__ = f"{_NAME}_{endpoint.name}"
    return view


def _answer(site: Site, endpoint: Endpoint) -> Response:
    answer = site.respond(
        endpoint,
        Request(
            method=request.method,
            path=request.root_path + request.path,
            query=read_query(request.query_string.decode("latin-1")),
            headers={name.lower(): value for name, value in request.headers.items()},
            native=request.environ["werkzeug.request"],  # the object behind Flask's proxy
        ),
    )
    response = Response(answer.body, status=answer.status)
    response.headers.clear()
    response.headers.extend(answer.headers)
    return response
