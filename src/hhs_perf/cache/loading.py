"""Answering from the cache or by a load, as the policy wants it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from ..exceptions import CacheTimeoutError
from .flight import ABANDONED, renewing, warming
from .lookup import copied, is_error, usable_as_stale
from .memory import FRESH, REFRESH
from .store.entry import HIT

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from .drive import Steps
    from .flight import Anew, Flight, Flights
    from .leading import Leader
    from .lookup import Lookup
    from .observed.stats import MissReason, PatternCounts
    from .policy import Policy
    from .store.entry import Entry

__all__ = ["LoadRequest", "Loader"]

# Past so many loads that ended without an outcome, nobody waits for one of another caller.
_MOST_ABANDONED: Final = 3

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
        """Find the value or load it; load it where the running code warms anew."""
        if warming.get() and not request.is_forced:
            anew = renewing.get()
            if anew and anew.flights is self._flights and request.key not in anew.keys:
                return self._load_anew(request, anew)
        return self._find_or_load(request)

    def _load_anew(self, request: LoadRequest, anew: Anew) -> Steps[Any]:
        forced = attrs.evolve(request, is_forced=True, since=anew.since)
        value = yield from self._find_or_load(forced)
        # Now, not before: who asks for it meanwhile is to wait for the new value.
        anew.keys.add(request.key)
        return value

    def _find_or_load(self, request: LoadRequest) -> Steps[Any]:
        memory, counts = self._memory, self._memory.counts
        state, entry, reason = memory.look(request.key)
        if entry is not None and self._is_shared(entry, request):
            # Others may have changed what they were given; L2 has it as it was.
            memory.store.remove(request.key)
            entry = None
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
        if is_lookup:
            self._count(request, reason, was_found=was_found)
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame
        return _given(value, request)

    def _count(self, request: LoadRequest, reason: MissReason, *, was_found: bool) -> None:
        if was_found:
            self._memory.counts.hits += 1
        else:
            self._memory.tally.missed(request.key, request.pattern, reason)

    def _is_shared(self, entry: Entry, request: LoadRequest) -> bool:
        wants_copies = request.policy.copy == "on_read" and entry.group.policy.copy == "never"
        return wants_copies and self._lookup.second is not None

    def _fly(self, request: LoadRequest, entry: Entry | None) -> Steps[_Landing]:
        """Join the load of a key or lead it."""
        if request.begins_anew:
            self._flights.ground((request.key,))
            self._memory.outdate(request.key)
        limit = request.policy.hard_timeout
        until = None if limit is None else self._memory.now() + limit
        abandoned = 0
        while True:
            if abandoned >= _MOST_ABANDONED:
                self._flights.ground((request.key,))
            began = self._memory.began()
            flight, leads = self._flights.join(request.key, began, partial(self._is_void, request))
            if leads:
                self._leader.set_off(flight, request, entry)
                landed = yield from self._leader.find(flight, request)
                if landed and flight.is_stale:
                    yield from self._refresh_below(request)
                elif not landed and (yield from self._lacks_thread(flight, request, until)):
                    self._flights.waited(flight)
                    return self._late(flight, request)
            value, was_found, error = yield from self._outcome(flight, request, until)
            if value is ABANDONED:
                if leads:
                    _raise_own(flight)
                abandoned += 1
                continue
            is_older = not leads and flight.began[1] != began[1]
            # Which tags a value has is sometimes known when it is loaded only.
            if not (is_older and flight.tags != request.tags and self._is_void(request, flight)):
                return value, was_found, error

    def _is_void(self, request: LoadRequest, flight: Flight) -> bool:
        """Tell whether what was invalidated since a load began concerns what it gives."""
        tags = tuple(dict.fromkeys((*request.tags, *flight.tags)))
        return self._memory.marks.voids_entry(request.key, tags, flight.began[1])

    def _lacks_thread(
        self, flight: Flight, request: LoadRequest, until: float | None
    ) -> Steps[bool]:
        """Have a flight flown; True when a caller that does not wait for long had no thread."""
        load = partial(self._leader.load, flight, request)
        if not request.policy.in_background:
            try:
                yield "lead", (load,)
            except BaseException:
                flight.ended_by = None  # it is raised already
                raise
            return False
        led = yield "lead_apart", (load, self._patience(flight, request, until))
        if not led:
            self._leader.lacks_thread(flight)
        return not led

    def _patience(self, flight: Flight, request: LoadRequest, until: float | None) -> float | None:
        """Give the seconds that the caller still waits for a flight; None is for ever."""
        policy = request.policy
        patience = None if until is None else max(0.0, until - self._memory.now())
        soft = policy.soft_timeout
        if soft is None or not self._leader.has_stale(flight, policy.keeps_for):
            return patience
        return soft if patience is None else min(soft, patience)

    def _late(self, flight: Flight, request: LoadRequest) -> _Landing:
        """Answer who waited long enough: with the previous value, if that may be used."""
        counts, policy = self._memory.counts, request.policy
        counts.timeouts += 1
        if flight.previous is not None and self._leader.has_stale(flight, policy.keeps_for):
            counts.stale_served += 1
            return flight.previous.value, True, None
        return None, False, CacheTimeoutError(request.key, policy.hard_timeout or 0.0)

    def _outcome(
        self, flight: Flight, request: LoadRequest, until: float | None
    ) -> Steps[_Landing]:
        """Wait for a flight to land, as long as the policy lets."""
        try:
            if not flight.outcome.done():
                patience = self._patience(flight, request, until)
                done = yield "wait", (flight.outcome, patience)
                if flight.outcome.is_lost:
                    self._leader.give_up_lost(flight)
                elif not done:
                    return self._late(flight, request)
        finally:
            self._flights.waited(flight)
        error = flight.outcome.exception()
        if error is None:
            return flight.outcome.result(), flight.was_found, None
        # All who wait raise the one exception.
        return None, flight.was_found, error.with_traceback(flight.traceback)

    def _refresh(self, request: LoadRequest, entry: Entry) -> Steps[None]:
        """Have a value loaded in the background, unless somebody does, or it just failed."""
        if self._memory.is_put_off(entry):
            return
        under_way = self._flights.under_way(request.key)
        if under_way is not None:
            if not under_way.outcome.is_lost:
                return
            self._leader.give_up_lost(under_way)
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
            self._leader.lacks_thread(flight)

    def _refresh_below(self, request: LoadRequest) -> Steps[None]:
        _, entry, _ = self._memory.look(request.key)
        if entry is not None:
            yield from self._refresh(request, entry)


def _raise_own(flight: Flight) -> None:
    """Raise what ended the load of who leads it: that is no reason to load once more."""
    ended, flight.ended_by = flight.ended_by, None
    if ended is not None:
        try:
            raise ended
        finally:
            del ended  # its traceback holds this frame


def _given(value: Any, request: LoadRequest, *, is_error: bool = False) -> Any:
    if is_error:
        raise value.with_traceback(None)
    return copied(value, request.policy)
