"""Single flight: one load of a key at a time, shared by threads and tasks."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import attrs

from .._clock import SystemClock
from ..exceptions import CacheReentrancyError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from .wire.codec import Frame

__all__ = ["ABANDONED", "Anew", "Flight", "Flights", "Outcome", "loading", "renewing", "warming"]

ABANDONED: Final = object()
"""The outcome of a load whose thread or task was killed: whoever waits has to load itself."""

# How long an event loop may stand still before its loads are given up, in seconds.
_LONGEST_REST: Final = 0.5

loading: Final[ContextVar[tuple[Flight, ...]]] = ContextVar("hhs_perf_loading", default=())
"""The loads that the running code is part of, outermost first."""

warming: Final[ContextVar[bool]] = ContextVar("hhs_perf_warming", default=False)
"""Whether the running code warms the cache: what it looks for counts neither as hit nor as miss."""


@attrs.frozen(kw_only=True, eq=False)
class Anew:
    """That what is looked for in one cache is to be loaded anew, each key once.

    What was loaded since `since`, on Redis's clock, is new enough; `keys` have been loaded.
    """

    flights: Flights
    since: float
    keys: set[str] = attrs.field(factory=set)


renewing: Final[ContextVar[Anew | None]] = ContextVar("hhs_perf_renewing", default=None)
"""What the running code, if it warms the cache, is to load anew."""


class Outcome(Future[object]):
    """What a flight brings; `home` is the event loop that leads it, if one does."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
        self.home: AbstractEventLoop | None = None
        self._rests_since: float | None = None

    @property
    def is_lost(self) -> bool:
        """Tell whether not to wait for it: its event loop was closed, or was seen to rest long."""
        home = self.home
        if home is None or self.done():
            return False
        if home.is_closed():
            return True
        if home.is_running():
            self._rests_since = None
            return False
        now = SystemClock.monotonic()  # an event loop rests in real time, whatever the clock
        if self._rests_since is None:
            self._rests_since = now
        return now - self._rests_since >= _LONGEST_REST


class Flight:
    """One load under way.

    `outcome` gets the value or the loader's exception, or ABANDONED. A flight that was grounded
    lands for those who wait for it, but takes nobody more on board.
    """

    __slots__ = (
        "began",
        "blocked_on",
        "ended_by",
        "flights",
        "is_detached",
        "is_stale",
        "key",
        "outcome",
        "previous",
        "seen",
        "tags",
        "token",
        "traceback",
        "was_found",
    )

    def __init__(self, key: str, began: tuple[int, int], flights: Flights) -> None:
        self.key = key
        self.began = began
        self.flights = flights
        self.outcome = Outcome(key)
        # Whether it runs in the background, for nobody who waits.
        self.is_detached = False
        # Whether the value was found, in whatever level, and not loaded.
        self.was_found = False
        # Whether that value is past its ttl, and has to be loaded anew in the background.
        self.is_stale = False
        # The bytes that L2 held, and the value to be replaced, from whatever level.
        self.seen: bytes | None = None
        self.previous: Frame | None = None
        # Of the value, once there is one.
        self.tags: tuple[str, ...] = ()
        # Of the loader's exception: whoever raises it adds to the exception's own.
        self.traceback: TracebackType | None = None
        # The loads that loaders of this one wait for.
        self.blocked_on: set[Flight] = set()
        # What ended it without an outcome, until that was raised for who leads.
        self.ended_by: BaseException | None = None
        # Names the lease in L2 that this load holds, if any.
        self.token: bytes | None = None


class Flights:
    """The loads under way in this process, by key."""

    def __init__(self) -> None:
        # Guards the dictionary, and whom each flight waits for. Reentrant: a task that is
        # collected with its event loop ends its load wherever that happens.
        self._lock = threading.RLock()
        self._flights: dict[str, Flight] = {}

    def __len__(self) -> int:
        """Count the loads under way."""
        return len(self._flights)

    def join(
        self, key: str, began: tuple[int, int], is_void: Callable[[Flight], bool]
    ) -> tuple[Flight, bool]:
        """Give the load of `key` under way, or begin one: then the second value is True.

        A load that began before the last mark is not joined if the mark made it void.
        Raises CacheReentrancyError when the caller is part of a load of `key`, or when that load
        waits for one that the caller is part of: both would wait for ever.
        """
        part_of = loading.get()
        with self._lock:
            if part_of and self._is_loading(key, part_of):
                raise CacheReentrancyError(key)
            flight = self._flights.get(key)
            is_older = flight is not None and flight.began[1] != began[1]
            if flight is None or (is_older and is_void(flight)):
                flight = self._flights[key] = Flight(key, began, self)
                leads = True
            elif part_of and _leads_back(flight, part_of):
                raise CacheReentrancyError(key)
            else:
                leads = False
            if part_of:
                part_of[-1].blocked_on.add(flight)
            return flight, leads

    def _is_loading(self, key: str, part_of: tuple[Flight, ...]) -> bool:
        # A load that was grounded is one all the same.
        return any(
            each.key == key and each.flights is self and not each.outcome.done() for each in part_of
        )

    def under_way(self, key: str) -> Flight | None:
        """Give the load of `key`, if there is one."""
        return self._flights.get(key)

    def waited(self, flight: Flight) -> None:
        """Take back that the caller's load waits for `flight`."""
        part_of = loading.get()
        if part_of:
            with self._lock:
                part_of[-1].blocked_on.discard(flight)

    def land(self, flight: Flight) -> None:
        """End a load, before its outcome is told."""
        with self._lock:
            flights, key = self._flights, flight.key
            # Nothing is called in between: a signal handler may delete the key.
            if key in flights and flights[key] is flight:
                del flights[key]

    def ground(self, keys: Iterable[str]) -> None:
        """Let nobody more join the loads of `keys`: these were deleted."""
        with self._lock:
            for key in keys:
                self._flights.pop(key, None)

    def after_fork_in_child(self) -> None:
        """Forget the loads of the parent, whose threads the child does not have."""
        self._lock = threading.RLock()
        self._flights = {}


def _leads_back(flight: Flight, part_of: tuple[Flight, ...]) -> bool:
    seen: set[Flight] = set()
    ahead = [flight]
    while ahead:
        each = ahead.pop()
        if each in part_of:
            return True
        if each not in seen:
            seen.add(each)
            ahead.extend(each.blocked_on)
    return False
