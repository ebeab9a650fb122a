"""Finding several values in one go: what `Lookup` does for one, with one pass for each step.

In what a single look-up takes, Python's calls are little beside the round trip; for a hundred
values that share one they are most of it. Hence loops here, where there are calls there.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from .lookup import is_error, lives_in_l1, take
from .memory import STALE
from .remote.l2 import L2Down, unreachable
from .store.entry import HIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .drive import Steps
    from .lookup import Lookup, Second
    from .memory import Put
    from .observed.stats import MissReason, PatternCounts
    from .store.entry import Entry
    from .wire.codec import Frame

__all__ = ["BulkLookup"]


class BulkLookup:
    """Reads several keys in both levels, without ever loading."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._memory = lookup.memory

    def get_many(self, keys: Sequence[str], type_: object) -> Steps[dict[str, object]]:
        """Find those of `keys` that have a value."""
        lookup, memory = self._lookup, self._memory
        began = memory.began()
        found, rest, stale = self._look_for(keys)
        if lookup.second is not None and rest:
            frames = yield from self._fetch(lookup.second, list(rest), type_)
            for key in [key for key, frame in frames.items() if frame.is_error]:
                # As in `get`: it was found that there is nothing to be found.
                memory.counts.l2_hits += 1
                memory.counts.hits += 1
                del frames[key], rest[key]
            of_key = memory.patterns.of_key
            promoted = self.promote(
                frames,
                began,
                (lambda key: lookup.pattern_of(key, stale.get(key))) if stale else of_key,
            )
            memory.counts.hits += len(promoted)
            for key, frame, pattern, _, _ in promoted:
                pattern.l2_hits += 1
                found[key] = frame.value
                del rest[key]
            rest.update(dict.fromkeys(frames.keys() & rest.keys(), "expired"))
        for key, reason in rest.items():
            lookup.missed(key, stale.get(key), reason)
        return found

    def sift(self, second: Second, frames: dict[str, Frame], *, is_heard: bool) -> Steps[list[str]]:
        """Take out those frames that a mark has made void, and give their keys."""
        marks = self._memory.marks
        tagged = [frame.tags for frame in frames.values() if frame.tags]
        tags = dict.fromkeys(chain.from_iterable(tagged))
        asked = marks.unknown(tags) if is_heard else list(tags)
        if asked:
            yield from second.level2.ask_tags(asked)
        void = marks.void_among(frames)
        for key in void:
            del frames[key]
        return void

    def promote(
        self,
        frames: Mapping[str, Frame],
        began: tuple[int, int],
        pattern_of: Callable[[str], PatternCounts],
    ) -> list[Put]:
        """Copy fresh values up to L1 for what remains of their lives; give what was fresh."""
        lookup, counts, policy = self._lookup, self._memory.counts, self._lookup.plain
        now = lookup.second.level2.now() if lookup.second is not None else 0.0
        fresh: list[Put] = []
        for key, frame in frames.items():
            lives = lives_in_l1(frame, now, policy)
            if lives is None:
                continue
            pattern = pattern_of(key)
            if frame.load_seconds:
                pattern.load_took(frame.load_seconds, here=False)
            fresh.append((key, frame, pattern, *lives))
        counts.l2_hits += len(fresh)
        counts.l2_missed("expired", len(frames) - len(fresh))
        self._memory.keep_many(fresh, began, policy)
        return fresh

    def _look_for(
        self, keys: Sequence[str]
    ) -> tuple[dict[str, object], dict[str, MissReason], dict[str, Entry]]:
        """Find those of `keys` that L1 can answer; give why not the others, and what is stale."""
        memory, marks = self._memory, self._memory.marks
        find, now = memory.find, memory.now()
        found: dict[str, object] = {}
        rest: dict[str, MissReason] = {}
        stale: dict[str, Entry] = {}
        for key in dict.fromkeys(keys):
            entry = find(key)
            if entry is None:
                rest[key] = memory.reason(key)
            elif entry.expires > now and entry.group.epoch == marks.epoch:
                entry.hits += HIT
                found[key] = entry.value
            else:
                state, entry, reason = memory.look(key)
                if entry is None:
                    rest[key] = reason
                elif state == STALE:
                    rest[key] = reason
                    stale[key] = entry
                else:
                    value = take(entry)
                    if not is_error(entry):
                        found[key] = value
        for reason, times in Counter(rest.values()).items():
            memory.counts.l1_missed(reason, times)
        return found, rest, stale

    def _fetch(self, second: Second, keys: Sequence[str], type_: object) -> Steps[dict[str, Frame]]:
        """Read `keys` in L2; give what is not void, fresh or not."""
        counts = self._memory.counts
        try:
            is_heard = second.listens()
            raws = yield from second.level2.read_many(keys, is_heard=is_heard)
            held = [(key, raw) for key, raw in zip(keys, raws, strict=True) if raw is not None]
            counts.l2_missed("absent", len(keys) - len(held))
            counts.bytes_read += sum([len(raw) for _, raw in held])
            frames, failures = second.codec.decode_many(second.namespace, held, type_)
            for failure in failures.values():
                counts.is_unreadable(failure.reason)
            void = yield from self.sift(second, frames, is_heard=is_heard)
        except L2Down as exc:
            if self._lookup.raises:
                raise unreachable(exc) from exc
            return {}
        counts.l2_missed("invalidated", len(void))
        return frames
