"""Keeping what was loaded: how long it lives, in L2 under the lease, in L1 below that."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import attrs
from msgspec.structs import replace

from ..exceptions import CacheCodecError
from .lookup import copied
from .observed.steadiness import fingerprint_of
from .policy import NOT_MODIFIED, Loaded, kept_for
from .remote.l2 import L2Down, unreachable
from .responses import refuse_unshareable
from .store.entry import Detail
from .wire._framing import payload_of
from .wire.codec import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from .drive import Steps
    from .flight import Flight
    from .loading import LoadRequest
    from .lookup import Lookup, Second
    from .policy import Policy
    from .store.entry import Entry

__all__ = ["Lives", "Storing"]


@attrs.frozen(kw_only=True)
class Lives:
    """How long an entry lives where its call does not say, in seconds."""

    l1_ttl: float
    l2_ttl: float
    has_l2: bool
    share: Callable[[], float] = random.random
    """Gives the share of the jitter that is taken off, from 0 to 1."""

    def of(self, ttl: float | None, policy: Policy) -> tuple[float, float]:
        """Give the life in all, shortened by jitter, and the longest in L1."""
        if ttl is None:
            ttl = policy.ttl
        life = (self.l2_ttl if self.has_l2 else self.l1_ttl) if ttl is None else ttl
        if policy.jitter:
            life *= 1 - policy.jitter * self.share()
        return life, self.l1_ttl if ttl is None else ttl


class Storing:
    """Makes frames of what loaders give, and keeps them."""

    def __init__(self, lookup: Lookup, lives: Lives) -> None:
        self._lookup = lookup
        self._memory = lookup.memory
        self._second = lookup.second
        self.lives = lives

    def now(self) -> float:
        """Give the time that stamps are taken of."""
        return self._memory.now() if self._second is None else self._second.level2.now()

    def framed(
        self,
        request: LoadRequest,
        value: Any,
        before: Frame | None,
        stamp: float | None,
        took: float,
    ) -> Frame:
        """Make a frame of what a loader gave; raises ValueError where that makes no sense.

        And CacheCodecError for a web response, or what can be read once.
        """
        ttl, tags, note = request.ttl, request.tags, None
        if isinstance(value, Loaded):
            ttl = value.ttl if value.ttl is not None else ttl
            if value.tags is not None:
                tags = tuple(value.tags)
            note, value = value.note, value.value
        if value is NOT_MODIFIED:
            if before is None:
                raise ValueError(
                    f"the loader of {request.key!r} says not modified, but there was no value"
                )
            value, note = before.value, note or before.note
            # What the loader named when it gave the value still is what the value was made of.
            tags = tuple(dict.fromkeys((*tags, *before.tags)))
            request.pattern.steadiness.same(request.key)
        refuse_unshareable(request.key, value)
        life, l1_ttl = self.lives.of(ttl, request.policy)
        request.pattern.ttl = life
        now = self.now()
        return Frame(
            value=value,
            created=now if stamp is None else stamp,
            expires=now + life,
            keep_until=now + kept_for(life, request.policy),
            l1_ttl=l1_ttl,
            tags=tags,
            note=note,
            load_seconds=took,
        )

    def framed_error(self, request: LoadRequest, error: Exception) -> Frame:
        """Make a frame of an exception that is to be kept."""
        now = self.now()
        until = now + request.policy.negative_ttl
        return Frame(
            value=error,
            created=now,
            expires=until,
            keep_until=until,
            l1_ttl=request.policy.negative_ttl,
            tags=request.tags,
            is_error=True,
        )

    def frame_of(self, entry: Entry) -> Frame:
        """Tell of an entry of L1 what a frame would."""
        group, ahead = entry.group, self.now() - self._memory.now()
        if isinstance(group, Detail):
            keep_until = ahead + group.keep_until
            expires, note = keep_until - group.policy.keeps_for, group.note
        else:
            keep_until = expires = ahead + entry.expires
            note = None
        return Frame(
            value=entry.value,
            created=0.0,
            expires=expires,
            keep_until=keep_until,
            tags=group.tags,
            note=note,
        )

    def store(self, flight: Flight, request: LoadRequest, frame: Frame) -> Steps[None]:
        """Keep what was loaded, unless its key was deleted since the load began."""
        second, token = self._second, flight.token
        if (
            second is not None
            and token is not None
            and not (yield from self._put(second, token, request, frame))
        ):
            return
        if second is None and not frame.is_error:
            steadiness = request.pattern.steadiness
            if steadiness.wants(request.key):
                steadiness.take(request.key, fingerprint_of(frame.value))
        if request.is_forced:
            # L2 held a fresh value until now: who has read that shall not bring it up any more.
            began = self._memory.outdate(request.key, flight.began)
            if began is None:
                self._memory.counts.refused += 1
                return
            flight.began = began
        life = frame.expires - self.now()
        most = life if frame.l1_ttl is None else min(life, frame.l1_ttl)
        self.keep(flight, request, frame, life=most, until=frame.keep_until)

    def keep(
        self, flight: Flight, request: LoadRequest, frame: Frame, *, life: float, until: float
    ) -> None:
        """Keep a value in L1: fresh for `life` seconds, stale up to the time `until`."""
        if request.policy.copy == "on_read":
            frame = replace(frame, value=copied(frame.value, request.policy))
        stale = max(0.0, until - self.now() - life)
        self._memory.keep(
            request.key, frame, flight.began, (life, stale), request.pattern, request.policy
        )

    def _put(self, second: Second, token: bytes, request: LoadRequest, frame: Frame) -> Steps[bool]:
        """Write to L2; False when the key was deleted since the load began."""
        counts, key = self._memory.counts, request.key
        wire = replace(frame, value=_name_of(frame.value)) if frame.is_error else frame
        try:
            data = second.codec.encode(second.namespace, key, wire, request.type)
        except CacheCodecError as exc:
            yield from self._release(second, token, key)
            self._lookup.unstorable(key, exc)
            return True
        try:
            seconds = frame.keep_until - self.now()
            accepted = yield from second.level2.put(key, data, seconds, token)
        except L2Down as exc:
            second.level2.release_later(key, token)
            if self._lookup.raises:
                raise unreachable(exc) from exc
            return True
        if not accepted:
            counts.refused += 1
            return False
        counts.l2_puts += 1
        counts.bytes_written += len(data)
        request.pattern.l2_bytes += len(data)
        steadiness = request.pattern.steadiness
        if not frame.is_error and steadiness.wants(key):
            steadiness.take(key, hash(payload_of(data)))
        return True

    def release(self, flight: Flight) -> Steps[None]:
        """Give the lease of a flight back, if it has one."""
        if self._second is not None and flight.token is not None:
            yield from self._release(self._second, flight.token, flight.key)

    def _release(self, second: Second, token: bytes, key: str) -> Steps[None]:
        try:
            yield from second.level2.release(key, token)
        except L2Down:
            second.level2.release_later(key, token)

    def release_later(self, flight: Flight) -> None:
        """Do so where there is nobody left to wait for Redis."""
        if self._second is not None and flight.token is not None:
            self._second.level2.release_later(flight.key, flight.token)


def _name_of(error: object) -> tuple[str, str]:
    kind = type(error)
    # The text of a KeyError is its argument in quotes, of which another one would be made.
    args: tuple[object, ...] = getattr(error, "args", ())
    alone = args[0] if len(args) == 1 else None
    text = alone if isinstance(alone, str) else str(error)
    return f"{kind.__module__}.{kind.__qualname__}", text
