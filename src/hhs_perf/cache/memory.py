"""The first level: entries in memory, kept coherent with what was deleted or marked."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from .departures import Departures
from .marks import Marks
from .observed.tally import Tally
from .store.entry import Detail, Entry, Group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .marks import MarkKind
    from .observed.stats import MissReason, PatternCounts
    from .policy import Policy
    from .store.l1 import L1Store
    from .wire.codec import Frame

__all__ = ["DEAF_TTL", "FRESH", "MISS", "REFRESH", "STALE", "Look", "Memory", "Put"]

MISS: Final = 0
FRESH: Final = 1
REFRESH: Final = 2
STALE: Final = 3
"""What a look found: nothing, a value, one to be answered and loaded anew, one past its ttl."""

Look = tuple[int, "Entry | None", "MissReason"]
Put = tuple[str, "Frame", "PatternCounts", float, float]
"""Key, value and counts, and the seconds that the value is fresh, and then stale."""

_MOST_GROUPS: Final = 2_000
# Under one hold of the lock, for which deletes wait.
_KEPT_AT_ONCE: Final = 100
# One put of so many is timed.
_TIME_EACH: Final = 16
_NEVER: Final = float("-inf")

DEAF_TTL: Final = 5.0
"""The longest life in L1, in seconds, while invalidations by others are not heard."""


class Memory:
    """Entries in L1, and what must not come into it.

    An entry is kept only if its key was neither deleted nor written since the work on it began:
    `began()` gives the place in the sequence of deletes that `keep` is to be called with.
    """

    def __init__(self, store: L1Store, clock: Callable[[], float]) -> None:
        self.store = store
        self.find = store.find
        self.marks = Marks()
        self.now = self._now = clock
        self.tally = Tally(store, clock)
        self.counts = self.tally.counts
        self.patterns = self.tally.patterns
        self.hot = self.tally.hot
        # Guards the marks' changes, the sequence and the fields below. Reentrant: finalizers and
        # signal handlers that call the cache come when it is held, too. What leaves the store is
        # dropped when the lock has been left: on lists called `left`.
        self.lock = threading.RLock()
        self._deaf_until: float | None = None
        # Whether nobody has tried to hear yet: for that moment nothing is kept.
        self._is_waiting = False
        self.departures = Departures()
        self._groups: dict[tuple[object, ...], Group] = {}
        store.on_evict = _evicted

    def began(self) -> tuple[int, int]:
        """Give the place in the sequence of deletes, and the epoch of marks."""
        return self.departures.sequence, self.marks.epoch

    def look(self, key: str) -> Look:
        """Look for `key`, without counting; drop what is void."""
        entry = self.find(key)
        if entry is None:
            return MISS, None, self.reason(key)
        group = entry.group
        if group.epoch != self.marks.epoch and not self._renew(key, entry):
            return MISS, None, "invalidated"
        now = self._now()
        if entry.expires > now:
            return FRESH, entry, "absent"
        group = entry.group
        if isinstance(group, Detail):
            if now < group.fresh_until:
                return (REFRESH if now >= group.eager_from else FRESH), entry, "absent"
            if now < group.keep_until:
                return STALE, entry, "expired"
        return MISS, None, "expired"

    def keep(
        self,
        key: str,
        frame: Frame,
        began: tuple[int, int],
        lives: tuple[float, float],
        pattern: PatternCounts,
        policy: Policy,
    ) -> bool:
        """Keep the value of a frame; `lives` are the seconds that it is fresh, and then stale.

        False when the key was deleted, written or made void since `began`, or has no room.
        """
        if self._is_waiting:
            return False
        now = self._now()
        life, stale = lives
        if self._deaf_until is not None:
            life = min(life, DEAF_TTL)
        entry = self._entry(frame, now, (life, stale), pattern, policy, began[1])
        left: list[object] = []
        with self.lock:
            sequence = self.departures.sequence
            if self._has_left(key, entry, began):
                self.counts.refused += 1
                return False
            if not self.store.put(key, entry, left):
                return False
            if self.departures.sequence != sequence and not self._stays(key, entry, began, left):
                return False
            self._came(((key, entry),))
        self._count_puts(1, now)
        return True

    def keep_many(self, puts: Iterable[Put], began: tuple[int, int], policy: Policy) -> None:
        """Do as `keep` for several keys, each once."""
        if self._is_waiting:
            return
        now = self._now()
        is_deaf = self._deaf_until is not None
        entries: list[tuple[str, Entry]] = []
        group: Group | None = None
        for key, frame, pattern, life, stale in puts:
            fresh = min(life, DEAF_TTL) if is_deaf else life
            if (
                group is not None
                and group.pattern is pattern
                and group.tags == frame.tags
                and not frame.is_error
                and frame.note is None
            ):
                entry = Entry(frame.value, now + fresh, 0, group)
            else:
                entry = self._entry(frame, now, (fresh, stale), pattern, policy, began[1])
                group = None if isinstance(entry.group, Detail) else entry.group
            entries.append((key, entry))
        kept = 0
        for begin in range(0, len(entries), _KEPT_AT_ONCE):
            left: list[object] = []
            with self.lock:
                kept += self._let_in(entries[begin : begin + _KEPT_AT_ONCE], began, left)
        self._count_puts(kept, now)

    def _entry(
        self,
        frame: Frame,
        now: float,
        lives: tuple[float, float],
        pattern: PatternCounts,
        policy: Policy,
        epoch: int,
    ) -> Entry:
        life, stale = lives
        if policy.is_plain and not frame.is_error and frame.note is None:
            group = self._group(pattern, frame.tags, policy, epoch)
            return Entry(frame.value, now + life, 0, group)
        detail = Detail(epoch, pattern, frame.tags, policy)
        detail.fresh_until = now + life
        detail.keep_until = now + life + stale
        detail.note = frame.note
        detail.is_error = frame.is_error
        share = policy.eager_at
        detail.eager_from = now + life * (1 if share is None else share)
        # What has to be looked at on every hit never passes as plain.
        looked_at = frame.is_error or policy.copy == "on_read"
        return Entry(frame.value, _NEVER if looked_at else detail.eager_from, 0, detail)

    def _let_in(
        self, entries: list[tuple[str, Entry]], began: tuple[int, int], left: list[object]
    ) -> int:
        """Store what was neither deleted, written nor made void since `began`; give how many."""
        sequence = self.departures.sequence
        if began != self.began():
            known = len(entries)
            entries = [item for item in entries if not self._has_left(*item, began)]
            self.counts.refused += known - len(entries)
        too_large = self.store.put_many(entries, left)
        if too_large:
            entries = [item for item in entries if item[0] not in too_large]
        if self.departures.sequence != sequence:
            entries = [item for item in entries if self._stays(*item, began, left)]
        self._came(entries)
        return len(entries)

    def _came(self, entries: Iterable[tuple[str, Entry]]) -> None:
        came = self.departures.came
        for key, entry in entries:
            entry.group.pattern.puts += 1
            came(key)

    def _count_puts(self, puts: int, started: float) -> None:
        """Count them, and now and then how long each took."""
        counts = self.counts
        due = (counts.l1_puts % _TIME_EACH + puts) // _TIME_EACH
        counts.l1_puts += puts
        if due:
            counts.put_times.extend([(self._now() - started) / puts] * due)

    def _stays(self, key: str, entry: Entry, began: tuple[int, int], left: list[object]) -> bool:
        """Take out again what left while it was let in: by a finalizer or a signal handler."""
        if not self._has_left(key, entry, began):
            return True
        left.append(self.store.remove(key))
        self.counts.refused += 1
        return False

    def _has_left(self, key: str, entry: Entry, began: tuple[int, int]) -> bool:
        sequence, epoch = began
        if sequence < self.departures.last_left(key):
            return True
        marks = self.marks
        return epoch != marks.epoch and marks.voids_entry(key, entry.group.tags, epoch)

    def put_off(self, key: str, seconds: float) -> None:
        """Let `key` not be loaded anew before it expires, for so many seconds."""
        entry = self.find(key)
        if entry is not None and isinstance(entry.group, Detail):
            with self.lock:
                entry.group.eager_from = self._now() + seconds
                if entry.expires != _NEVER:
                    entry.expires = min(entry.group.eager_from, entry.group.fresh_until)

    def is_put_off(self, entry: Entry) -> bool:
        """Tell whether `entry` is not to be loaded anew yet."""
        group = entry.group
        return isinstance(group, Detail) and group.eager_from > self._now()

    def begin_write(self, key: str) -> tuple[int, int]:
        """Forget `key` since it is about to be written; give what `keep` wants."""
        left: list[object] = []
        with self.lock:
            self._depart(key, left)
            self.departures.begin_write(key)
            return self.began()

    def end_write(self, key: str, began: tuple[int, int]) -> tuple[int, int] | None:
        """Give what `keep` wants; None when somebody else wrote or deleted `key` meanwhile.

        Then only L2 knows what it holds. In any case `key` is forgotten once more: in between
        somebody may have read the old value in L2.
        """
        sequence, epoch = began
        left: list[object] = []
        with self.lock:
            was_alone = self.departures.end_write(key)
            before, place = self._depart(key, left)
            is_known = was_alone and before <= sequence and not self.departures.is_after(sequence)
            return (place, epoch) if is_known else None

    def depart(self, keys: Iterable[str]) -> None:
        """Forget `keys`, and let nothing in for them that was begun before now."""
        left: list[object] = []
        with self.lock:
            for key in keys:
                self._depart(key, left)

    def outdate(self, key: str, began: tuple[int, int] | None = None) -> tuple[int, int] | None:
        """Let nothing in for `key` that was begun before now; what is there stays.

        Gives what `keep` wants for work that began at `began`; None when `key` has left since.
        """
        sequence, epoch = self.began() if began is None else began
        with self.lock:
            if self.departures.last_left(key) > sequence:
                return None
            before, place = self.departures.leave(key, sign=-1)
            self.departures.bound()
            return None if before > sequence else (place, epoch)

    def _depart(self, key: str, left: list[object]) -> tuple[int, int]:
        places = self.departures.leave(key)
        entry = self.store.remove(key)
        if entry is not None:
            left.append(entry)
            entry.group.pattern.invalidations += 1
        self.departures.bound()
        return places

    def mark(self, kind: MarkKind, what: str, stamp: float) -> None:
        """Make void what is older than now and concerned; entries drop when they are looked at."""
        with self.lock:
            self.marks.add(kind, what, stamp)
            self._groups.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no entry pass without a second look meanwhile."""
        with self.lock:
            self.marks.hold()
        try:
            yield
        finally:
            with self.lock:
                self.marks.release()

    def await_link(self) -> None:
        """Keep nothing until it is known whether the others are heard."""
        self._is_waiting = True

    def deafen(self) -> None:
        """Shorten all lives, present and coming: what others invalidate is not heard any more."""
        with self.lock:
            self._is_waiting = False
            if self._deaf_until is None:
                self._deaf_until = self._now() + DEAF_TTL
                self.marks.look_again()
                self._groups.clear()

    def hear(self) -> None:
        """Take back what `deafen` did to coming lives: nothing that was told was missed."""
        if self._deaf_until is not None:
            with self.lock:
                self._deaf_until = None

    def flush(self) -> None:
        """Forget every entry, and let nothing in that was begun before now; hear again."""
        left: list[object] = []
        with self.lock:
            self._is_waiting = False
            self._deaf_until = None
            self.departures.all_left()
            self.store.forget_all(left)

    def after_fork_in_child(self) -> None:
        """Begin empty: what was invalidated before the child listens would be missed."""
        self.lock = threading.RLock()
        self.marks.after_fork_in_child()
        self._deaf_until = None
        self.departures.after_fork_in_child()
        self.store.renew()
        self._groups.clear()
        self.tally.clear()

    def _renew(self, key: str, entry: Entry) -> bool:
        """Compare an entry of an earlier epoch with the marks since; False when it was void."""
        left: list[object] = []
        with self.lock:
            group = entry.group
            # What is marked from here on is compared at the next look.
            epoch = self.marks.epoch
            if self.marks.voids_entry(key, group.tags, group.epoch):
                if self.find(key) is entry:
                    left.append(self.store.remove(key))
                    group.pattern.invalidations += 1
                return False
            if self._deaf_until is not None:
                _shorten(entry, self._deaf_until)
            if isinstance(group, Detail):
                group.epoch = epoch
            else:
                entry.group = self._group(group.pattern, group.tags, group.policy, epoch)
            return True

    def _group(
        self, pattern: PatternCounts, tags: tuple[str, ...], policy: Policy, epoch: int
    ) -> Group:
        key = (pattern.pattern, tags, id(policy), epoch)
        group = self._groups.get(key)
        # The policy is compared as well: another one may have got the number of one that is gone.
        if group is None or group.policy is not policy or group.pattern is not pattern:
            group = Group(epoch, pattern, tags, policy)
            if len(self._groups) >= _MOST_GROUPS:
                self._groups.clear()
            self._groups[key] = group
        return group

    def reason(self, key: str) -> MissReason:
        """Say why there is no entry of `key`."""
        if self.departures.was_invalidated(key):
            return "invalidated"
        return "evicted" if self.store.was_evicted(key) else "absent"


def _shorten(entry: Entry, until: float) -> None:
    entry.expires = min(entry.expires, until)
    group = entry.group
    if isinstance(group, Detail):
        group.fresh_until = min(group.fresh_until, until)
        # What is shortened was not put off: it may be loaded anew when it ends.
        group.eager_from = min(group.eager_from, until)


def _evicted(_: str, entry: Entry) -> None:
    entry.group.pattern.evictions += 1
