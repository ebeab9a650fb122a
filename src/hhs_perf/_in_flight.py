"""Requests that have begun and not ended, so that a hung one shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ._fork import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._scope import RequestScope

__all__ = ["InFlight", "InFlightRoute"]


class InFlightRoute(NamedTuple):
    """Requests under way on one route; `oldest` is a reading of the monotonic clock."""

    method: str
    route: str
    count: int  # type: ignore[assignment]  # nobody looks for values in it with tuple.count
    oldest: float


class InFlight:
    """Holds the scopes of requests under way.

    A request's route is found out when somebody looks, since it is not known when it begins.
    `held` maps scopes to what tells the route; the timers write to it, past `begin` and `end`,
    whose calls would cost them more than all else here.
    """

    def __init__(self) -> None:
        self.held: dict[RequestScope, Callable[[RequestScope], str | None]] = {}
        renew_after_fork(self)

    def routes(self) -> tuple[InFlightRoute, ...]:
        """Count what is under way, by method and route, the oldest first.

        An event stream is left out once its response has begun: it lasts because it should.
        """
        found: dict[tuple[str, str], list[float]] = {}
        # One C call makes the copy, so no request can begin or end in the middle of it.
        for scope, route_of in list(self.held.items()):
            route = None if scope.streaming else route_of(scope)
            if route is not None:
                found.setdefault((scope.method, route), []).append(scope.started)
        rows = (
            InFlightRoute(method=method, route=route, count=len(started), oldest=min(started))
            for (method, route), started in found.items()
        )
        return tuple(sorted(rows, key=lambda row: row.oldest))

    def route_of(self, scope: RequestScope) -> str | None:
        """Find out the route of a request under way, None for one that is not shown."""
        route_of = self.held.get(scope)
        return None if route_of is None else route_of(scope)

    def after_fork_in_child(self) -> None:
        """Forget the parent's requests."""
        self.held.clear()
