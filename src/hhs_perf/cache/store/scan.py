"""The store behind S3FIFOCache: entries in two queues, and who leaves when room is needed.

Source: Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you need for cache eviction, SOSP '23.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from .entry import CREDIT, HIT, MAIN, Entry, is_gone, take_hits
from .fifo import KeyQueue
from .ghost import Ghost
from .guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["ScanStore"]

K = TypeVar("K")

_SMALL_SHARE: Final = 0.1
_GHOST_SHARE: Final = 0.6
# Under one hold of the lock, for which writers wait.
_HARVESTED_AT_ONCE: Final = 500


class ScanStore(Generic[K]):
    """Entries by key, bounded; an `L1Store`.

    New keys enter the small queue, a tenth of the size; those hit before they come up move to
    the main queue, the others leave and are remembered by a ghost, and enter the main queue if
    they return in time.  In the main queue an entry goes round once more for each hit, three
    times at most.  `find` is the `get` of the dict itself: it takes no lock, checks no expiry,
    counts no hit.

    Two things differ from the paper, as they come out better in benchmarks/test_cache_hit_ratio.py
    and no worse for loops and recency: hits in the small queue do not count in the main one, and
    the ghost remembers fewer keys than the cache holds.
    """

    def __init__(self, maxsize: float, clock: Callable[[], float], *, sized: bool) -> None:
        self.evictions = 0
        self.on_evict: Callable[[K, Entry], None] | None = None
        self.on_harvest: Callable[[K, Entry, int], None] | None = None
        self._bound = maxsize
        self._clock = clock
        # Guards all writing of what follows.
        self._guard = Guard(self.renew)
        self._entries: dict[K, Entry] = {}
        self.find: Callable[[K], Entry | None] = self._entries.get
        self._small: KeyQueue[K] = KeyQueue()
        self._main: KeyQueue[K] = KeyQueue()
        self._ghost = Ghost()
        # Those evicted out of the main queue: nothing but `was_evicted` asks for them.
        self._used_ghost = Ghost()
        self._fitted = 0
        # Kept only where entries differ in size; else each counts 1.
        self._sizes: dict[K, float] | None = {} if sized else None
        self._total: float = 0
        self._small_total: float = 0

    def put(self, key: K, entry: Entry, left: list[object] | None = None) -> bool:
        """Keep `entry`, in the place of any other under `key`, and make room for it.

        Returns False if it is larger than the whole cache; `key` then holds nothing.  What leaves
        goes to `left`, for callers that hold a lock of their own.
        """
        size = 1 if self._sizes is None else self._size_of(key, entry)
        if size > self._bound:
            self._remove_to(left, key)
            return False
        self._guard.run(None, self._admit, ((key, entry, size),), left=left)
        return True

    def put_many(
        self, items: Iterable[tuple[K, Entry]], left: list[object] | None = None
    ) -> list[K]:
        """Do as `put` for several keys, each once; gives those that then hold nothing."""
        bound, is_sized = self._bound, self._sizes is not None
        sized = [(key, entry, self._size_of(key, entry) if is_sized else 1) for key, entry in items]
        refused = [key for key, _, size in sized if size > bound]
        if refused:
            for key in refused:
                self._remove_to(left, key)
            sized = [item for item in sized if item[2] <= bound]
        self._guard.run(None, self._admit, sized, left=left)
        return refused

    def remove(self, key: K) -> Entry | None:
        """Drop `key` and give what it held."""
        held = self._entries.get(key)
        if held is None and not self._guard.later:
            return None
        return self._guard.run(held, self._drop, key)

    def forget_all(self, left: list[object] | None = None) -> None:
        """Drop everything, and forget what was evicted; what was held goes to `left`."""
        self._guard.run(None, self._forget, left=left)

    def was_evicted(self, key: K) -> bool:
        """Tell whether `key` was evicted of late, and has not returned since."""
        if not self._ghost.capacity:
            return False
        return key in self._ghost or (key in self._used_ghost and key not in self._entries)

    def entries(self) -> list[tuple[K, Entry]]:
        """Give a copy of what is held, expired or not."""
        with self._guard.lock:
            return list(self._entries.items())

    def harvest(self) -> None:
        """Tell `on_harvest` of the hits of all entries."""
        with self._guard.lock:
            # No pairs: making so many would start the collector of garbage.
            keys, entries = list(self._entries), list(self._entries.values())
        for begin in range(0, len(keys), _HARVESTED_AT_ONCE):
            end = begin + _HARVESTED_AT_ONCE
            with self._guard.lock:
                for key, entry in zip(keys[begin:end], entries[begin:end], strict=True):
                    if entry.hits >= HIT and self._entries.get(key) is entry:
                        self._settle(key, entry)

    def renew(self) -> None:
        """Begin empty and with a new lock: in a forked child, where no other thread lives yet."""
        self._guard.renew()
        self._start_anew()

    def __len__(self) -> int:
        """Count what is held, expired entries that nothing has displaced yet included."""
        return len(self._entries)

    @property
    def maxsize(self) -> float:
        """What `currsize` never exceeds."""
        return self._bound

    @property
    def currsize(self) -> float:
        """The sizes of what is held, added up."""
        return len(self._entries) if self._sizes is None else self._total

    def _remove_to(self, left: list[object] | None, key: K) -> None:
        entry = self.remove(key)
        if left is not None:
            left.append(entry)

    def _size_of(self, key: K, entry: Entry) -> float:
        """Say what an entry counts; asked only of stores that were made `sized`."""
        raise NotImplementedError

    def _admit(self, left: list[object], items: Iterable[tuple[K, Entry, float]]) -> None:
        """Keep entries that are, with their sizes, not larger than the cache."""
        entries, ghost = self._entries, self._ghost
        for key, entry, size in items:
            old = entries.get(key)
            if old is not None:
                left.append(old)
                self._replace(key, old, entry, size, left)
                continue
            if (len(entries) if self._sizes is None else self._total) + size > self._bound:
                self._make_room(size, left)
            is_known = ghost.capacity and ghost.discard(key)
            self._insert(key, entry, size, MAIN if is_known else 0)

    def _drop(self, _: list[object], key: K) -> Entry | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._take_out(key, entry)
            self._settle(key, entry)
        return entry

    def _forget(self, left: list[object]) -> None:
        held = self._start_anew()
        left += [entry for _, entry in held]
        for key, entry in held:
            if entry.hits >= HIT:
                self._settle(key, entry)

    def _replace(self, key: K, old: Entry, entry: Entry, size: float, left: list[object]) -> None:
        """Put `entry` in the place of `old`; for its credit the write is a hit."""
        self._settle(key, old)
        # Without the hits that came since: these stay those of `old`.
        bits = old.hits & (MAIN | CREDIT)
        if bits & CREDIT != CREDIT:
            bits += 1
        if self._sizes is not None:
            grown = size - self._sizes[key]
            if self._total + grown > self._bound:
                self._take_out(key, old)
                if self._total + size > self._bound:
                    self._make_room(size, left)
                self._insert(key, entry, size, bits)
                return
            self._sizes[key] = size
            self._total += grown
            if not bits & MAIN:
                self._small_total += grown
        entry.hits = bits
        self._entries[key] = entry

    def _insert(self, key: K, entry: Entry, size: float, bits: int) -> None:
        entry.hits = bits
        if self._sizes is not None:
            self._sizes[key] = size
            self._total += size
            if not bits & MAIN:
                self._small_total += size
        self._entries[key] = entry
        (self._main if bits & MAIN else self._small).push(key)

    def _take_out(self, key: K, entry: Entry) -> None:
        """Forget an entry whose key stays in its queue, as a tombstone."""
        in_main = entry.hits & MAIN
        del self._entries[key]
        if self._sizes is not None:
            self._forget_size(self._sizes, key, small=not in_main)
        (self._main if in_main else self._small).mark(key)

    def _forget_size(self, sizes: dict[K, float], key: K, *, small: bool) -> None:
        """Forget the size of an entry that was dropped."""
        size = sizes.pop(key)
        self._total -= size
        if small:
            self._small_total -= size
        if not self._entries:  # no rounding error of floats outlives what made it
            self._total = self._small_total = 0

    def _queued(self) -> Iterator[tuple[K, Entry, float]]:
        """Give what is held with its sizes, in the order of the queues."""
        for queue in (self._small, self._main):
            for key in queue.living():
                size = 1 if self._sizes is None else self._sizes[key]
                yield key, self._entries[key], size

    def _settle(self, key: K, entry: Entry) -> None:
        """Harvest the hits of an entry."""
        made = take_hits(entry)
        if made and self.on_harvest is not None:
            self.on_harvest(key, entry, made)

    def _make_room(self, size: float, left: list[object]) -> None:
        """Let entries leave, one at least, until one of `size` fits; they go to `left`."""
        now = self._clock()
        entries, small, main = self._entries, self._small, self._main
        # Here and below `len(queue)` is written out: it would be a tenth of an eviction.
        if len(small.keys) - small.dead + len(main.keys) - main.dead != len(entries):
            self._queue_anew()
        if len(entries) != self._fitted:
            self._fitted = len(entries)
            self._ghost.fit(int(self._fitted * _GHOST_SHARE) or 1)
        while leaving := self._next_to_leave(left, now):
            key, entry = leaving
            left.append(entry)
            if entry.expires > now or not is_gone(entry, now):
                self.evictions += 1
                if entry.hits & MAIN:
                    self._used_ghost.fit(self._ghost.capacity)
                    self._used_ghost.add(key)
                else:
                    self._ghost.add(key)
                if self.on_evict is not None:
                    self.on_evict(key, entry)
            if (len(entries) if self._sizes is None else self._total) + size <= self._bound:
                break

    def _next_to_leave(self, _: list[object], now: float) -> tuple[K, Entry] | None:
        """Take out what makes room: what is gone, if it has come up, else the next to be evicted.

        None if nothing is held.
        """
        while self._entries:
            found = self._gone_head(now) or self._scan_small(now) or self._scan_main(now)
            if found is not None:
                return found
            self._queue_anew()
        return None

    def _gone_head(self, now: float) -> tuple[K, Entry] | None:
        for queue in (self._small, self._main):
            if queue.keys:
                key = queue.keys[0]
                entry = self._entries.get(key)
                if entry is not None and entry.expires <= now and is_gone(entry, now):
                    self._take_out(key, entry)
                    self._settle(key, entry)
                    return key, entry
        return None

    def _scan_small(self, now: float) -> tuple[K, Entry] | None:
        queue, main = self._small, self._main
        small = len(queue.keys) - queue.dead if self._sizes is None else self._small_total
        if small < self._bound * _SMALL_SHARE and len(main.keys) > main.dead:
            return None
        while taken := queue.pop():
            (key,) = taken
            entry = self._entries.get(key)
            if entry is None:
                continue
            if entry.hits >= HIT:
                self._settle(key, entry)
            if not entry.hits & CREDIT or is_gone(entry, now):
                del self._entries[key]
                if self._sizes is not None:
                    self._forget_size(self._sizes, key, small=True)
                return key, entry
            entry.hits += MAIN - (entry.hits & CREDIT)
            if self._sizes is not None:
                self._small_total -= self._sizes[key]
            main.push(key)
        return None

    def _scan_main(self, now: float) -> tuple[K, Entry] | None:
        while taken := self._main.pop():
            (key,) = taken
            entry = self._entries.get(key)
            if entry is None:
                continue
            if entry.hits >= HIT:
                self._settle(key, entry)
            if not entry.hits & CREDIT or is_gone(entry, now):
                del self._entries[key]
                if self._sizes is not None:
                    self._forget_size(self._sizes, key, small=False)
                return key, entry
            entry.hits -= 1
            self._main.push(key)
        return None

    def _queue_anew(self) -> None:
        """Mend the queues.

        A signal handler may raise while a key is between two of them; and without the
        interpreter's lock a hit may undo the queue bit that was just set, so that a tombstone is
        marked in the wrong one.
        """
        self._small.clear()
        self._main.clear()
        for key, entry in self._entries.items():
            entry.hits |= MAIN
            self._main.push(key)
        self._small_total = 0

    def _start_anew(self) -> list[tuple[K, Entry]]:
        """Make everything empty, and give what was held."""
        held = list(self._entries.items())
        self._entries.clear()
        self._small.clear()
        self._main.clear()
        self._ghost.clear()
        self._used_ghost.clear()
        self._fitted = 0
        if self._sizes is not None:
            self._sizes.clear()
        self._total = self._small_total = 0
        return held
