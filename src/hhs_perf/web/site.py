"""The routes: from a request that belongs to no framework to its response."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from .._tokens import Role
from ..exceptions import ConfigurationError
from ..metrics import WINDOWS
from . import parts
from .auth import Authenticator, Principal, TokenAuthenticator, may_block, roles_in_force, wait_for
from .bodies import AlertsBody, SettingsBody, SlaBody, SummaryBody
from .build import alerts_body, settings_body, sla_body, summary_body
from .http import Request, Response, problem
from .negotiate import accepts_gzip, compress, etag_of, matches
from .page import page_headers
from .schema import FieldError, inline_schema, select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._monitor import Monitor

__all__ = ["Endpoint", "Site"]

_METHODS: Final = ("GET", "HEAD", "OPTIONS")
_ALLOW: Final = ("Allow", ", ".join(_METHODS))
_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"
_WINDOW: Final = "window"
_FIELDS: Final = "fields"


@attrs.frozen(kw_only=True)
class Endpoint:
    """One route of ours: where it stands below the prefix, who may see it, what it answers.

    `state` tells of what the answer shows besides what the monitor's generation stands for.
    """

    path: str
    name: str
    summary: str
    build: Callable[[Monitor, Mapping[str, str]], object]
    load_body: Callable[[], type] | None = None
    state: Callable[[Monitor], object] = lambda _: None
    role: Role = "viewer"
    parameters: tuple[str, ...] = ()
    content_type: str = _JSON

    @property
    def body(self) -> type | None:
        """The type of a 200 body, None for a page."""
        return None if self.load_body is None else self.load_body()

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON Schema of a 200 body, None for a page."""
        body = self.body
        return None if body is None else inline_schema(body)


ENDPOINTS: Final = (
    Endpoint(
        path="",
        name="summary",
        summary="All figures over a window, SLAs and alerts",
        load_body=lambda: SummaryBody,
        parameters=(_WINDOW, _FIELDS),
        build=lambda monitor, query: summary_body(monitor, query.get(_WINDOW, "5m")),
        state=parts.database_state,
    ),
    Endpoint(
        path="/sla",
        name="sla",
        summary="Status and compliance of every SLA",
        load_body=lambda: SlaBody,
        parameters=(_WINDOW, _FIELDS),
        build=lambda monitor, query: sla_body(monitor, query.get(_WINDOW)),
    ),
    Endpoint(
        path="/alerts",
        name="alerts",
        summary="Active alerts and their history",
        load_body=lambda: AlertsBody,
        parameters=(_FIELDS,),
        build=lambda monitor, _: alerts_body(monitor),
    ),
    Endpoint(
        path="/cache",
        name="cache",
        summary="The cache: hit rates, misses by reason, patterns, state, advice",
        load_body=parts.cache_type,
        parameters=(_WINDOW, _FIELDS),
        build=lambda monitor, query: parts.cache(monitor, query.get(_WINDOW, "5m")),
        state=parts.cache_state,
    ),
    Endpoint(
        path="/database",
        name="database",
        summary="Databases: statements, slow ones, N+1, pools, indexes, replicas, advice",
        load_body=parts.database_type,
        parameters=(_WINDOW, _FIELDS),
        build=lambda monitor, query: parts.database(monitor, query.get(_WINDOW, "5m")),
        state=parts.database_state,
    ),
    Endpoint(
        path="/database/profile",
        name="database-profile",
        summary="Every query of the latest requests, while ENABLE_QUERY_PROFILING is true",
        load_body=parts.profile_type,
        role="admin",
        parameters=(_FIELDS,),
        build=lambda monitor, _: parts.profile(monitor),
        state=parts.database_state,
    ),
    Endpoint(
        path="/scrapers",
        name="scrapers",
        summary="Scrapers by platform: success, times, failures, waits, cost, state, advice",
        load_body=parts.scrapers_type,
        parameters=(_WINDOW, _FIELDS),
        # They run once a day.
        build=lambda monitor, query: parts.scrapers(monitor, query.get(_WINDOW, "24h")),
        state=parts.scrapers_state,
    ),
    Endpoint(
        path="/settings",
        name="settings",
        summary="Settings, plugins and the state of the monitor itself",
        load_body=lambda: SettingsBody,
        role="admin",
        parameters=(_FIELDS,),
        build=lambda monitor, _: settings_body(monitor),
    ),
    Endpoint(
        path="/dashboard",
        name="dashboard",
        summary="The figures as a page",
        parameters=(_WINDOW,),
        content_type=_HTML,
        build=lambda monitor, query: parts.dashboard(monitor, query.get(_WINDOW, "5m")),
        state=parts.dashboard_state,
    ),
)


class Site:
    """Answers requests to the routes of one monitor.

    Raises ConfigurationError when there is neither an authenticator nor a token: figures are
    not shown to everybody by oversight.
    """

    def __init__(self, monitor: Monitor, auth: Authenticator | None = None) -> None:
        tokens = monitor.settings.web.tokens
        if auth is None and not tokens:
            raise ConfigurationError(
                "nobody could be told apart: set HHS_PERF_TOKENS, or pass auth=, "
                "or say auth=allow_all to show the figures to everybody"
            )
        self._monitor = monitor
        self._auth: Authenticator = auth or TokenAuthenticator(tokens)
        self._needs_thread = may_block(self._auth)
        self.endpoints: tuple[Endpoint, ...] = ENDPOINTS

    def respond(self, endpoint: Endpoint, request: Request) -> Response:
        """Answer `request`; errors of the host's authenticator travel."""
        refused = _refuse_method(request)
        if refused is not None:
            return refused
        return self._answer(endpoint, request, wait_for(self._auth(request)))

    async def respond_async(self, endpoint: Endpoint, request: Request) -> Response:
        """Answer `request` without holding up the event loop.

        An authenticator that is no coroutine function is called in a thread, as figures are put
        together in one.
        """
        refused = _refuse_method(request)
        if refused is not None:
            return refused
        if self._needs_thread:
            answer = await asyncio.to_thread(self._auth, request)
        else:
            answer = self._auth(request)
        principal = await answer if inspect.isawaitable(answer) else answer
        return await asyncio.to_thread(self._answer, endpoint, request, principal)

    def _answer(
        self, endpoint: Endpoint, request: Request, principal: Principal | None
    ) -> Response:
        response = self._decide(endpoint, request, principal)
        return attrs.evolve(response, body=b"") if request.method == "HEAD" else response

    def _decide(
        self, endpoint: Endpoint, request: Request, principal: Principal | None
    ) -> Response:
        if principal is None:
            return _challenge(request)
        if not isinstance(principal, Principal):
            raise TypeError(f"the authenticator must give a Principal or None, got {principal!r}")
        roles = roles_in_force(principal, request.headers.get("x-role"))
        if endpoint.role not in roles:
            return problem(403, f"this needs the role {endpoint.role}")
        try:
            query = _read_query(endpoint, request)
        except ValueError as exc:
            return problem(400, str(exc))
        self._monitor.advance_if_overdue()
        etag = etag_of(
            self._monitor.generation(),
            str(endpoint.state(self._monitor)),
            endpoint.name,
            repr(sorted(query.items())),
            *sorted(roles),
        )
        headers = [
            ("ETag", etag),
            ("Cache-Control", "private, no-cache"),
            ("Vary", "Accept-Encoding, Authorization, Cookie, X-Role"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        if matches(request.headers.get("if-none-match"), etag):
            return Response(status=304, headers=tuple(headers))
        try:
            body = self._render(endpoint, query, headers)
        except FieldError as exc:
            return problem(400, str(exc))
        return _finish(request, endpoint, headers, body)

    def _render(
        self, endpoint: Endpoint, query: Mapping[str, str], headers: list[tuple[str, str]]
    ) -> bytes:
        built = endpoint.build(self._monitor, query)
        if isinstance(built, str):
            headers += page_headers()
            return built.encode()
        if _FIELDS in query:
            built = select(built, query[_FIELDS].split(","))
        return msgspec.json.encode(built)


def _refuse_method(request: Request) -> Response | None:
    if request.method == "OPTIONS":
        return Response(status=204, headers=(_ALLOW,))
    if request.method not in _METHODS:
        return problem(405, f"allowed are {', '.join(_METHODS)}", (_ALLOW,))
    return None


def _challenge(request: Request) -> Response:
    presented = "authorization" in request.headers
    challenge = 'Bearer realm="hhs_perf"' + (', error="invalid_token"' * presented)
    detail = "the token is not known" if presented else "send Authorization: Bearer <token>"
    return problem(401, detail, (("WWW-Authenticate", challenge),))


def _read_query(endpoint: Endpoint, request: Request) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in request.query:
        if name not in endpoint.parameters:
            known = ", ".join(endpoint.parameters)
            raise ValueError(f"unknown parameter {name!r}; allowed are {known}")
        if name in query:
            raise ValueError(f"{name} is given twice")
        query[name] = value
    windows = [window.name for window in WINDOWS]
    if query.get(_WINDOW, windows[0]) not in windows:
        raise ValueError(f"unknown window {query[_WINDOW]!r}; allowed are {', '.join(windows)}")
    return query


def _finish(
    request: Request, endpoint: Endpoint, headers: list[tuple[str, str]], body: bytes
) -> Response:
    headers.append(("Content-Type", endpoint.content_type))
    packed = compress(body) if accepts_gzip(request.headers.get("accept-encoding")) else None
    if packed is not None:
        headers.append(("Content-Encoding", "gzip"))
        body = packed
    headers.append(("Content-Length", str(len(body))))
    return Response(status=200, headers=tuple(headers), body=body)
