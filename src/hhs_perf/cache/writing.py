"""Changing entries: setting, deleting, invalidating, in both levels and in all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from ..exceptions import CacheCodecError
from .lookup import copied
from .policy import kept_for
from .remote.l2 import L2Down, unreachable
from .responses import refuse_unshareable
from .wire.codec import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .drive import Steps
    from .flight import Flights
    from .lookup import Lookup
    from .marks import MarkKind
    from .policy import Policy
    from .remote.l2 import Level2
    from .storing import Lives

__all__ = ["Writer"]

_AT_ONCE: Final = 500


class Writer:
    """Sets, deletes and invalidates."""

    def __init__(self, lookup: Lookup, flights: Flights, lives: Lives) -> None:
        self._lookup = lookup
        self._memory = lookup.memory
        self._second = lookup.second
        self._flights = flights
        self._lives = lives

    def set_many(
        self,
        values: Mapping[str, Any],
        ttl: float | None,
        tags: tuple[str, ...],
        policy: Policy,
        type_: object,
    ) -> Steps[None]:
        """Store several values in one round trip."""
        for key, value in values.items():
            refuse_unshareable(key, value)
        second = self._second
        if second is not None:
            second.listens()
            yield from self._learn_time(second.level2)
        frames = {key: self._frame(value, ttl, tags, policy) for key, value in values.items()}
        if second is None:
            for key, frame in frames.items():
                self._memory.depart((key,))
                self._keep(key, frame, self._memory.began(), policy)
            self._flights.ground(frames)
            return
        for keys in _batches(list(frames)):
            yield from self._write({key: frames[key] for key in keys}, policy, type_)

    def _learn_time(self, level2: Level2) -> Steps[None]:
        """Ask for Redis's time before the first stamp: this host's clock may be anything."""
        if level2.ahead is None:
            try:
                yield from level2.ask_standing()
            except L2Down:  # then nothing is written either
                return

    def _write(self, frames: Mapping[str, Frame], policy: Policy, type_: object) -> Steps[None]:
        items = self._encoded(frames, type_)
        began = {key: self._memory.begin_write(key) for key in frames}
        try:
            self._flights.ground(frames)
            yield from self._put(items, [key for key in frames if key not in items])
        finally:
            ended = {key: self._memory.end_write(key, began[key]) for key in frames}
            # In between somebody may have found the old value in L2.
            self._flights.ground(frames)
        for key, place in ended.items():
            if place is not None:
                self._keep(key, frames[key], place, policy)

    def _frame(self, value: Any, ttl: float | None, tags: tuple[str, ...], policy: Policy) -> Frame:
        life, l1_ttl = self._lives.of(ttl, policy)
        second = self._second
        created = self._memory.now() if second is None else second.level2.stamp()
        return Frame(
            value=value,
            created=created,
            expires=created + life,
            keep_until=created + kept_for(life, policy),
            l1_ttl=l1_ttl,
            tags=tags,
        )

    def _encoded(
        self, frames: Mapping[str, Frame], type_: object
    ) -> dict[str, tuple[bytes, float]]:
        second = self._second
        if second is None:
            return {}
        items: dict[str, tuple[bytes, float]] = {}
        for key, frame in frames.items():
            try:
                data = second.codec.encode(second.namespace, key, frame, type_)
            except CacheCodecError as exc:
                self._lookup.unstorable(key, exc)
            else:
                items[key] = data, frame.keep_until - frame.created
        return items

    def _put(self, items: Mapping[str, tuple[bytes, float]], unwritable: list[str]) -> Steps[None]:
        second = self._second
        if second is None:
            return
        counts = self._memory.counts
        try:
            if unwritable:
                # L2 may hold an older value, which must not come back.
                yield from second.level2.delete(unwritable)
            if items:
                yield from second.level2.put_many(
                    (key, data, seconds) for key, (data, seconds) in items.items()
                )
        except L2Down as exc:
            second.level2.keep_unsent("key", (*items, *unwritable))
            if self._lookup.raises:
                raise unreachable(exc) from exc
            return
        counts.l2_puts += len(items)
        counts.bytes_written += sum(len(data) for data, _ in items.values())

    def _keep(self, key: str, frame: Frame, began: tuple[int, int], policy: Policy) -> None:
        life = frame.expires - frame.created
        most = life if frame.l1_ttl is None else min(life, frame.l1_ttl)
        pattern = self._memory.patterns.of_key(key)
        pattern.ttl = life
        if policy.copy == "on_read":
            frame = replace(frame, value=copied(frame.value, policy))
        stale = life - most + policy.keeps_for
        self._memory.keep(key, frame, began, (most, stale), pattern, policy)

    def delete(self, keys: Sequence[str]) -> Steps[None]:
        """Remove values; what is being loaded under their keys is not kept any more."""
        if not keys:
            return
        self._memory.depart(keys)
        self._flights.ground(keys)
        if self._second is None:
            return
        self._second.listens()
        try:
            for batch in _batches(keys):
                yield from self._second.level2.delete(batch)
        except L2Down as exc:
            self._second.level2.keep_unsent("key", keys)
            if self._lookup.raises:
                raise unreachable(exc) from exc
        finally:
            # In between somebody may have read the old value in L2, or joined who did.
            self._memory.depart(keys)
            self._flights.ground(keys)

    def invalidate(
        self, tags: Iterable[str], prefix: str | None, *, everything: bool
    ) -> Steps[None]:
        """Make void what has one of `tags`, begins with `prefix`, or is there at all."""
        tags = tuple(dict.fromkeys(tags))
        if tags:
            yield from self._mark("tag", tags)
        if prefix is not None:
            yield from self._mark("prefix", (prefix,))
        if everything:
            yield from self._mark("everything", ("",))

    def _mark(self, kind: MarkKind, what: tuple[str, ...]) -> Steps[None]:
        second = self._second
        for each in what:
            self._memory.mark(kind, each, 0.0)
        if second is None:
            return
        second.listens()
        level2 = second.level2
        try:
            if kind == "tag":
                yield from level2.mark_tags(what)
            else:
                yield from level2.stand(what[0] if kind == "prefix" else None)
        except L2Down as exc:
            for each in what:
                self._memory.mark(kind, each, level2.now())
            if self._lookup.raises:
                raise unreachable(exc) from exc


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Give keys in lots that Redis takes within the time it is given."""
    for begin in range(0, len(keys), _AT_ONCE):
        yield keys[begin : begin + _AT_ONCE]
