"""Answering from the cache or by a load, as the policy wants it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from ..exceptions import CacheTimeoutError
from .entry import HIT
from .flight import ABANDONED
from .lookup import copied, is_error, usable_as_stale
from .memory import FRESH, REFRESH

if TYPE_CHECKING:
    from collections.abc import Callable

    from .drive import Steps
    from .entry import Entry
    from .flight import Flight, Flights
    from .leading import Leader
    from .lookup import Lookup
    from .policy import Policy
    from .stats import PatternCounts

__all__ = ["LoadRequest", "Loader"]


@attrs.frozen(kw_only=True)
class LoadRequest:
    """What one caller wants loaded, and how."""

    key: str
    loader: Callable[[], Any]
    ttl: float | None
    tags: tuple[str, ...]
    policy: Policy
    type: object
    pattern: PatternCounts
    is_forced: bool = False
    """Whether to load even what is fresh."""


class Loader:
    """Finds values, or has a leader load them."""

    def __init__(self, lookup: Lookup, flights: Flights, leader: Leader) -> None:
        self._lookup = lookup
        self._memory = lookup.memory
        self._flights = flights
        self._leader = leader

    def get_or_load(self, request: LoadRequest) -> Steps[Any]:
        """Find the value or load it."""
        memory, counts = self._memory, self._memory.counts
        state, entry, reason = memory.look(request.key)
        if entry is not None and not request.is_forced:
            is_fresh = state in (FRESH, REFRESH)
            if is_fresh or usable_as_stale(entry, memory.now(), request.policy.stale_for):
                counts.l1_hits += 1
                entry.hits += HIT
                if not is_fresh:
                    counts.stale_served += 1
                if state != FRESH:
                    yield from self._refresh(request, entry)
                return _given(entry.value, request, is_error=is_error(entry))
        counts.l1_misses += 1
        value, was_found = yield from self._fly(request, entry)
        if was_found:
            counts.hits += 1
        else:
            self._lookup.missed(request.key, entry, reason)
        return _given(value, request)

    def _fly(self, request: LoadRequest, entry: Entry | None) -> Steps[tuple[Any, bool]]:
        """Join the load of a key or lead it; give the value, and whether it was found."""
        while True:
            flight, leads = self._flights.join(request.key, self._memory.began())
            if leads:
                self._leader.set_off(flight, entry)
                landed = yield from self._leader.find(flight, request)
                if landed and flight.is_stale:
                    yield from self._refresh_below(request)
                elif not landed:
                    verb = "lead_apart" if request.policy.in_background else "lead"
                    yield verb, (partial(self._leader.load, flight, request),)
            value, was_found = yield from self._outcome(flight, request)
            if value is not ABANDONED:
                return value, was_found

    def _outcome(self, flight: Flight, request: LoadRequest) -> Steps[tuple[Any, bool]]:
        """Wait for a flight to land, as long as the policy lets."""
        policy, counts = request.policy, self._memory.counts
        try:
            if not flight.outcome.done():
                has_stale = self._leader.has_stale(flight, policy.keeps_for)
                patience = policy.hard_timeout
                if has_stale and policy.soft_timeout is not None:
                    patience = min(policy.soft_timeout, patience or policy.soft_timeout)
                done = yield "wait", (flight.outcome, patience)
                if not done:
                    counts.timeouts += 1
                    if flight.previous is not None and has_stale:
                        counts.stale_served += 1
                        return flight.previous.value, True
                    raise CacheTimeoutError(request.key, patience or 0.0)
        finally:
            self._flights.waited(flight)
        return flight.outcome.result(), flight.was_found

    def _refresh(self, request: LoadRequest, entry: Entry) -> Steps[None]:
        """Have a value loaded in the background, unless somebody does."""
        if self._flights.is_under_way(request.key):
            return
        flight, leads = self._flights.join(request.key, self._memory.began())
        self._flights.waited(flight)
        if not leads:
            return
        flight.is_detached = True
        self._leader.set_off(flight, entry)
        self._memory.counts.refreshes += 1
        forced = attrs.evolve(request, is_forced=True)
        spawned = yield "spawn", (partial(self._leader.load, flight, forced),)
        if not spawned:
            self._leader.abandon(flight)

    def _refresh_below(self, request: LoadRequest) -> Steps[None]:
        _, entry, _ = self._memory.look(request.key)
        if entry is not None:
            yield from self._refresh(request, entry)


def _given(value: Any, request: LoadRequest, *, is_error: bool = False) -> Any:
    if is_error:
        raise value.with_traceback(None)
    return copied(value, request.policy)
