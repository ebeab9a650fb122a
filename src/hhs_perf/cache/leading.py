"""Leading a load: for all who want the value, in this process and in the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from .flight import ABANDONED, loading
from .lookup import is_error
from .memory import FRESH, REFRESH
from .policy import Loaded, Previous
from .remote.l2 import HELD, LEASED, L2Down, unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .drive import Steps
    from .flight import Flight, Flights
    from .loading import LoadRequest
    from .lookup import Lookup
    from .policy import Policy
    from .remote.l2 import Level2
    from .store.entry import Entry
    from .storing import Storing
    from .wire.codec import Frame

__all__ = ["Leader"]

_MOST_ROUNDS: Final = 100
# Past the end of somebody else's lease, in seconds: until then its owner may still tell.
_GRACE: Final = 0.05
# How long a process that has just begun waits to hear the others, in seconds.
_FIRST_TRY: Final = 0.25


class Leader:
    """Finds or loads the value of a flight, keeps it, and lands the flight in any case."""

    def __init__(
        self,
        lookup: Lookup,
        flights: Flights,
        storing: Storing,
        keep_lease: Callable[[Flight], None] | None,
    ) -> None:
        self._lookup = lookup
        self._memory = lookup.memory
        self._second = lookup.second
        self._flights = flights
        self._storing = storing
        self._keep_lease = keep_lease

    def set_off(self, flight: Flight, request: LoadRequest, entry: Entry | None) -> None:
        """Let a flight know who leads it, and the value in L1 that it is about to replace."""
        flight.outcome.home = request.home
        if entry is not None and not is_error(entry):
            flight.previous = self._storing.frame_of(entry)

    def has_stale(self, flight: Flight, span: float) -> bool:
        """Tell whether the previous value is past its ttl by less than `span` seconds."""
        previous = flight.previous
        if previous is None or not span:
            return False
        return self._storing.now() - previous.expires < span

    def find(self, flight: Flight, request: LoadRequest) -> Steps[bool]:
        """Look once more, in both levels, now that nobody else does; True when that sufficed."""
        if request.is_forced:
            return False
        try:
            state, entry, _ = self._memory.look(request.key)
            if entry is not None and state in (FRESH, REFRESH):
                flight.tags = entry.group.tags
                self._land(flight, entry.value, found=True, is_error=is_error(entry))
                return True
            if self._second is None:
                return False
            return (yield from self._find_below(flight, request))
        except BaseException:
            self.abandon(flight)
            raise

    def _find_below(self, flight: Flight, request: LoadRequest) -> Steps[bool]:
        """Look in L2; a value that may be used stale lands the flight, and is marked as such."""
        frame, flight.seen = yield from self._lookup.fetch(request.key, request.type)
        if frame is None:
            return False
        flight.tags = frame.tags
        if self._use(flight, request, frame):
            return True
        if flight.previous is not frame or not self.has_stale(flight, request.policy.stale_for):
            return False
        until = frame.expires + request.policy.keeps_for
        self._storing.keep(flight, request, frame, life=0.0, until=until)
        self._memory.counts.stale_served += 1
        flight.is_stale = True
        self._land(flight, frame.value, found=True)
        return True

    def _use(self, flight: Flight, request: LoadRequest, frame: Frame) -> bool:
        """Land with a value of L2, if it is fresh; keep a stale one in mind otherwise."""
        value = frame.value
        if frame.is_error:
            value = _revived(value, request.policy)
            if value is None:
                return False
            frame = replace(frame, value=value)
        if self._lookup.promote(request.key, frame, flight.began, request.pattern, request.policy):
            request.pattern.l2_hits += 1
            self._land(flight, value, found=True, is_error=frame.is_error)
            return True
        if not frame.is_error:
            flight.previous = frame
        return False

    def load(self, flight: Flight, request: LoadRequest) -> Steps[None]:
        """Load and keep the value of a flight."""
        try:
            if request.is_forced:
                yield from self._look_before(flight, request)
            stamp = None if flight.outcome.done() else (yield from self._lease(flight, request))
            if not flight.outcome.done():
                yield from self._load(flight, request, stamp)
        except Exception as exc:  # noqa: BLE001 - it belongs to those who wait
            yield from self._storing.release(flight)
            self._land(flight, exc, is_error=True)
        except BaseException as exc:
            if not flight.is_detached:
                flight.ended_by = exc
            self.give_up(flight)
            raise

    def _look_before(self, flight: Flight, request: LoadRequest) -> Steps[None]:
        """See what is to be replaced; another process may have refreshed it already."""
        frame, flight.seen = yield from self._lookup.fetch(request.key, request.type)
        if frame is None or frame.is_error:
            return
        flight.previous = frame
        if request.since is not None and frame.created >= request.since:
            self._use(flight, request, frame)
            return
        if not flight.is_detached:
            return
        eager_at = request.policy.eager_at
        since = (frame.expires - frame.created) * (1 if eager_at is None else eager_at)
        if self._storing.now() < min(frame.created + since, frame.expires):
            self._use(flight, request, frame)

    def _load(self, flight: Flight, request: LoadRequest, stamp: float | None) -> Steps[None]:
        replaced = flight.previous
        before = None if replaced is None else Previous(value=replaced.value, note=replaced.note)
        started = self._memory.now()
        request.pattern.loads += 1
        self._memory.counts.loads += 1
        try:
            value = yield "call", (request.loader, flight, before)
        except Exception as exc:  # noqa: BLE001 - whatever a loader raises
            yield from self._failed(flight, request, exc)
            return
        except GeneratorExit:
            raise  # in the midst of a collection: no lock can be waited for
        except BaseException as exc:
            self._count_failure(flight, request, exc)
            raise
        took = self._memory.now() - started
        request.pattern.load_took(took, here=True)
        self._memory.counts.load_took(took)
        if isinstance(value, Loaded) and not value.keep:
            yield from self._storing.release(flight)
            self._land(flight, value.value)
            return
        frame = self._storing.framed(request, value, replaced, stamp, took)
        flight.tags = frame.tags
        yield from self._storing.store(flight, request, frame)
        self._land(flight, frame.value)

    def _lease(self, flight: Flight, request: LoadRequest) -> Steps[float | None]:
        """Become the one process that loads, or wait for its value; give the lease's time.

        None means: load, but write nothing to L2.
        """
        second = self._second
        if second is None or self._lookup.is_cut_off(second):
            return None
        token = second.level2.new_token()
        try:
            return (yield from self._ask(second.level2, flight, request, token))
        except L2Down as exc:
            if exc.__cause__ is not None:  # it was asked, and may have given the lease
                second.level2.release_later(request.key, token)
            if self._lookup.raises:
                raise unreachable(exc) from exc
        except BaseException:
            second.level2.release_later(request.key, token)
            raise
        return None

    def _ask(
        self, level2: Level2, flight: Flight, request: LoadRequest, token: bytes
    ) -> Steps[float | None]:
        word: str | None = None
        for _ in range(_MOST_ROUNDS):
            waiter = level2.waiting.wait_for(request.key)
            # What comes of this attempt is newer than all that was heard until now.
            flight.began = self._memory.began()
            try:
                takes_over = request.begins_anew and not flight.is_detached
                outcome, stamp, rest = yield from level2.acquire(
                    request.key, token, flight.seen, takes_over=takes_over
                )
                if outcome == LEASED:
                    self._take(flight, token)
                    return stamp
                if outcome == HELD:
                    if (yield from self._goes_alone(flight, word)):
                        return None
                    yield "wait", (waiter, rest + _GRACE)
                    word = waiter.result() if waiter.done() else "late"
                elif (yield from self._meet(flight, request, rest)):
                    return None
            finally:
                level2.waiting.no_more(request.key, waiter)
        return None

    def _take(self, flight: Flight, token: bytes) -> None:
        flight.token = token
        if self._keep_lease is not None:
            self._keep_lease(flight)

    def _goes_alone(self, flight: Flight, word: str | None) -> Steps[bool]:
        """Tell whether not to wait for the process that has the lease.

        One whose load failed has told so; without the link no word would be heard; and what is
        refreshed in the background is being refreshed. One that outlasts its first lease may wait
        for a load that this one is part of, so that nobody would ever go on.
        """
        if flight.is_detached:
            self.abandon(flight)
            return True
        if word == "f" or (word == "late" and loading.get()) or self._second is None:
            return True
        if not self._second.listens():
            yield "wait", (self._second.backplane.first_try, _FIRST_TRY)
        return not self._second.backplane.is_linked

    def _meet(self, flight: Flight, request: LoadRequest, raw: bytes) -> Steps[bool]:
        """Use a value that another process stored meanwhile, if it can be used."""
        flight.seen = raw
        is_heard = self._second is not None and self._second.listens()
        frame = yield from self._lookup.judge(request.key, raw, request.type, is_heard=is_heard)
        if frame is None:
            return False
        flight.tags = frame.tags
        return self._use(flight, request, frame)

    def _failed(self, flight: Flight, request: LoadRequest, error: Exception) -> Steps[None]:
        """Keep the exception, answer with a stale value, or let the exception reach the callers."""
        policy, counts = request.policy, self._memory.counts
        self._count_failure(flight, request, error)
        if isinstance(error, policy.negative):
            frame = self._storing.framed_error(request, error)
            yield from self._storing.store(flight, request, frame)
        else:
            yield from self._storing.release(flight)
            previous = flight.previous
            if previous is not None and self.has_stale(flight, policy.fail_safe_for):
                now = self._storing.now()
                if previous.expires <= now:
                    # Fresh for a moment: not every call shall run into the same failure.
                    until = previous.expires + policy.keeps_for
                    life = min(policy.negative_ttl, until - now)
                    self._storing.keep(flight, request, previous, life=life, until=until)
                    counts.stale_served += 1
                self._land(flight, previous.value, found=True)
                return
        self._land(flight, error, is_error=True)

    def _count_failure(self, flight: Flight, request: LoadRequest, error: BaseException) -> None:
        counts = self._memory.counts
        request.pattern.load_failures += 1
        counts.load_failures += 1
        counts.error(self._lookup.wall(), f"load {request.pattern.pattern}", error)
        if flight.is_detached:
            self._memory.put_off(request.key, request.policy.negative_ttl)

    def give_up(self, flight: Flight) -> None:
        """End a load that ended without a word."""
        self._storing.release_later(flight)
        self.abandon(flight)

    def give_up_lost(self, flight: Flight) -> None:
        """Do so for one whose event loop does not run: should it, nothing comes of it any more."""
        self._memory.outdate(flight.key)
        self.give_up(flight)

    def lacks_thread(self, flight: Flight) -> None:
        """End a load for which there was no thread, and let the report show it."""
        counts, error = self._memory.counts, RuntimeError()
        counts.error(self._lookup.wall(), "threads of loads", error)
        self.abandon(flight)

    def abandon(self, flight: Flight) -> None:
        """Let those who wait load themselves."""
        self._land(flight, ABANDONED)

    def _land(
        self, flight: Flight, outcome: Any, *, found: bool = False, is_error: bool = False
    ) -> None:
        flight.was_found = found
        self._flights.land(flight)
        if flight.outcome.done():
            return
        if is_error:
            flight.traceback = None if found else outcome.__traceback__
            flight.outcome.set_exception(outcome)
        else:
            flight.outcome.set_result(outcome)


def _revived(named: Any, policy: Policy) -> Exception | None:
    """Make the exception again that another process kept, if it is one that this call names."""
    name, text = named
    for kind in policy.negative:
        if f"{kind.__module__}.{kind.__qualname__}" == name:
            try:
                return kind(text)
            except Exception:  # noqa: BLE001 - its class wants other arguments: load again
                return None
    return None
