"""What the cache counts: plain integers, one set for each pattern of keys."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from .keys import pattern_of

__all__ = ["MISS_REASONS", "Counts", "HotKeys", "MissReason", "PatternCounts", "Patterns"]

MissReason = Literal["absent", "expired", "invalidated", "evicted"]
MISS_REASONS: Final[tuple[MissReason, ...]] = ("absent", "expired", "invalidated", "evicted")

_MOST_PATTERNS: Final = 100
_OTHER: Final = "other"
_MOST_RECENT_ERRORS: Final = 20


class PatternCounts:
    """What happened to the keys of one pattern.

    Changed without a lock: under the interpreter's own lock an addition is not interrupted, and
    without it a lost one is the price of a hit that waits for nobody.
    """

    __slots__ = (
        "absent",
        "evicted",
        "evictions",
        "expired",
        "invalidated",
        "invalidations",
        "l1_hits",
        "l2_hits",
        "load_failures",
        "load_seconds",
        "loads",
        "pattern",
        "puts",
        "ttl",
        "unchanged",
    )

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.l1_hits = self.l2_hits = 0
        self.absent = self.expired = self.invalidated = self.evicted = 0
        self.loads = self.load_failures = self.puts = self.unchanged = 0
        self.evictions = self.invalidations = 0
        self.load_seconds = 0.0
        # The life of what was stored last, in seconds.
        self.ttl = 0.0

    def missed(self, reason: MissReason) -> None:
        """Count a lookup that no level answered."""
        setattr(self, reason, getattr(self, reason) + 1)


class Patterns:
    """The counts of each pattern; past 100 patterns, of `other`."""

    def __init__(self) -> None:
        self._held: dict[str, PatternCounts] = {}

    def of(self, pattern: str) -> PatternCounts:
        """Give the counts of `pattern`."""
        counts = self._held.get(pattern)
        if counts is None:
            if len(self._held) >= _MOST_PATTERNS:
                pattern = _OTHER
            counts = self._held.setdefault(pattern, PatternCounts(pattern))
        return counts

    def of_key(self, key: str) -> PatternCounts:
        """Give the counts of the pattern that a plain key has."""
        return self.of(pattern_of(key))

    def all(self) -> list[PatternCounts]:
        """Give the counts of all patterns seen."""
        return list(self._held.values())

    def clear(self) -> None:
        """Begin at nothing; what still holds the old counts adds to them in vain."""
        self._held.clear()


class HotKeys:
    """The keys hit most, by the space-saving algorithm (Metwally, Agrawal, El Abbadi, 2005).

    A key that finds no room takes the place of the one hit least and inherits its count, so
    that a count is never too low, and too high by at most the least count held.
    """

    def __init__(self, most: int = 500) -> None:
        self._most = most
        self._counts: dict[str, int] = {}

    def holds(self, key: str) -> bool:
        """Tell whether `key` is among them."""
        return key in self._counts

    def add_known(self, key: str, hits: int) -> None:
        """Take hits of a key that is held already; others are left out, since that is cheap."""
        if key in self._counts:
            self._counts[key] += hits

    def add(self, key: str, hits: int) -> None:
        """Take that `key` was hit."""
        counts = self._counts
        if key in counts:
            counts[key] += hits
        elif len(counts) < self._most:
            counts[key] = hits
        else:
            least = min(counts, key=counts.__getitem__)
            counts[key] = counts.pop(least) + hits

    def top(self, most: int) -> list[tuple[str, int]]:
        """Give at most that many keys with their counts, hit most first."""
        # A copy first: others may add meanwhile.
        held = list(self._counts.items())
        ranked = sorted(held, key=lambda item: (-item[1], item[0]))
        return ranked[:most]


class Counts:
    """What happened in one process since it began, over all patterns."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin at nothing."""
        # Hits in L1 that needed no second look, and those that did.
        self.quick_hits = self.l1_hits = 0
        self.l1_misses = self.l2_hits = self.l2_misses = 0
        # Lookups as their callers saw them, without those that L1 answered.
        self.hits = self.misses = 0
        self.l1_puts = self.l2_puts = self.refused = 0
        self.loads = self.load_failures = self.timeouts = 0
        self.stale_served = self.refreshes = 0
        self.bytes_read = self.bytes_written = 0
        self.unreadable: dict[str, int] = {}
        self.unstorable = 0
        self.l2_errors: dict[str, int] = {}
        self.messages = 0
        self.recent_errors: deque[tuple[float, str, str]] = deque(maxlen=_MOST_RECENT_ERRORS)

    def error(self, at: float, where: str, error: BaseException) -> None:
        """Remember an error, without its text: that may hold an address or a value."""
        self.recent_errors.append((at, where, type(error).__name__))
