"""What both timers do with a request, whatever the protocol that brought it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._monitor import Monitor
    from .._scope import Kind, RequestScope

__all__ = ["METHODS", "OTHER_METHOD", "UNMATCHED", "WEBSOCKETS", "RequestRecorder"]

UNMATCHED: Final = "unmatched"
"""The route of all requests that matched none."""
OTHER_METHOD: Final = "OTHER"
"""The method of all requests whose method is no HTTP method."""
WEBSOCKETS: Final = "http.server.websockets"
"""Counts the websockets opened, by route."""
METHODS: Final = {
    method: method
    for method in (
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"
    )
}  # fmt: skip
"""The HTTP methods, each with the tag that it is counted under."""

_BORDER: Final = "request timing"
_MOST_TAKERS: Final = 10_000


class RequestRecorder:
    """Hands what became of a request to the collector.

    `route_of` finds the route template in what the server handed over, None where none matched;
    `own_routes` are the templates of the library's own routes, which are left out as those are
    that the setting `HHS_PERF_IGNORE_ROUTES` names. This is one of the borders where a fault of
    the library is kept from the host: it is logged once per cause and counted.
    """

    __slots__ = (
        "_collector",
        "_ignored",
        "_ignored_starts",
        "_takers",
        "held",
        "monitor",
        "now",
        "route_of",
        "shown",
    )

    def __init__(
        self,
        monitor: Monitor,
        route_of: Callable[[Any], str | None],
        own_routes: Iterable[str] = (),
    ) -> None:
        self.monitor = monitor
        self.route_of = route_of
        # Bound once: every request would pay for the way to them.
        self.now: Callable[[], float] = monitor.clock.monotonic
        self.held = monitor.in_flight.held
        self.shown = self.route_shown
        self._collector = monitor.collectors.api
        patterns = monitor.settings.web.ignore_routes
        self._ignored = frozenset([*own_routes, *patterns])
        self._ignored_starts = tuple(each[:-1] for each in patterns if each.endswith("*"))
        self._takers: dict[tuple[str, str, Kind | None, int], Callable[[float, float], None]] = {}

    def is_ignored(self, route: str) -> bool:
        """Tell whether a route is left untimed."""
        return route in self._ignored or route.startswith(self._ignored_starts)

    def route_shown(self, scope: RequestScope) -> str | None:
        """Tell the route of a request under way, None for one that is left out."""
        source = scope.source
        if source is None:
            return None  # it ended a moment ago
        route = scope.route or self.route_of(source) or UNMATCHED
        return None if self.is_ignored(route) else route

    def respond(self, scope: RequestScope, headers: list[tuple[str, str]]) -> None:
        """Let those who asked for it see and change the headers, once."""
        callbacks, scope.at_response_start = scope.at_response_start, None
        for callback in callbacks or ():
            try:
                callback(headers)
            except Exception as error:  # noqa: BLE001 -- the border
                self.monitor.note_fault("response start", error)

    def finish(
        self,
        scope: RequestScope,
        status: int,
        first_byte: float | None = None,
        last_byte: float | None = None,
    ) -> None:
        """Take a request; `first_byte` is the monotonic reading of a stream's.

        It ended at `last_byte`, or now, which is when it counts in either case.
        """
        now = self.now()
        ended = now if last_byte is None else last_byte
        source, scope.source = scope.source, None
        scope.is_open = False
        try:
            self.held.pop(scope, None)
            route = scope.route
            if route is None:
                route = scope.route = self.route_of(source) or UNMATCHED
            if scope.at_end is not None:
                self._end(scope)
            key = (route, scope.method, scope._kind, status)  # noqa: SLF001 - the property costs a call in each request
            take = self._takers.get(key) or self._make_taker(key)
            if not scope.streaming:
                take(ended - scope.started, now)
            elif not self.is_ignored(route):
                self._collector.record(
                    scope.method,
                    route,
                    scope.kind,
                    status,
                    (ended if first_byte is None else first_byte) - scope.started,
                    now,
                    streamed=ended - scope.started,
                )
        except Exception as error:  # noqa: BLE001 -- the border
            self.fault(error)

    def _end(self, scope: RequestScope) -> None:
        """Let those who asked for it know that the request is over, once."""
        callbacks, scope.at_end = scope.at_end, None
        for callback in callbacks or ():
            try:
                callback(scope)
            except Exception as error:  # noqa: BLE001 -- the border
                self.monitor.note_fault("request end", error)

    def _make_taker(self, key: tuple[str, str, Kind | None, int]) -> Callable[[float, float], None]:
        route, method, kind, status = key
        if len(self._takers) >= _MOST_TAKERS:
            self._takers.clear()
        taker = (
            _take_nothing
            if self.is_ignored(route)
            else self._collector.taker(method, route, kind or "uncached", status)
        )
        self._takers[key] = taker
        return taker

    def count_websocket(self, source: object) -> None:
        """Count the opening of a websocket, in `http.server.websockets{route}`."""
        try:
            self.monitor.ensure_started()
            route = self.route_of(source) or UNMATCHED
            if not self.is_ignored(route):
                self.monitor.metrics.counter(WEBSOCKETS, route=route).add(1)
        except Exception as error:  # noqa: BLE001 -- the border
            self.fault(error)

    def fault(self, error: Exception) -> None:
        """Log and count what went wrong in timing a request."""
        self.monitor.note_fault(_BORDER, error)


def _take_nothing(_seconds: float, _ended: float) -> None:
    """Take a request to a route that is left out."""
