"""Requests that the host answered."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..metrics import OTHER
from .latency import Latency, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .._scope import Kind
    from ..metrics import Distribution, Registry, Snapshot

__all__ = ["DURATION", "RESPONSES", "STREAM", "ApiCollector", "ApiFigures", "RouteFigures"]

DURATION: Final = "http.server.request.duration"
STREAM: Final = "http.server.stream.duration"
RESPONSES: Final = "http.server.responses"

_FLUSH_AT: Final = 4096
_MOST_BOUND: Final = 10_000
_CLASSES: Final = ("1xx", "1xx", "2xx", "3xx", "4xx", "5xx")


@attrs.frozen(kw_only=True, slots=False)
class RouteFigures(Latency):
    """One route, method and kind; `share` is its part of the time of all requests."""

    route: str
    method: str
    kind: str
    share: float | None


@attrs.frozen(kw_only=True, slots=False)
class ApiFigures(Latency):
    """All requests, and each route, the one that took most time first."""

    observed: bool
    routes: tuple[RouteFigures, ...]


def _class_of(status: int) -> str:
    return _CLASSES[min(status // 100, 5)]


class ApiCollector:
    """Takes finished requests into `http.server.request.duration{method, route, kind}`.

    Responses are counted in `http.server.responses{method, route, kind, class}`; event streams
    are timed whole in `http.server.stream.duration{method, route}`.
    """

    def __init__(self, metrics: Registry) -> None:
        self._metrics = metrics
        self._bound: dict[
            tuple[str, str, str, str],
            tuple[Callable[[float], None], Callable[[float], None], list[float]],
        ] = {}

    def record(
        self,
        method: str,
        route: str,
        kind: Kind,
        status: int,
        seconds: float,
        ended: float,
        *,
        streamed: float | None = None,
    ) -> None:
        """Take one request.

        `route` is a template, never a path; `ended` is the monotonic reading at the end, which
        saves a clock read. For an event stream
        `seconds` runs to the first byte and `streamed` to the last.
        """
        metrics = self._metrics
        if ended >= metrics.due_at:
            metrics.flush_if_free()
        key = (method, route, kind, _class_of(status))
        bound = self._bound.get(key) or self._bind(key)
        take, count, buffer = bound
        take(seconds)
        count(1.0)
        if len(buffer) >= _FLUSH_AT:
            metrics.flush_if_free()
        if streamed is not None:
            metrics.timer(STREAM, method=method, route=route).record(streamed)

    def taker(
        self, method: str, route: str, kind: Kind, status: int
    ) -> Callable[[float, float], None]:
        """Give a function of seconds and end that takes requests of one sort, as `record` does.

        It costs half of `record`, and may be kept as long as the monitor lives.
        """
        metrics = self._metrics
        take, count, buffer = self._bind((method, route, kind, _class_of(status)))

        def take_one(seconds: float, ended: float) -> None:
            if ended >= metrics.due_at:
                metrics.flush_if_free()
            take(seconds)
            count(1.0)
            if len(buffer) >= _FLUSH_AT:
                metrics.flush_if_free()

        return take_one

    def _bind(
        self, key: tuple[str, str, str, str]
    ) -> tuple[Callable[[float], None], Callable[[float], None], list[float]]:
        method, route, kind, answer = key
        timer = self._metrics.timer(DURATION, method=method, route=route, kind=kind)
        counter = self._metrics.counter(
            RESPONSES, method=method, route=route, kind=kind, **{"class": answer}
        )
        if len(self._bound) >= _MOST_BOUND:
            self._bound.clear()
        # The bare appends, ticking or not: record() above sees to the flush itself.
        bound = self._bound[key] = timer.buffer.append, counter.buffer.append, timer.buffer
        return bound


def figures(snapshot: Snapshot) -> ApiFigures:
    """Turn a snapshot into the figures of all requests and of each route."""
    timed = snapshot.timers(DURATION)
    counts = _count_failures(snapshot)
    total = snapshot.timer(DURATION)
    routes = (_route(snapshot, tags, seen, counts, total.sum) for tags, seen in timed if seen.count)
    return ApiFigures(
        observed=bool(total.count),
        routes=tuple(sorted(routes, key=lambda row: row.share or 0.0, reverse=True)),
        **_block(snapshot, total, counts.values()),
    )


def _key_of(tags: Mapping[str, str]) -> tuple[str, str, str]:
    # A host may record under our names, too, with tags of its own.
    return tags.get("method", OTHER), tags.get("route", OTHER), tags.get("kind", OTHER)


def _count_failures(snapshot: Snapshot) -> dict[tuple[str, str, str], list[float]]:
    counts: dict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for tags, count in snapshot.counters(RESPONSES):
        failures = counts[_key_of(tags)]
        if tags.get("class") == "5xx":
            failures[0] += count
        elif tags.get("class") == "4xx":
            failures[1] += count
    return counts


def _block(
    snapshot: Snapshot, seen: Distribution, failures: Iterable[list[float]]
) -> dict[str, Any]:
    errors = client_errors = 0.0
    for server, client in failures:
        errors += server
        client_errors += client
    return Latency.fields_of(snapshot, seen, errors=errors, client_errors=client_errors)


def _route(
    snapshot: Snapshot,
    tags: Mapping[str, str],
    seen: Distribution,
    counts: dict[tuple[str, str, str], list[float]],
    all_seconds: float,
) -> RouteFigures:
    key = _key_of(tags)
    return RouteFigures(
        method=key[0],
        route=key[1],
        kind=key[2],
        share=ratio(seen.sum, all_seconds),
        **_block(snapshot, seen, [counts[key]]),
    )
