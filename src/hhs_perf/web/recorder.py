"""What both timers do with a request, whatever the protocol that brought it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._scope import RequestScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._monitor import Monitor

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
_MOST_REMEMBERED: Final = 10_000


class _LeftOut(dict[str, bool]):
    """Tells whether a route is left untimed, and remembers the answer."""

    def __init__(self, own: Iterable[str], patterns: Iterable[str]) -> None:
        super().__init__(dict.fromkeys(own, True))
        patterns = tuple(patterns)
        self._exact = frozenset(each for each in patterns if not each.endswith("*"))
        self._starts = tuple(each[:-1] for each in patterns if each.endswith("*"))

    def __missing__(self, route: str) -> bool:
        answer = route in self._exact or route.startswith(self._starts)
        if len(self) < _MOST_REMEMBERED:
            self[route] = answer
        return answer


class RequestRecorder:
    """Hands what became of a request to the collector.

    `route_of` finds the route template in what the server handed over, None where none matched;
    `own_routes` are the templates of the library's own routes, which are left out as those are
    that the setting `HHS_PERF_IGNORE_ROUTES` names. This is one of the borders where a fault of
    the library is kept from the host: it is logged once per cause and counted.
    """

    __slots__ = ("_end", "_left_out", "_record", "begin", "ensure_started", "monitor", "now",
                 "route_of", "shown")  # fmt: skip

    def __init__(
        self,
        monitor: Monitor,
        route_of: Callable[[Any], str | None],
        own_routes: Iterable[str] = (),
    ) -> None:
        self.monitor = monitor
        self.route_of = route_of
        # Bound once: every request would pay for the way to them through the monitor.
        self.now: Callable[[], float] = monitor.clock.monotonic
        self.ensure_started = monitor.ensure_started
        self.begin = monitor.in_flight.begin
        self.shown = self.route_shown
        self._end = monitor.in_flight.end
        self._record = monitor.collectors.api.record
        self._left_out = _LeftOut(own_routes, monitor.settings.web.ignore_routes)

    def route_shown(self, scope: RequestScope) -> str | None:
        """Tell the route of a request under way, None for one that is left out."""
        source = scope.source
        if source is None:
            return None  # it ended a moment ago
        route = scope.route or self.route_of(source) or UNMATCHED
        return None if self._left_out[route] else route

    def respond(self, scope: RequestScope, headers: list[tuple[str, str]]) -> None:
        """Let those who asked for it see and change the headers, once."""
        callbacks, scope.at_response_start = scope.at_response_start, None
        for callback in callbacks or ():
            try:
                callback(headers)
            except Exception as error:  # noqa: BLE001 -- the border
                self.monitor.note_fault("response start", error)

    def finish(
        self, scope: RequestScope, status: int, first_byte: float | None, *, failed: bool
    ) -> None:
        """Take a request that ends now; `first_byte` is a monotonic reading."""
        ended = self.now()
        scope.is_open = False
        scope.source = None
        try:
            self._end(scope)
            route = scope.route or UNMATCHED
            if self._left_out[route]:
                return
            seconds = ended - scope.started
            if not scope.streaming:
                self._record(scope.method, route, scope.kind, status, seconds, ended, failed=failed)
                return
            self._record(
                scope.method,
                route,
                scope.kind,
                status,
                seconds if first_byte is None else first_byte - scope.started,
                ended,
                failed=failed,
                streamed=seconds,
            )
        except Exception as error:  # noqa: BLE001 -- the border
            self.fault(error)

    def count_websocket(self, source: object) -> None:
        """Count the opening of a websocket, in `http.server.websockets{route}`."""
        try:
            self.ensure_started()
            route = self.route_of(source) or UNMATCHED
            if not self._left_out[route]:
                self.monitor.metrics.counter(WEBSOCKETS, route=route).add(1)
        except Exception as error:  # noqa: BLE001 -- the border
            self.fault(error)

    def fault(self, error: Exception) -> None:
        """Log and count what went wrong in timing a request."""
        self.monitor.note_fault(_BORDER, error)
