from __future__ import annotations

import pytest

from hhs_perf import RequestScope, request_scope
from hhs_perf._in_flight import InFlight


def test_outside_of_a_request_there_is_no_scope() -> None:
    assert request_scope() is None


def test_a_request_is_uncached_until_somebody_says_otherwise() -> None:
    scope = RequestScope("GET", 0.0)
    assert scope.kind == "uncached"
    scope.kind = "database"
    assert scope.kind == "database"


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'fast'; allowed are cached, database, uncached"):
        RequestScope("GET", 0.0).kind = "fast"  # type: ignore[assignment]


def test_requests_under_way_show_with_their_oldest() -> None:
    table = InFlight()
    scopes = [RequestScope("GET", started) for started in (3.0, 1.0, 2.0)]
    scopes.append(RequestScope("GET", 0.0))
    routes = ["unmatched", "unmatched", "/known", None]
    for scope, route in zip(scopes, routes, strict=True):
        table.held[scope] = lambda _, route=route: route
    assert [(r.route, r.count, r.oldest) for r in table.routes()] == [
        ("unmatched", 2, 1.0),
        ("/known", 1, 2.0),
    ]
    for scope in scopes:
        del table.held[scope]
    assert table.routes() == ()
