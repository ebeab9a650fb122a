"""One suite over both adapters: what of a view is kept, for whom, and how it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from fastapi import FastAPI
from fastapi import Response as FastapiResponse
from flask import Flask
from flask import Response as FlaskResponse
from flask import request as flask_request
from starlette.requests import Request as StarletteRequest
from starlette.responses import StreamingResponse

from hhs_perf import Monitor
from hhs_perf.adapters import fastapi as fastapi_adapter
from hhs_perf.adapters import flask as flask_adapter
from hhs_perf.cache import TieredCache
from hhs_perf.collectors.api import DURATION
from hhs_perf.exceptions import ConfigurationError
from hhs_perf.testing import FakeClock
from hhs_perf.web import allow_all
from tests.web_calls import Answer, call_asgi, call_wsgi, quiet_monitor

TEXT = ("Content-Type", "text/plain; charset=utf-8")
METHODS = ["GET", "HEAD", "POST"]


@attrs.frozen
class Made:
    """What a view answers; `{n}` in the body is the number of its run."""

    body: str = "run {n}"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Host:
    """An application with cached views, each of which counts its runs."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.runs = 0

    def run(self, made: Made) -> tuple[bytes, int, list[tuple[str, str]]]:
        self.runs += 1
        return made.body.format(n=self.runs).encode(), made.status, [TEXT, *made.headers]

    def kinds(self) -> dict[str, int]:
        """Count the requests by their kind."""
        found: dict[str, int] = {}
        for tags, seen in self.monitor.reader.read("5m").timers(DURATION):
            found[tags["kind"]] = found.get(tags["kind"], 0) + seen.count
        return found


class FlaskHost(Host):
    def __init__(self, monitor: Monitor) -> None:
        super().__init__(monitor)
        self.app = Flask("host")
        self.app.secret_key = "secret"
        flask_adapter.init_app(self.app, monitor, auth=allow_all)

    def add(self, path: str, made: Made = Made(), **options: Any) -> None:
        def view(**_: object) -> FlaskResponse:
            body, status, headers = self.run(made)
            return FlaskResponse(body, status, headers)

        cached = flask_adapter.cached_response(**options)(view)
        self.app.add_url_rule(path, path, cached, methods=METHODS)

    def add_stream(self, path: str) -> None:
        def view() -> FlaskResponse:
            self.runs += 1
            return FlaskResponse(iter(["a", "b"]), headers=[TEXT])

        self.app.add_url_rule(path, path, flask_adapter.cached_response()(view))

    def add_failing(self, path: str, error: Exception) -> None:
        def view() -> str:
            self.runs += 1
            raise error

        self.app.add_url_rule(path, path, flask_adapter.cached_response()(view))

    def call(self, path: str, method: str = "GET", **headers: str) -> Answer:
        return call_wsgi(
            self.app, path, method, **{f"HTTP_{n.upper()}": v for n, v in headers.items()}
        )


class FastapiHost(Host):
    def __init__(self, monitor: Monitor) -> None:
        super().__init__(monitor)
        self.app = FastAPI()
        fastapi_adapter.init_app(self.app, monitor, auth=allow_all)

    def add(self, path: str, made: Made = Made(), **options: Any) -> None:
        async def view() -> FastapiResponse:
            body, status, headers = self.run(made)
            response = FastapiResponse(body, status)
            response.raw_headers.extend((n.lower().encode(), v.encode()) for n, v in headers)
            return response

        cached = fastapi_adapter.cached_response(**options)(view)
        self.app.api_route(path.replace("<", "{").replace(">", "}"), methods=METHODS)(cached)

    def add_stream(self, path: str) -> None:
        def view() -> StreamingResponse:
            self.runs += 1
            return StreamingResponse(iter(["a", "b"]), headers=dict([TEXT]))

        self.app.get(path)(fastapi_adapter.cached_response()(view))

    def add_failing(self, path: str, error: Exception) -> None:
        def view() -> str:
            self.runs += 1
            raise error

        self.app.get(path)(fastapi_adapter.cached_response()(view))

    def call(self, path: str, method: str = "GET", **headers: str) -> Answer:
        pairs = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
        pairs.append((b"host", b"127.0.0.1"))
        return asyncio.run(call_asgi(self._patient, path, method, headers=pairs))

    async def _patient(self, scope: Any, receive: Any, send: Any) -> None:
        """Stay connected, as a client does that waits for a stream."""
        first = [await receive()]

        async def wait() -> Any:
            return first.pop() if first else await asyncio.Event().wait()

        await self.app(scope, wait, send)


HOSTS = (FlaskHost, FastapiHost)
AnyHost = FlaskHost | FastapiHost


@pytest.fixture(params=HOSTS, ids=lambda host: host.__name__)
def host(request: pytest.FixtureRequest, clock: FakeClock) -> AnyHost:
    return request.param(quiet_monitor(clock))  # type: ignore[no-any-return]


def _bodies(answers: list[Answer]) -> list[bytes]:
    return [answer.body for answer in answers]


def test_the_view_runs_once_and_the_rest_is_of_kind_cached(host: AnyHost) -> None:
    host.add("/list")
    answers = [host.call("/list") for _ in range(3)]
    assert _bodies(answers) == [b"run 1"] * 3
    assert host.runs == 1
    assert host.kinds() == {"uncached": 1, "cached": 2}


def test_a_hit_has_the_headers_of_the_first_answer(host: AnyHost) -> None:
    host.add("/list", Made(headers=(("X-Of-View", "yes"),)))
    first, second = host.call("/list"), host.call("/list")
    assert first.headers == second.headers
    assert second.headers["x-of-view"] == "yes"
    assert second.headers["content-length"] == "5"


def test_age_and_max_age_leave_what_remains_of_the_life(host: AnyHost, clock: FakeClock) -> None:
    """Browsers take Age off max-age: what they keep ends when the entry does."""
    host.add("/list", ttl=100)
    host.call("/list")
    clock.advance(30.9)
    headers = host.call("/list").headers
    assert (headers["cache-control"], headers["age"]) == ("public, max-age=100", "30")
    clock.advance(70)
    assert host.call("/list").body == b"run 2"


def test_the_default_life_is_that_of_the_guide(host: AnyHost) -> None:
    """Browsers cache for five minutes."""
    host.add("/list")
    assert host.call("/list").headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize(
    ("max_age", "waited", "expected"),
    [
        (10, 0, "public, max-age=10"),
        (10, 50, "public, max-age=60"),
        (10, 95, "public, max-age=100"),
        (0, 50, "public, no-cache"),
    ],
)
def test_browsers_may_be_given_less(
    host: AnyHost, clock: FakeClock, max_age: float, waited: float, expected: str
) -> None:
    """After the age is taken off, `max_age` seconds are left, and never more than our own life."""
    host.add("/list", ttl=100, max_age=max_age)
    host.call("/list")
    clock.advance(waited)
    assert host.call("/list").headers["cache-control"] == expected


def test_a_client_that_has_the_body_is_not_sent_it_again(host: AnyHost) -> None:
    host.add("/list")
    etag = host.call("/list").headers["etag"]
    answer = host.call("/list", if_none_match=etag)
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == etag
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert not {"content-type", "content-length"} & answer.headers.keys()
    assert host.call("/list", if_none_match='"other"').status == 200
    assert host.runs == 1


def test_the_first_request_may_be_answered_with_304(host: AnyHost) -> None:
    """The client has it from another process, or from before a restart."""
    host.add("/list", Made("same"))
    etag = host.call("/list").headers["etag"]
    host.monitor.cache.invalidate(everything=True)
    assert host.call("/list", if_none_match=etag).status == 304


def test_an_etag_of_the_view_is_kept(host: AnyHost) -> None:
    host.add("/list", Made(headers=(("ETag", '"own"'),)))
    assert host.call("/list").headers["etag"] == '"own"'
    assert host.call("/list", if_none_match='"own"').status == 304


def test_head_is_answered_from_the_entry_of_get(host: AnyHost) -> None:
    host.add("/list")
    got, head = host.call("/list"), host.call("/list", "HEAD")
    assert (head.status, head.body, head.headers) == (200, b"", got.headers)
    assert host.runs == 1


def test_head_alone_keeps_nothing(host: AnyHost) -> None:
    """A view may make less for HEAD than for GET."""
    host.add("/list")
    host.call("/list", "HEAD")
    assert host.call("/list").body == b"run 2"


def test_other_methods_go_past_the_cache(host: AnyHost) -> None:
    host.add("/list")
    host.call("/list")
    answer = host.call("/list", "POST")
    assert answer.body == b"run 2"
    assert not {"etag", "age", "vary"} & answer.headers.keys()
    assert host.call("/list").body == b"run 1"


def test_the_order_of_parameters_does_not_matter_but_that_of_values_does(host: AnyHost) -> None:
    host.add("/list")
    queries = ("?a=1&b=2", "?b=2&a=1", "?a=2&a=1", "?a=1&a=2", "?a=", "")
    bodies = _bodies([host.call(f"/list{query}") for query in queries])
    assert bodies == [b"run 1", b"run 1", b"run 2", b"run 3", b"run 4", b"run 5"]


def test_queries_that_are_not_utf8_are_told_apart(host: AnyHost) -> None:
    host.add("/list")
    bodies = _bodies([host.call(f"/list?a={q}") for q in ("%ff", "%fe", "%FF")])
    assert bodies == [b"run 1", b"run 2", b"run 1"]


def test_a_request_with_a_body_goes_past_the_cache(host: AnyHost) -> None:
    """Otherwise one could choose by the body of a GET what all others are answered."""
    host.add("/list")
    length = {"content_length": "5"} if isinstance(host, FastapiHost) else {"CONTENT_LENGTH": "5"}
    fat = _call_fat(host, length)
    assert (fat.body, "age" in fat.headers) == (b"run 1", False)
    assert [host.call("/list").body for _ in range(2)] == [b"run 2", b"run 2"]
    assert _call_fat(host, length).body == b"run 3"
    assert host.call("/list", transfer_encoding="chunked").body == b"run 4"


def _call_fat(host: AnyHost, length: dict[str, str]) -> Answer:
    if isinstance(host, FastapiHost):
        return host.call("/list", **length)
    return call_wsgi(host.app, "/list", **length)


def test_the_report_names_routes_and_no_paths(host: AnyHost) -> None:
    host.add("/people/<name>")
    for n in range(120):
        host.call(f"/people/{chr(97 + n // 10)}{chr(97 + n % 10)}")
    host.call("/people/aa")
    (row,) = host.monitor.cache.report().patterns
    parameter = "<name>" if isinstance(host, FlaskHost) else "{name}"
    assert (row.pattern, row.loads, row.hits) == (f"response:/people/{parameter}", 120, 1)


def test_the_size_of_what_is_kept_can_be_bounded(host: AnyHost) -> None:
    host.add("/small", Made("x" * 10), largest=10)
    host.add("/large", Made("x" * 11), largest=10)
    for path in ("/small", "/large", "/small", "/large"):
        host.call(path)
    assert host.runs == 3
    with pytest.raises(ConfigurationError, match="largest"):
        host.add("/wrong", largest=-1)


def test_parameters_that_do_not_count_are_left_out_of_the_key(host: AnyHost) -> None:
    host.add("/list", query=["page"])
    bodies = _bodies([host.call(f"/list?{q}") for q in ("page=1", "utm=x&page=1", "page=2")])
    assert bodies == [b"run 1", b"run 1", b"run 2"]


def test_paths_and_hosts_are_told_apart(host: AnyHost) -> None:
    """A response may hold links that are made of the Host header, which anybody may send."""
    host.add("/list/<name>")
    assert host.call("/list/a").body == b"run 1"
    assert host.call("/list/b").body == b"run 2"
    if isinstance(host, FlaskHost):
        assert host.call("/list/a", host="evil.example").body == b"run 3"
    else:
        pairs = [(b"host", b"evil.example")]
        answer = asyncio.run(call_asgi(host.app, "/list/a", headers=pairs))
        assert answer.body == b"run 3"
    assert host.call("/list/a").body == b"run 1"


def test_chosen_headers_are_part_of_the_key_and_told_in_vary(host: AnyHost) -> None:
    made = Made(headers=(("Vary", "Accept-Language"),))
    host.add("/list", made, vary=["Accept-Language", "X-Tenant"])
    answers = [host.call("/list", accept_language=word) for word in ("de", "en", "de")]
    assert _bodies(answers) == [b"run 1", b"run 2", b"run 1"]
    expected = "Accept-Language, X-Tenant, Authorization, Cookie, X-API-Key"
    assert answers[0].headers["vary"] == expected


CREDENTIALS = [{"authorization": "Bearer a"}, {"cookie": "id=1"}, {"x_api_key": "k"}]


@pytest.mark.parametrize("who", CREDENTIALS)
def test_requests_with_credentials_go_past_the_cache(host: AnyHost, who: dict[str, str]) -> None:
    host.add("/list")
    assert host.call("/list").body == b"run 1"
    answers = [host.call("/list", **who) for _ in range(2)]
    assert _bodies(answers) == [b"run 2", b"run 3"]
    assert host.call("/list").body == b"run 1"
    for answer in answers:
        assert answer.headers["cache-control"] == "private"
        assert answer.headers["vary"] == "Authorization, Cookie, X-API-Key"
        assert "age" not in answer.headers


def test_each_sender_may_have_entries_of_its_own(host: AnyHost) -> None:
    host.add("/list", credentials="vary")
    senders = [{}, {"cookie": "a"}, {"cookie": "b"}, {"authorization": "a"}, {"cookie": "a"}, {}]
    answers = [host.call("/list", **who) for who in senders]
    assert _bodies(answers) == [b"run 1", b"run 2", b"run 3", b"run 4", b"run 2", b"run 1"]
    assert answers[4].headers["cache-control"] == "private, max-age=300"
    assert answers[5].headers["cache-control"] == "public, max-age=300"


def test_credentials_may_be_said_not_to_matter(host: AnyHost) -> None:
    host.add("/list", credentials="ignore")
    answers = [host.call("/list", **who) for who in ({}, *CREDENTIALS)]
    assert _bodies(answers) == [b"run 1"] * 4
    assert "vary" not in answers[0].headers


UNSHARED = {
    "not found": Made(status=404),
    "a cookie": Made(headers=(("Set-Cookie", "a=b"),)),
    "no-store": Made(headers=(("Cache-Control", "no-store"),)),
    "private": Made(headers=(("Cache-Control", "max-age=60, Private"),)),
    "no-cache": Made(headers=(("Cache-Control", "no-cache"),)),
    "max-age=0": Made(headers=(("Cache-Control", "max-age=0"),)),
    "an unreadable max-age": Made(headers=(("Cache-Control", "max-age=soon"),)),
    "a foreign Vary": Made(headers=(("Vary", "X-Plan"),)),
    "any Vary": Made(headers=(("Vary", "*"),)),
    "too large": Made("x" * (1024 * 1024 + 1)),
}


@pytest.mark.parametrize("made", UNSHARED.values(), ids=UNSHARED)
def test_what_belongs_to_one_request_is_not_kept(
    host: AnyHost, clock: FakeClock, made: Made
) -> None:
    host.add("/list", made)
    answers = [host.call("/list") for _ in range(3)]
    assert host.runs == 3
    assert {answer.status for answer in answers} == {made.status}
    assert {answer.headers.get("etag") for answer in answers} == {None}
    clock.advance(10)
    host.call("/list")
    assert host.runs == 4
    assert host.kinds() == {"uncached": 4}


def test_an_answer_is_kept_as_soon_as_it_can_be(host: AnyHost) -> None:
    """A refusal a moment ago does not keep the next answer out of the cache."""
    made = [Made(status=503), Made(), Made()]
    host.run = lambda _, run=host.run: run(made.pop(0))  # type: ignore[method-assign]
    host.add("/list")
    assert [host.call("/list").status for _ in range(4)] == [503, 200, 200, 200]
    assert host.runs == 2


def test_other_statuses_are_kept_when_asked_for(host: AnyHost) -> None:
    host.add("/list", Made(status=404), statuses=[200, 404])
    assert [host.call("/list").status for _ in range(2)] == [404, 404]
    assert host.runs == 1


def test_a_max_age_of_the_view_bounds_the_life(host: AnyHost, clock: FakeClock) -> None:
    host.add("/list", Made(headers=(("Cache-Control", "max-age=60, must-revalidate"),)))
    assert host.call("/list").headers["cache-control"] == "max-age=60, must-revalidate"
    clock.advance(59)
    assert host.call("/list").headers["age"] == "59"
    clock.advance(2)
    assert host.call("/list").body == b"run 2"


def test_streams_are_passed_on_and_not_kept(host: AnyHost) -> None:
    host.add_stream("/list")
    assert [host.call("/list").body for _ in range(2)] == [b"ab", b"ab"]
    assert host.runs == 2


def test_errors_of_the_view_are_the_views(host: AnyHost) -> None:
    host.add_failing("/list", RuntimeError("broken"))
    answer = host.call("/list")
    assert answer.status == 500
    assert host.runs == 1
    assert host.call("/list").status == 500
    assert host.runs == 2


def test_errors_of_the_cache_are_not_the_views(host: AnyHost) -> None:
    """Whatever is wrong inside of the cache, the view answers, and the fault is counted."""

    def fails(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    host.add("/list")
    host.monitor.cache.core.request = fails  # type: ignore[method-assign]
    assert host.call("/list").body == b"run 1"
    assert host.monitor.faults == {"cached response: KeyError": 1}


def test_tags_and_prefixes_make_responses_void(host: AnyHost) -> None:
    host.add("/list/<name>", tags=["lists"])
    cache = host.monitor.cache

    def bodies() -> list[bytes]:
        return _bodies([host.call("/list/a"), host.call("/list/a?p=1"), host.call("/list/b")])

    assert bodies() == [b"run 1", b"run 2", b"run 3"]
    cache.invalidate(prefix="response:/list/a:")
    assert bodies() == [b"run 4", b"run 5", b"run 3"]
    cache.invalidate(tags=["lists"])
    assert bodies() == [b"run 6", b"run 7", b"run 8"]


def test_without_the_timers_responses_are_cached_as_well(clock: FakeClock) -> None:
    for make in HOSTS:
        host = make(quiet_monitor(clock, {"HHS_PERF_ENABLED": "false"}))
        host.add("/list")
        assert _bodies([host.call("/list"), host.call("/list")]) == [b"run 1"] * 2


def test_a_cache_may_be_given(host: AnyHost, clock: FakeClock) -> None:
    host.add("/list", cache=TieredCache(clock=clock))
    assert _bodies([host.call("/list"), host.call("/list")]) == [b"run 1"] * 2
    assert not host.monitor.has_cache


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ttl": 0}, "ttl"),
        ({"ttl": -1, "max_age": -1, "vary": "*", "credentials": "allow"}, "credentials"),
    ],
)
def test_values_that_make_no_sense_are_refused_at_once(options: dict[str, Any], words: str) -> None:
    for adapter in (flask_adapter, fastapi_adapter):
        with pytest.raises(ConfigurationError, match=words):
            adapter.cached_response(**options)


SCENARIOS: dict[str, Callable[[AnyHost], list[Answer]]] = {
    "plain": lambda h: [h.add("/x"), h.call("/x"), h.call("/x")][1:],
    "head": lambda h: [h.add("/x"), h.call("/x"), h.call("/x", "HEAD")][1:],
    "304": lambda h: [
        h.add("/x"),
        h.call("/x"),
        h.call("/x", if_none_match="*"),
        h.call("/x", "HEAD", if_none_match="*"),
    ][1:],
    "post": lambda h: [h.add("/x"), h.call("/x", "POST")][1:],
    "cookie": lambda h: [h.add("/x"), h.call("/x", cookie="a=b"), h.call("/x")][1:],
    "vary": lambda h: [
        h.add("/x", Made(headers=(("Vary", "origin"),)), vary="Origin", credentials="vary"),
        h.call("/x", origin="a", authorization="b"),
        h.call("/x", origin="a"),
    ][1:],
    **{
        name: lambda h, made=made: [h.add("/x", made), h.call("/x"), h.call("/x")][1:]
        for name, made in UNSHARED.items()
    },
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_both_adapters_give_equal_answers(
    scenario: Callable[[AnyHost], list[Answer]], clock: FakeClock
) -> None:
    one, other = (scenario(make(quiet_monitor(clock))) for make in HOSTS)
    assert [(a.status, a.body) for a in one] == [(a.status, a.body) for a in other]
    assert [a.headers for a in one] == [a.headers for a in other]


def test_a_session_that_the_view_writes_keeps_the_page_private(clock: FakeClock) -> None:
    """A page with somebody's form token, say, although its cookie is added after the view."""
    from flask import session
    from starlette.middleware.sessions import SessionMiddleware

    flask_host, fastapi_host = (make(quiet_monitor(clock)) for make in HOSTS)
    fastapi_host.app.add_middleware(SessionMiddleware, secret_key="secret")

    @flask_host.app.get("/form")
    @flask_adapter.cached_response()
    def form() -> str:
        flask_host.runs += 1
        session["token"] = "t"
        return "form"

    @fastapi_host.app.get("/form")
    @fastapi_adapter.cached_response()
    def fastapi_form(request: StarletteRequest) -> str:
        fastapi_host.runs += 1
        request.session["token"] = "t"
        return "form"

    for host in (flask_host, fastapi_host):
        for _ in range(2):
            assert "set-cookie" in host.call("/form").headers
        assert host.runs == 2


def test_a_cookie_added_after_the_view_makes_the_answer_private(clock: FakeClock) -> None:
    """Proxies would give the cookie to everybody."""
    flask_host, fastapi_host = (make(quiet_monitor(clock)) for make in HOSTS)

    @flask_host.app.after_request
    def add_cookie(response: FlaskResponse) -> FlaskResponse:
        response.set_cookie("visitor", "1")
        return response

    @fastapi_host.app.middleware("http")
    async def add_cookie_too(request: StarletteRequest, call_next: Any) -> Any:
        response = await call_next(request)
        response.set_cookie("visitor", "1")
        return response

    said = Made(headers=(("Cache-Control", "public, max-age=60, s-maxage=90"),))
    for host in (flask_host, fastapi_host):
        host.add("/list")
        host.add("/said", said)
        for _ in range(2):
            headers = host.call("/list").headers
            assert headers["cache-control"] == "private, max-age=300"
            assert host.call("/said").headers["cache-control"] == "private, max-age=60"
        assert host.runs == 2


def test_nothing_is_public_where_no_timer_sees_the_cookies(clock: FakeClock) -> None:
    """What adds a cookie after the view could not be heard of."""
    for make in HOSTS:
        host = make(quiet_monitor(clock, {"HHS_PERF_ENABLED": "false"}))
        host.add("/list")
        for _ in range(2):
            assert host.call("/list").headers["cache-control"] == "private, max-age=300"
        assert host.runs == 1


def test_a_view_that_asks_for_itself_is_answered(clock: FakeClock) -> None:
    host = FlaskHost(quiet_monitor(clock))

    @host.app.get("/self")
    @flask_adapter.cached_response()
    def view() -> str:
        host.runs += 1
        inner = "" if flask_request.headers.get("X-Inner") else "seen"
        if host.runs == 1:
            return host.call("/self").body.decode() + inner
        return "inner"

    assert host.call("/self").body == b"innerseen"
    assert host.call("/self").body == b"innerseen"
