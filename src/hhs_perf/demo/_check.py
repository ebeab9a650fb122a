"""Whether the server counted what the clients sent."""

from __future__ import annotations

from collections import Counter
from threading import Event
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from .._clock import SystemClock
from ._traffic import Endpoint, Sent, asks_cache, queries_of
from .cached import PAGES, PLATFORMS, TOP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._server import DemoServer

__all__ = ["Outcome", "differences", "query_differences", "settle"]

_SETTLE_WITHIN: Final = 10.0
# A first look at what is slow comes after some seconds, the next one ten seconds later.
_LOOKED_WITHIN: Final = 20.0
_LOOKED_AT: Final = "/api/mentions"
_ASK_EVERY: Final = 0.1
_WARMED: Final = 1 + PAGES + len(PLATFORMS) + TOP
# More than there are clients, and than there are pages of a list.
_SURELY_MET: Final = 100
# The default window and the next one, each up to a slot before its end.
_WINDOWS: Final = ((None, 240.0), ("1h", 3000.0))


@attrs.frozen(kw_only=True)
class _Route:
    method: str
    route: str
    count: int
    errors: int
    client_errors: int


@attrs.frozen(kw_only=True)
class _Api:
    routes: tuple[_Route, ...]


@attrs.frozen(kw_only=True)
class _Cache:
    hits: int | None
    misses: int | None


@attrs.frozen(kw_only=True)
class _Body:
    api: _Api
    cache: _Cache


@attrs.frozen(kw_only=True)
class _Asking:
    route: str
    count: int


@attrs.frozen(kw_only=True)
class _Statement:
    routes: tuple[_Asking, ...]


@attrs.frozen(kw_only=True)
class _SinceStart:
    statements: tuple[_Statement, ...] = ()


@attrs.frozen(kw_only=True)
class _Index:
    statements: tuple[str, ...]


@attrs.frozen(kw_only=True)
class _Indexes:
    advice: tuple[_Index, ...] = ()


@attrs.frozen(kw_only=True)
class _Database:
    since_start: _SinceStart | None
    indexes: tuple[_Indexes, ...] = ()


@attrs.frozen(kw_only=True)
class Outcome:
    """The bodies of `/api/performance`, `/cache` and `/database` after the traffic.

    `differences` tells where they differ from what was sent.
    """

    body: bytes
    cache: bytes
    database: bytes
    differences: tuple[str, ...]


def settle(server: DemoServer, sent: Mapping[Endpoint, Sent], lasted: float) -> Outcome:
    """Ask the server until it has counted all that was sent, for ten seconds at most.

    A server counts a request after its last byte has left, so the clients can be ahead of it.
    Then wait for what it says of indexes, if a slow query was sent; without is no difference.
    `lasted` is how many seconds the sending took: the window looked back on must hold it.
    """
    window = next((name for name, longest in _WINDOWS if lasted < longest), "24h")
    clock = SystemClock()
    deadline = clock.monotonic() + _SETTLE_WITHIN
    pause = Event()
    while True:
        body = server.performance(window)
        database = server.performance(window, "/database")
        found = (*differences(body, sent), *query_differences(database, sent))
        if not found or clock.monotonic() > deadline:
            break
        pause.wait(_ASK_EVERY)
    deadline = clock.monotonic() + _LOOKED_WITHIN
    is_slow = any(endpoint.route == _LOOKED_AT for endpoint in sent)
    while is_slow and not _names_an_index(database) and clock.monotonic() < deadline:
        pause.wait(_ASK_EVERY)
        database = server.performance(window, "/database")
    cache = server.performance(window, "/cache")
    return Outcome(body=body, cache=cache, database=database, differences=found)


def differences(body: bytes, sent: Mapping[Endpoint, Sent]) -> tuple[str, ...]:
    """Compare a body of `/api/performance` with what was sent; one sentence for each difference."""
    read = msgspec.json.decode(body, type=_Body)
    counted: dict[Endpoint, Sent] = {}
    nothing = Sent(count=0, errors=0, client_errors=0)
    for route in read.api.routes:
        endpoint = Endpoint(route.method, route.route)
        before = counted.get(endpoint, nothing)  # one route can answer in several kinds
        counted[endpoint] = Sent(
            count=before.count + route.count,
            errors=before.errors + route.errors,
            client_errors=before.client_errors + route.client_errors,
        )
    pairs = {
        endpoint: (sent.get(endpoint, nothing), counted.get(endpoint, nothing))
        for endpoint in sorted({*sent, *counted})
    }
    of_routes = tuple(
        f"{endpoint.method} {endpoint.route}: sent {_told(ours)}, counted {_told(theirs)}"
        for endpoint, (ours, theirs) in pairs.items()
        if ours != theirs
    )
    return (*of_routes, *_of_cache(read.cache, sent))


def query_differences(body: bytes, sent: Mapping[Endpoint, Sent]) -> tuple[str, ...]:
    """Compare a body of `/database` with the queries of what was sent, route by route.

    Those of a route that asks the cache are not known: there it is the cache that decides.
    """
    since_start = msgspec.json.decode(body, type=_Database).since_start or _SinceStart()
    counted = Counter[str]()
    for statement in since_start.statements:
        for asking in statement.routes:
            counted[asking.route] += asking.count
    expected = {
        endpoint.route: each * ours.count
        for endpoint, ours in sorted(sent.items())
        if (each := queries_of(endpoint)) is not None
    }
    return tuple(
        f"the queries of {route}: sent {queries}, counted {counted[route]}"
        for route, queries in expected.items()
        if counted[route] != queries
    )


def _names_an_index(body: bytes) -> bool:
    read = msgspec.json.decode(body, type=_Database)
    # An earlier look can have found the foreign key alone, before anybody asked for it.
    return any(index.statements for database in read.indexes for index in database.advice)


def _of_cache(cache: _Cache, sent: Mapping[Endpoint, Sent]) -> tuple[str, ...]:
    asked = {endpoint: ours.count for endpoint, ours in sent.items() if asks_cache(endpoint)}
    lookups, hits = sum(asked.values()), cache.hits or 0
    counted = hits + (cache.misses or 0)
    # What the warm-ups find where a client was quicker counts as a hit.
    if not lookups <= counted <= lookups + _WARMED:
        return (f"the cache: asked for {lookups} things, counted {counted}",)
    # The summary is one thing: all requests but the first few must find it.
    most = max(asked.values(), default=0)
    if most > _SURELY_MET and not hits:
        return (f"the cache: no hit, although one route was asked {most} times",)
    return ()


def _told(sent: Sent) -> str:
    return f"{sent.count} ({sent.errors} errors, {sent.client_errors} client errors)"
