"""What the cache counts: plain integers, one set for each pattern of keys."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from ..naming.keys import pattern_of
from .steadiness import Steadiness

__all__ = [
    "EARLY_SECONDS",
    "MISS_REASONS",
    "Counts",
    "HotKeys",
    "L2MissReason",
    "MissReason",
    "PatternCounts",
    "Patterns",
]

MissReason = Literal["absent", "expired", "invalidated", "evicted"]
MISS_REASONS: Final[tuple[MissReason, ...]] = ("absent", "expired", "invalidated", "evicted")
L2MissReason = Literal["absent", "expired", "invalidated", "unreadable"]
L2_MISS_REASONS: Final[tuple[L2MissReason, ...]] = (
    *("absent", "expired", "invalidated", "unreadable"),
)

EARLY_SECONDS: Final = 60.0
"""How long after its start a process is cold: what it misses then could have been warmed."""
_HOT_HITS: Final = 10
_MOST_PATTERNS: Final = 100
_MOST_STEMS: Final = 1_000
_LONGEST_STEM: Final = 200
_DIGITS: Final = "0123456789"
_OTHER: Final = "other"
_MOST_RECENT_ERRORS: Final = 20
_MOST_EARLY: Final = 1_000
_MOST_WAITING: Final = 1_000


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
        "hot_expired",
        "invalidated",
        "invalidations",
        "l1_hits",
        "l2_bytes",
        "l2_hits",
        "load_failures",
        "load_seconds",
        "loads",
        "pattern",
        "puts",
        "steadiness",
        "timed",
        "timed_seconds",
        "ttl",
    )

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.l1_hits = self.l2_hits = 0
        self.absent = self.expired = self.invalidated = self.evicted = 0
        self.loads = self.load_failures = self.puts = 0
        self.evictions = self.invalidations = 0
        # Misses of keys that were hit often before, for they had expired.
        self.hot_expired = 0
        # Bytes written to L2.
        self.l2_bytes = 0
        # Of this process's loads that gave a value, in seconds.
        self.load_seconds = 0.0
        # Of these, and of the loads that values found in L2 came from, wherever that was.
        self.timed = 0
        self.timed_seconds = 0.0
        self.steadiness = Steadiness()
        # The life of what was stored last, in seconds.
        self.ttl = 0.0

    def missed(self, reason: MissReason) -> None:
        """Count a lookup that no level answered."""
        setattr(self, reason, getattr(self, reason) + 1)

    def load_took(self, seconds: float, *, here: bool) -> None:
        """Take how long a load took that gave a value, in this process or in another one."""
        self.timed += 1
        self.timed_seconds += seconds
        if here:
            self.load_seconds += seconds

    @property
    def mean_load(self) -> float | None:
        """What a load takes in seconds, wherever it is done; None while that is not known."""
        return self.timed_seconds / self.timed if self.timed else None


class Patterns:
    """The counts of each pattern; past 100 patterns, of `other`."""

    def __init__(self) -> None:
        self._held: dict[str, PatternCounts] = {}
        # Of keys that end in a number, by what stands before it: these have one pattern.
        self._by_stem: dict[str, PatternCounts] = {}

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
        known = self._by_stem
        stem = key.rstrip(_DIGITS)
        counts = known.get(stem)
        if counts is None or stem == key:
            counts = self.of(pattern_of(key))
            if stem != key and stem.endswith(":") and len(stem) <= _LONGEST_STEM:
                if len(known) >= _MOST_STEMS:
                    known.clear()
                known[stem] = counts
        return counts

    def all(self) -> list[PatternCounts]:
        """Give the counts of all patterns seen."""
        return list(self._held.values())

    def clear(self) -> None:
        """Begin at nothing; what still holds the old counts adds to them in vain."""
        self._held.clear()
        self._by_stem = {}


class HotKeys:
    """The keys hit most, by the space-saving algorithm (Metwally, Agrawal, El Abbadi, 2005).

    A key that finds no room takes the place of the one hit least and inherits its count, so
    that a count is never too low, and too high by at most the least count held.
    """

    def __init__(self, most: int = 500) -> None:
        self._most = most
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        """Count them."""
        return len(self._counts)

    def holds(self, key: str) -> bool:
        """Tell whether `key` is among them."""
        return key in self._counts

    def hits(self, key: str) -> int:
        """Give how often `key` was hit, 0 where that is not known."""
        return self._counts.get(key, 0)

    def is_hot(self, key: str) -> bool:
        """Tell whether `key` was hit ten times or more."""
        return self.hits(key) >= _HOT_HITS

    def add(self, key: str, hits: int) -> None:
        """Take that `key` was hit."""
        counts = self._counts
        if key in counts:
            counts[key] += hits
        elif len(counts) < self._most:
            counts[key] = hits
        else:
            least = min(counts, key=counts.__getitem__)
            # A finalizer may have taken it out meanwhile.
            counts[key] = counts.pop(least, 0) + hits

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
        # Hits in L1 as far as they were tallied.
        self.l1_hits = 0
        self.l1_misses = self.l2_hits = self.l2_misses = 0
        self.l1_reasons: dict[str, int] = dict.fromkeys(MISS_REASONS, 0)
        self.l2_reasons: dict[str, int] = dict.fromkeys(L2_MISS_REASONS, 0)
        self.reasons: dict[str, int] = dict.fromkeys(MISS_REASONS, 0)
        # Lookups as their callers saw them, without those that L1 answered.
        self.hits = self.misses = 0
        self.l1_puts = self.l2_puts = self.refused = 0
        self.loads = self.loaded = self.load_failures = self.timeouts = 0
        self.stale_served = self.refreshes = 0
        self.bytes_read = self.bytes_written = 0
        self.unreadable: dict[str, int] = {}
        self.unstorable = 0
        self.l2_errors: dict[str, int] = {}
        self.messages = 0
        self.errors = 0
        self.recent_errors: deque[tuple[float, str, str]] = deque(maxlen=_MOST_RECENT_ERRORS)
        # Seconds, waiting to be moved into the metrics: of loads, and of some puts to L1.
        self.load_times: deque[float] = deque(maxlen=_MOST_WAITING)
        self.put_times: deque[float] = deque(maxlen=_MOST_WAITING)
        # The keys missed just after the start.
        self.early: dict[str, PatternCounts] = {}

    def l1_missed(self, reason: MissReason, times: int = 1) -> None:
        """Count lookups that L1 did not answer."""
        self.l1_misses += times
        self.l1_reasons[reason] += times

    def l2_missed(self, reason: L2MissReason, times: int = 1) -> None:
        """Count lookups that L2 did not answer."""
        self.l2_misses += times
        self.l2_reasons[reason] += times

    def is_unreadable(self, reason: str) -> None:
        """Count bytes of L2 that could not be read."""
        self.unreadable[reason] = self.unreadable.get(reason, 0) + 1
        self.l2_missed("unreadable")

    def missed(self, reason: MissReason) -> None:
        """Count a lookup that no level answered."""
        self.misses += 1
        self.reasons[reason] += 1

    def load_took(self, seconds: float) -> None:
        """Count a load that gave a value."""
        self.loaded += 1
        self.load_times.append(seconds)

    def missed_early(self, key: str, pattern: PatternCounts) -> None:
        """Take that `key` was missed just after the start."""
        if len(self.early) < _MOST_EARLY:
            self.early[key] = pattern

    def error(self, at: float, where: str, error: BaseException) -> None:
        """Remember an error, without its text: that may hold an address or a value."""
        self.errors += 1
        self.recent_errors.append((at, where, type(error).__name__))
