"""Answering from the cache or by a load, as the policy wants it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from ..exceptions import CacheTimeoutError
from .flight import ABANDONED, warming
from .lookup import copied, is_error, usable_as_stale
from .memory import FRESH, REFRESH
from .store.entry import HIT

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from .drive import Steps
    from .flight import Flight, Flights
    from .leading import Leader
    from .lookup import Lookup
    from .observed.stats import PatternCounts
    from .policy import Policy
    from .store.entry import Entry

__all__ = ["LoadRequest", "Loader"]

_Landing: TypeAlias = tuple[Any, bool, BaseException | None]
"""What a load came to: the value, whether it was found in the cache, the error in its place."""


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
    since: float | None = None
    """What another process loaded at or after that time on Redis's clock is as good as a load."""
    home: AbstractEventLoop | None = None
    """The event loop that asks; None for a thread that may wait."""

    @property
    def begins_anew(self) -> bool:
        """Tell whether no load will do that began before, in whatever process."""
        return self.is_forced and self.since is None


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
        # Neither who warms nor who refreshes asks whether there is a value.
        is_lookup = not (request.is_forced or warming.get())
        if entry is not None and not request.is_forced:
            is_fresh = state in (FRESH, REFRESH)
            if is_fresh or usable_as_stale(entry, memory.now(), request.policy.stale_for):
                if is_lookup:
                    entry.hits += HIT
                if not is_fresh:
                    counts.stale_served += 1
                if state != FRESH:
                    yield from self._refresh(request, entry)
                return _given(entry.value, request, is_error=is_error(entry))
        if is_lookup:
            counts.l1_missed(reason)
        value, was_found, error = yield from self._fly(request, entry)
        if is_lookup and was_found:
            counts.hits += 1
        elif is_lookup:
            memory.missed(request.key, request.pattern, reason)
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame
        return _given(value, request)

    def _fly(self, request: LoadRequest, entry: Entry | None) -> Steps[_Landing]:
        """Join the load of a key or lead it."""
        if request.begins_anew:
            self._flights.ground((request.key,))
            self._memory.outdate(request.key)
        while True:
            began = self._memory.began()
            flight, leads = self._flights.join(request.key, began, partial(self._is_void, request))
            if leads:
                self._leader.set_off(flight, request, entry)
                landed = yield from self._leader.find(flight, request)
                if landed and flight.is_stale:
                    yield from self._refresh_below(request)
                elif not landed:
                    verb = "lead_apart" if request.policy.in_background else "lead"
                    yield verb, (partial(self._leader.load, flight, request),)
            value, was_found, error = yield from self._outcome(flight, request)
            if value is ABANDONED:
                continue
            is_older = not leads and flight.began[1] != began[1]
            # Which tags a value has is sometimes known when it is loaded only.
            if not (is_older and flight.tags != request.tags and self._is_void(request, flight)):
                return value, was_found, error

    def _is_void(self, request: LoadRequest, flight: Flight) -> bool:
        """Tell whether what was invalidated since a load began concerns what it gives."""
        tags = tuple(dict.fromkeys((*request.tags, *flight.tags)))
        return self._memory.marks.voids_entry(request.key, tags, flight.began[1])

    def _outcome(self, flight: Flight, request: LoadRequest) -> Steps[_Landing]:
        """Wait for a flight to land, as long as the policy lets."""
        policy, counts = request.policy, self._memory.counts
        try:
            if not flight.outcome.done():
                has_stale = self._leader.has_stale(flight, policy.keeps_for)
                patience = policy.hard_timeout
                if has_stale and policy.soft_timeout is not None:
                    patience = min(policy.soft_timeout, patience or policy.soft_timeout)
                done = yield "wait", (flight.outcome, patience)
                if flight.outcome.is_lost:
                    self._leader.give_up(flight)
                elif not done:
                    counts.timeouts += 1
                    if flight.previous is not None and has_stale:
                        counts.stale_served += 1
                        return flight.previous.value, True, None
                    return None, False, CacheTimeoutError(request.key, patience or 0.0)
        finally:
            self._flights.waited(flight)
        error = flight.outcome.exception()
        value = flight.outcome.result() if error is None else None
        return value, flight.was_found, error

    def _refresh(self, request: LoadRequest, entry: Entry) -> Steps[None]:
        """Have a value loaded in the background, unless somebody does."""
        if self._flights.is_under_way(request.key):
            return
        began = self._memory.began()
        flight, leads = self._flights.join(request.key, began, partial(self._is_void, request))
        self._flights.waited(flight)
        if not leads:
            return
        flight.is_detached = True
        self._leader.set_off(flight, request, entry)
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
