"""Moving the hits that entries carry to the counts, and learning from them what is hot."""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Final

from .stats import EARLY_SECONDS, Counts, HotKeys, Patterns

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..store.entry import Entry
    from ..store.l1 import L1Store
    from .stats import MissReason, PatternCounts

__all__ = ["Tally"]

# Entries looked at in each second: a millisecond's work.
_TALLIED_AT_ONCE: Final = 10_000
_MOST_LEARNED: Final = 100
# From one learning of the hot keys to the next, in seconds.
_LEARN_EVERY: Final = 10.0


class Tally:
    """What is counted of L1: a hit is noted in its entry alone, and comes here with a harvest."""

    def __init__(self, store: L1Store, clock: Callable[[], float]) -> None:
        self.counts = Counts()
        self.patterns = Patterns()
        self.hot = HotKeys()
        self._store = store
        self._now = clock
        self._early_until = clock() + EARLY_SECONDS
        self._learn_at = float("-inf")
        self._untallied = 0
        # While keys are learned: how often those were hit that are not known as hot.
        self._candidates: list[tuple[int, str]] | None = None
        store.on_harvest = self._harvested

    def missed(self, key: str, pattern: PatternCounts, reason: MissReason) -> None:
        """Count a lookup that no level answered."""
        self.counts.missed(reason)
        pattern.missed(reason)
        if reason == "expired" and self.hot.is_hot(key):
            pattern.hot_expired += 1
        if self._now() < self._early_until:
            self.counts.missed_early(key, pattern)

    def take(self) -> None:
        """Move the hits of the entries to the counts, and learn the hot keys every ten seconds.

        Of many entries not at every call. While few hot keys are known they are learned at once:
        a short run shall be remembered as well.
        """
        self._untallied += _TALLIED_AT_ONCE
        if self._untallied < len(self._store):
            return
        if self._now() >= self._learn_at or len(self.hot) < _MOST_LEARNED:
            self.walk()
        else:
            self._untallied = 0
            self._store.harvest()

    def walk(self) -> None:
        """Move the hits of all entries to the counts of their patterns, and learn the hot keys."""
        self._learn_at = self._now() + _LEARN_EVERY
        self._untallied = 0
        candidates: list[tuple[int, str]] = []
        self._candidates = candidates
        try:
            self._store.harvest()
        finally:
            self._candidates = None
        for made, key in nlargest(_MOST_LEARNED, candidates):
            self.hot.add(key, made)

    def clear(self) -> None:
        """Begin at nothing, but for the keys that are known as hot."""
        self.counts.clear()
        self.patterns.clear()
        self._candidates = None
        self._early_until = self._now() + EARLY_SECONDS

    def _harvested(self, key: str, entry: Entry, hits: int) -> None:
        self.counts.l1_hits += hits
        entry.group.pattern.l1_hits += hits
        if self.hot.holds(key):
            self.hot.add(key, hits)
        elif self._candidates is not None:
            self._candidates.append((hits, key))
