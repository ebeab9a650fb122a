from __future__ import annotations

import contextlib
import gzip
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf import (
    ConfigurationError,
    Monitor,
    QuantileObjective,
    RequestScope,
    Settings,
    Sla,
)
from hhs_perf.cache import TieredCache
from hhs_perf.testing import FakeClock
from hhs_perf.web import Principal, Request, Response, Site, allow_all

TOKENS = "viewer:see=abc,admin:do=def"


class Rig:
    def __init__(self, **environ: str) -> None:
        self.clock = FakeClock(wall=1_700_000_010.0)
        settings = Settings.from_env({"HHS_PERF_TOKENS": TOKENS, **environ})
        self.monitor = Monitor(settings, clock=self.clock, tick=False, installed_plugins=False)
        self.site = Site(self.monitor)

    def ask(self, name: str = "summary", method: str = "GET", query: str = "", **headers: str):
        pairs = tuple(tuple(pair.split("=", 1)) for pair in query.split("&") if pair)
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        headers.setdefault("authorization", "Bearer def")
        endpoint = next(e for e in self.site.endpoints if e.name == name)
        request = Request(method=method, path="/", query=pairs, headers=headers)
        return self.site.respond(endpoint, request)

    def record(self, route: str = "/a", status: int = 200, seconds: float = 0.1) -> None:
        now = self.clock.monotonic()
        self.monitor.collectors.api.record("GET", route, "uncached", status, seconds, now)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def read(response: Response) -> Any:
    return json.loads(response.body)


def header(response: Response, name: str) -> str:
    return dict(response.headers)[name]


def test_mounting_without_anybody_to_tell_apart_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="allow_all"):
        Site(Monitor(Settings(), tick=False, installed_plugins=False))


def test_the_summary_has_its_sections_and_says_what_it_saw(rig: Rig) -> None:
    rig.record()
    rig.clock.advance(5)
    body = read(rig.ask())
    assert list(body) == [
        *("generated_from", "window", "scope"),
        *("api", "cache", "database", "scrapers", "frontend", "sla", "alerts"),
    ]
    assert body["window"] == {"name": "5m", "seconds": 300}
    assert body["scope"] == "worker"
    assert body["generated_from"].endswith("Z")
    assert body["api"]["observed"] is True
    assert body["api"]["count"] == 1
    assert body["api"]["routes"][0]["route"] == "/a"
    assert body["cache"]["observed"] is False
    assert body["cache"]["hit_rate"] is None
    assert body["sla"]["status"] == "unknown"
    assert body["alerts"] == {"active": [], "history": []}


def test_without_a_token_the_answer_is_401_with_a_challenge(rig: Rig) -> None:
    bare = rig.ask(authorization="")
    assert bare.status == 401
    assert header(bare, "WWW-Authenticate").startswith('Bearer realm="hhs_perf"')
    assert header(bare, "Content-Type") == "application/problem+json"
    wrong = rig.ask(authorization="Bearer nope")
    assert 'error="invalid_token"' in header(wrong, "WWW-Authenticate")
    assert "nope" not in wrong.body.decode()


def test_roles_are_kept(rig: Rig) -> None:
    assert rig.ask("settings", authorization="Bearer abc").status == 403
    assert rig.ask("settings").status == 200
    assert rig.ask("settings", x_role="viewer").status == 403
    assert rig.ask(x_role="viewer").status == 200
    assert rig.ask(authorization="Bearer abc", x_role="admin").status == 403
    assert rig.ask(authorization="", x_role="admin").status == 401


def test_unknown_windows_fields_and_parameters_name_what_is_allowed(rig: Rig) -> None:
    window = rig.ask(query="window=2h")
    assert window.status == 400
    assert "5m, 1h, 24h" in read(window)["detail"]
    field = rig.ask(query="fields=api.p96")
    assert field.status == 400
    assert "p95" in read(field)["detail"]
    deep = rig.ask(query="fields=api.p95.x")
    assert deep.status == 400
    parameter = rig.ask(query="windows=5m")
    assert "window, fields" in read(parameter)["detail"]
    assert rig.ask(query="window=5m&window=1h").status == 400


def test_fields_cut_the_body_and_keep_what_it_is_of(rig: Rig) -> None:
    rig.record()
    body = read(rig.ask(query="fields=api.routes.p95,sla.status"))
    assert set(body) == {"generated_from", "window", "scope", "api", "sla"}
    assert body["api"] == {"routes": [{"p95": 0.1}]}
    assert body["sla"] == {"status": "unknown"}
    whole = read(rig.ask(query="fields=api,api.p95"))
    assert "routes" in whole["api"]


@pytest.mark.parametrize("window", ["5m", "1h", "24h"])
def test_every_window_answers(rig: Rig, window: str) -> None:
    rig.record()
    assert read(rig.ask(query=f"window={window}"))["window"]["name"] == window


def test_equal_data_is_304_and_new_data_is_not(rig: Rig) -> None:
    rig.record()
    first = rig.ask()
    etag = header(first, "ETag")
    assert etag.startswith('W/"')
    assert rig.ask(if_none_match=etag).status == 304
    assert rig.ask(if_none_match=etag).body == b""
    assert rig.ask(if_none_match=etag, query="window=1h").status == 200
    assert rig.ask(if_none_match=etag, x_role="viewer").status == 200
    rig.record()
    assert rig.ask(if_none_match=etag).status == 200


def test_time_alone_moves_the_window_on(rig: Rig) -> None:
    rig.record()
    etag = header(rig.ask(), "ETag")
    rig.clock.advance(301)
    later = rig.ask(if_none_match=etag)
    assert later.status == 200
    assert read(later)["api"]["observed"] is False


def test_a_body_is_packed_where_that_is_accepted(rig: Rig) -> None:
    rig.record()
    plain, packed = rig.ask(), rig.ask(accept_encoding="gzip, br")
    assert header(packed, "Content-Encoding") == "gzip"
    assert json.loads(gzip.decompress(packed.body)) == read(plain)
    assert int(header(packed, "Content-Length")) == len(packed.body)
    assert "Accept-Encoding" in header(packed, "Vary")
    assert header(plain, "Cache-Control") == "private, no-cache"


def test_head_has_the_headers_of_get_and_no_body(rig: Rig) -> None:
    rig.record()
    get, head = rig.ask(), rig.ask(method="HEAD")
    assert head.body == b""
    assert head.headers == get.headers


def test_options_needs_no_token_and_other_methods_are_405(rig: Rig) -> None:
    options = rig.ask(method="OPTIONS", authorization="")
    assert (options.status, header(options, "Allow")) == (204, "GET, HEAD, OPTIONS")
    for method in ("POST", "PUT", "DELETE", "BREW"):
        refused = rig.ask(method=method, authorization="")
        assert (refused.status, header(refused, "Allow")) == (405, "GET, HEAD, OPTIONS")


def test_settings_mask_secrets_and_list_plugins_and_engine(rig: Rig) -> None:
    body = read(rig.ask("settings"))
    values = {row["variable"]: row["value"] for row in body["settings"]}
    assert values["HHS_PERF_TOKENS"] == "********"
    assert body["digest_engine"] == rig.monitor.metrics.engine.name
    assert [row["name"] for row in body["plugins"]] == ["hhs_perf"]
    assert body["series"]["most"] == 2000
    assert "abc" not in rig.ask("settings").body.decode()


def test_what_is_past_the_cap_shows_in_settings() -> None:
    rig = Rig(HHS_PERF_MAX_SERIES="4")
    for number in range(9):
        rig.record(f"/{number}")
    series = read(rig.ask("settings"))["series"]
    assert series["held"] <= 4 + 2
    assert series["refused"]["http.server.request.duration"] > 0


def test_requests_under_way_show_with_a_stamp(rig: Rig) -> None:
    rig.monitor.in_flight.held[RequestScope("GET", rig.clock.monotonic())] = lambda _: "/hung"
    rig.clock.advance(40)
    (row,) = read(rig.ask())["api"]["in_flight"]
    assert (row["route"], row["count"]) == ("/hung", 1)
    assert row["oldest_since"] == "2023-11-14T22:13:30.000Z"


def test_alerts_and_slas_come_from_traffic(rig: Rig) -> None:
    for _ in range(250):
        rig.record(seconds=3.0)
    sla = read(rig.ask("sla"))
    (api,) = [row for row in sla["slas"] if row["name"] == "api-response-time"]
    assert sla["status"] == api["status"] == "violated"
    assert api["objectives"][0]["value"] == 3.0
    assert api["objectives"][0]["compliance"] == 0.0
    assert api["objectives"][0]["window"] == "1h"
    active = read(rig.ask("alerts"))["active"]
    assert [(row["rule"], row["state"]) for row in active] == [("api-latency-critical", "firing")]


def test_the_window_of_the_slas_can_be_chosen(rig: Rig) -> None:
    for _ in range(250):
        rig.record(seconds=0.01)
    sla = read(rig.ask("sla", query="window=5m"))
    (api,) = [row for row in sla["slas"] if row["name"] == "api-response-time"]
    assert {row["window"] for row in api["objectives"]} == {"5m"}
    assert sla["window"]["name"] == "5m"


MOVES = ("record", "fail", "wait", "long", "advance", "add")
CACHE_MOVES = ("set", "get", "load", "broken", "delete", "mark")


def _use_cache(cache: TieredCache, move: str, number: int) -> None:
    match move:
        case "set":
            cache.set("a:1", number, ttl=5, tags=["t"])
        case "get":
            cache.get("a:1")
        case "load":
            cache.get_or_load("b:1", lambda: number, ttl=3)
        case "broken":
            with contextlib.suppress(ZeroDivisionError):
                cache.get_or_load("c:1", lambda: 1 / 0)
        case "delete":
            cache.delete("a:1")
        case _:
            cache.invalidate(tags=["t"])


@given(moves=st.lists(st.sampled_from([*MOVES, *CACHE_MOVES])))
def test_an_equal_tag_means_an_equal_body(moves: list[str]) -> None:
    """Whatever happens in between: a 304 never hides a change."""
    rig, seen = Rig(), {}
    for number, move in enumerate(moves):
        if move == "record":
            rig.record(seconds=2.5)
        elif move == "fail":
            for _ in range(20):
                rig.record("/b", status=500)
        elif move in CACHE_MOVES:
            _use_cache(rig.monitor.cache, move, number)
        elif move == "advance":
            rig.monitor.advance()
        elif move == "add":
            objective = QuantileObjective(
                name="p95", metric="http.server.request.duration", quantile=0.95, target=1 + number
            )
            rig.monitor.add_sla(Sla(name=f"own-{number}", objectives=(objective,)))
        else:
            rig.clock.advance(1 if move == "wait" else 400)
        for name in ("summary", "sla", "alerts", "cache", "settings", "dashboard"):
            answer = rig.ask(name)
            assert seen.setdefault((name, header(answer, "ETag")), answer.body) == answer.body


def test_every_body_is_of_its_schema(rig: Rig) -> None:
    """Read back strictly by the types that the schema is derived from."""
    for _ in range(250):
        rig.record(seconds=3.0)
    rig.monitor.collectors.scrapers.record_scrape("x", 1.0, succeeded=True)
    rig.monitor.collectors.frontend.record_load("/home", 1.0)
    for endpoint in rig.site.endpoints:
        if endpoint.body is not None:
            msgspec.json.decode(rig.ask(endpoint.name).body, type=endpoint.body, strict=True)


HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def test_the_page_escapes_all_that_came_from_outside(rig: Rig) -> None:
    rig.record(HOSTILE)
    rig.monitor.collectors.scrapers.record_scrape(HOSTILE, 1.0, succeeded=True)
    response = rig.ask("dashboard")
    page = response.body.decode()
    assert "<img" not in page
    assert "&lt;img src=x onerror" in page
    policy = header(response, "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy


def test_the_page_without_data_says_so(rig: Rig) -> None:
    page = rig.ask("dashboard").body.decode()
    assert "No SLA can be judged yet" in page
    assert "Nothing observed yet" in page
    assert ">0 ms" not in page


def test_an_authenticator_must_give_a_principal_or_nobody(rig: Rig) -> None:
    site = Site(rig.monitor, auth=lambda _: True)  # type: ignore[arg-type,return-value]
    request = Request(method="GET", path="/")
    with pytest.raises(TypeError, match="must give a Principal or None"):
        site.respond(site.endpoints[0], request)


async def test_an_asynchronous_authenticator_works_in_both_worlds(rig: Rig) -> None:
    async def auth(request: Request) -> Principal:
        return allow_all(request)

    site = Site(rig.monitor, auth=auth)
    request = Request(method="GET", path="/")
    assert (await site.respond_async(site.endpoints[0], request)).status == 200
    assert site.respond(site.endpoints[0], request).status == 200


def test_every_json_route_has_a_schema_without_references(rig: Rig) -> None:
    for endpoint in rig.site.endpoints:
        text = json.dumps(endpoint.schema)
        assert "$ref" not in text
        assert (endpoint.schema is None) == (endpoint.name == "dashboard")
