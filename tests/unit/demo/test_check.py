"""What was counted against what was sent."""

from __future__ import annotations

import json

from hhs_perf.demo._check import differences, query_differences
from hhs_perf.demo._traffic import Endpoint, Sent


def counted(route: str, count: int, errors: int = 0, client_errors: int = 0) -> dict[str, object]:
    return {
        "method": "GET",
        "route": route,
        "count": count,
        "errors": errors,
        "client_errors": client_errors,
    }


def compare(*routes: dict[str, object]) -> tuple[str, ...]:
    sent = {
        Endpoint("GET", "/a"): Sent(count=3, errors=1, client_errors=0),
        Endpoint("GET", "/b"): Sent(count=2, errors=0, client_errors=2),
    }
    cache = {"hits": None, "misses": None}
    return differences(json.dumps({"api": {"routes": routes}, "cache": cache}).encode(), sent)


def compare_cache(count: int, hits: int | None, misses: int | None) -> tuple[str, ...]:
    sent = {
        Endpoint("GET", "/api/summary"): Sent(count=count, errors=0, client_errors=0),
        Endpoint("GET", "/api/export"): Sent(count=7, errors=0, client_errors=0),
    }
    routes = [counted("/api/summary", count), counted("/api/export", 7)]
    cache = {"hits": hits, "misses": misses}
    return differences(json.dumps({"api": {"routes": routes}, "cache": cache}).encode(), sent)


def test_every_lookup_of_a_cached_view_is_to_be_counted() -> None:
    assert compare_cache(200, 190, 10) == ()
    assert compare_cache(200, 195, 10) == ()  # the warm-ups found something
    assert compare_cache(200, 189, 10) == ("the cache: asked for 200 things, counted 199",)
    assert compare_cache(200, 250, 10) == ("the cache: asked for 200 things, counted 260",)
    assert compare_cache(200, None, None) == ("the cache: asked for 200 things, counted 0",)


def test_a_cache_that_never_hits_is_told() -> None:
    assert compare_cache(101, 0, 101) == (
        "the cache: no hit, although one route was asked 101 times",
    )
    assert compare_cache(50, 0, 50) == ()


def test_equal_counts_are_no_difference() -> None:
    assert compare(counted("/b", 2, 0, 2), counted("/a", 3, 1)) == ()


def test_a_route_that_answers_in_several_kinds_is_added_up() -> None:
    assert compare(counted("/a", 1), counted("/b", 2, 0, 2), counted("/a", 2, 1)) == ()


def test_every_difference_is_told() -> None:
    assert compare(counted("/a", 3, 0), counted("/c", 1)) == (
        "GET /a: sent 3 (1 errors, 0 client errors), counted 3 (0 errors, 0 client errors)",
        "GET /b: sent 2 (0 errors, 2 client errors), counted 0 (0 errors, 0 client errors)",
        "GET /c: sent 0 (0 errors, 0 client errors), counted 1 (0 errors, 0 client errors)",
    )


def compare_queries(*routes: tuple[str, int]) -> tuple[str, ...]:
    sent = {
        Endpoint("GET", route): Sent(count=2, errors=0, client_errors=0)
        for route in ("/api/history", "/api/organizations", "/api/summary", "/api/broken")
    }
    statements = [{"routes": [{"route": route, "count": count}]} for route, count in routes]
    return query_differences(json.dumps({"since_start": {"statements": statements}}).encode(), sent)


def test_every_query_of_a_view_that_asks_no_cache_is_to_be_counted() -> None:
    """Those of a route are added up over its statements; a cached view may send any number."""
    right = (("/api/history", 2), ("/api/organizations", 2), ("/api/organizations", 86))
    assert compare_queries(*right) == ()
    assert compare_queries(*right, ("/api/summary", 7)) == ()
    assert compare_queries(*right, ("/api/broken", 1)) == (
        "the queries of /api/broken: sent 0, counted 1",
    )
    assert compare_queries(*right[:2]) == ("the queries of /api/organizations: sent 88, counted 2",)


def test_no_database_part_at_all_is_told() -> None:
    sent = {Endpoint("GET", "/api/history"): Sent(count=2, errors=0, client_errors=0)}
    assert query_differences(b'{"since_start": null}', sent) == (
        "the queries of /api/history: sent 2, counted 0",
    )
