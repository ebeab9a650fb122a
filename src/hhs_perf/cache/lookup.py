"""Finding a value: first in L1, then in L2, from where it is promoted."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any, Final

from ..exceptions import CacheCodecError
from .memory import FRESH, MISS, REFRESH, STALE
from .remote.l2 import L2Down, unreachable
from .store.entry import HIT, Detail

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._redis import Backplane
    from .drive import Steps
    from .memory import Memory
    from .observed.stats import MissReason, PatternCounts
    from .policy import Policy
    from .remote.l2 import Level2
    from .store.entry import Entry
    from .wire.codec import Codec, Frame

__all__ = ["Lookup", "Second", "copied", "is_error", "lives_in_l1", "take", "usable_as_stale"]

_LOG: Final = logging.getLogger("hhs_perf.cache")


class Second:
    """What L2 consists of, for those who read and write there."""

    __slots__ = ("backplane", "codec", "level2", "namespace")

    def __init__(self, level2: Level2, backplane: Backplane, codec: Codec) -> None:
        self.level2 = level2
        self.backplane = backplane
        self.codec = codec
        self.namespace = level2.names.namespace

    def listens(self) -> bool:
        """Tell whether the others are heard; see to it that they will be."""
        if self.backplane.is_linked:
            return True
        self.backplane.ensure_started()
        return False


class Lookup:
    """Reads both levels, without ever loading."""

    def __init__(
        self,
        memory: Memory,
        second: Second | None,
        plain: Policy,
        wall: Callable[[], float],
        *,
        raises: bool,
    ) -> None:
        self.memory = memory
        self.second = second
        self.plain = plain
        self.wall = wall
        self.raises = raises
        self._told: set[str] = set()

    def get(self, key: str, default: object, type_: object) -> Steps[object]:
        """Find the value of `key`; `default` where there is none, or a kept exception."""
        memory = self.memory
        began = memory.began()
        state, entry, reason = memory.look(key)
        if entry is not None and state in (FRESH, REFRESH):
            value = take(entry)
            return default if is_error(entry) else value
        memory.counts.l1_missed(reason)
        if self.second is not None:
            frame, _ = yield from self.fetch(key, type_)
            if frame is not None and frame.is_error:
                memory.counts.l2_hits += 1
                memory.counts.hits += 1
                return default
            if frame is not None:
                pattern = self.pattern_of(key, entry)
                if self.promote(key, frame, began, pattern, self.plain):
                    memory.counts.hits += 1
                    pattern.l2_hits += 1
                    return frame.value
                reason = "expired"
        self.missed(key, entry, reason)
        return default

    def fetch(self, key: str, type_: object) -> Steps[tuple[Frame | None, bytes | None]]:
        """Read `key` in L2; give what is not void, fresh or not, and the bytes in any case."""
        second = self.second
        if second is None:
            return None, None
        is_heard = second.listens()
        if self.is_cut_off(second):
            return None, None
        try:
            raw = yield from second.level2.read(key, is_heard=is_heard)
            frame = None
            if raw is None:
                self.memory.counts.l2_missed("absent")
            else:
                frame = yield from self.judge(key, raw, type_, is_heard=is_heard)
        except L2Down as exc:
            if self.raises:
                raise unreachable(exc) from exc
            return None, None
        return frame, raw

    def is_cut_off(self, second: Second) -> bool:
        """Tell whether asking L2 would come to nothing, so that no time need be spent on it."""
        return not (second.level2.breaker.is_closed or self.raises)

    def judge(self, key: str, raw: bytes, type_: object, *, is_heard: bool) -> Steps[Frame | None]:
        """Read bytes, and compare them with the marks; None for what cannot be used."""
        frame = self.decode(key, raw, type_)
        if frame is None:
            return None
        marks = self.memory.marks
        if self.second is not None and self.second.level2.is_deleted(key):
            return None
        if frame.tags and self.second is not None:
            asked = marks.unknown(frame.tags) if is_heard else frame.tags
            if asked:
                yield from self.second.level2.ask_tags(asked)
        if marks.voids_frame(key, frame.tags, frame.created):
            self.memory.counts.l2_missed("invalidated")
            return None
        return frame

    def decode(self, key: str, raw: bytes, type_: object) -> Frame | None:
        """Read bytes; what cannot be read is a miss, and counted."""
        second = self.second
        if second is None:
            return None
        self.memory.counts.bytes_read += len(raw)
        try:
            return second.codec.decode(second.namespace, key, raw, type_)
        except CacheCodecError as exc:
            self.memory.counts.is_unreadable(exc.reason)
            return None

    def promote(
        self,
        key: str,
        frame: Frame,
        began: tuple[int, int],
        pattern: PatternCounts,
        policy: Policy,
    ) -> bool:
        """Copy a fresh value up to L1 for what remains of its life; False when it is stale."""
        counts = self.memory.counts
        now = self.second.level2.now() if self.second is not None else 0.0
        lives = lives_in_l1(frame, now, policy)
        if lives is None:
            counts.l2_missed("expired")
            return False
        counts.l2_hits += 1
        if frame.load_seconds:
            pattern.load_took(frame.load_seconds, here=False)
        self.memory.keep(key, frame, began, lives, pattern, policy)
        return True

    def pattern_of(self, key: str, entry: Entry | None) -> PatternCounts:
        """Give the counts that `key` belongs to."""
        return entry.group.pattern if entry is not None else self.memory.patterns.of_key(key)

    def unstorable(self, key: str, error: CacheCodecError) -> None:
        """Take that a value cannot go to L2: say so once for its pattern, or raise."""
        memory = self.memory
        memory.counts.unstorable += 1
        pattern = memory.patterns.of_key(key).pattern
        memory.counts.error(self.wall(), f"encode {pattern}", error)
        if self.raises:
            raise error
        if pattern not in self._told:
            self._told.add(pattern)
            _LOG.warning("values of %s stay in L1 alone: %s", pattern, error)

    def missed(self, key: str, entry: Entry | None, reason: MissReason) -> None:
        """Count a lookup that no level answered."""
        self.memory.tally.missed(key, self.pattern_of(key, entry), reason)

    def remaining(self, key: str) -> Steps[float | None]:
        """Give the seconds that `key` is still fresh, in L2 where there is one; count nothing."""
        memory = self.memory
        if self.second is not None:
            left = yield from self._remaining_below(key, self.second)
            if left is not None:
                return left
        state, entry, _ = memory.look(key)
        if entry is None or state in (MISS, STALE) or is_error(entry):
            return None
        group = entry.group
        until = group.fresh_until if isinstance(group, Detail) else entry.expires
        return until - memory.now()

    def contains(self, key: str) -> Steps[bool]:
        """Tell whether `key` has a fresh value in either level; count nothing."""
        state, entry, _ = self.memory.look(key)
        if entry is not None and state in (FRESH, REFRESH):
            return not is_error(entry)
        return self.second is not None and (yield from self.remaining(key)) is not None

    def _remaining_below(self, key: str, second: Second) -> Steps[float | None]:
        level2, marks = second.level2, self.memory.marks
        try:
            is_heard = second.listens()
            raw = yield from level2.read(key, is_heard=is_heard)
            if raw is None:
                return None
            stamps = second.codec.peek(second.namespace, key, raw)
            asked = marks.unknown(stamps.tags) if is_heard else stamps.tags
            if asked:
                yield from level2.ask_tags(asked)
        except CacheCodecError:
            return None
        except L2Down as exc:
            if self.raises:
                raise unreachable(exc) from exc
            return None
        left = stamps.expires - level2.now()
        is_void = marks.voids_frame(key, stamps.tags, stamps.created)
        return None if is_void or stamps.is_error or left <= 0 else left


def lives_in_l1(frame: Frame, now: float, policy: Policy) -> tuple[float, float] | None:
    """Give the seconds that a value is fresh in L1, and then stale; None where it is stale now."""
    remaining = frame.expires - now
    if remaining <= 0:
        return None
    l1_ttl = frame.l1_ttl
    life = remaining if l1_ttl is None or l1_ttl > remaining else l1_ttl
    return life, remaining - life + policy.keeps_for


def take(entry: Entry) -> Any:
    """Count a hit that needed a look, and give the value as its policy wants it."""
    entry.hits += HIT
    return copied(entry.value, entry.group.policy)


def copied(value: Any, policy: Policy) -> Any:
    """Give a value to a caller: itself, or a copy where the policy says so."""
    return value if policy.copy == "never" else copy.deepcopy(value)


def is_error(entry: Entry) -> bool:
    """Tell whether a kept exception stands in place of a value."""
    return isinstance(entry.group, Detail) and entry.group.is_error


def usable_as_stale(entry: Entry | None, now: float, span: float) -> bool:
    """Tell whether a value past its ttl is so by less than `span` seconds."""
    if not span or entry is None or not isinstance(entry.group, Detail) or entry.group.is_error:
        return False
    expired = entry.group.keep_until - entry.group.policy.keeps_for
    return now - expired < span
