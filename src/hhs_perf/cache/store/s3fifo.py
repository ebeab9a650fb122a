"""S3-FIFO as a cachetools cache: scan-resistant, and a hit writes one field under no lock."""

from __future__ import annotations

import math
from collections.abc import ItemsView, ValuesView
from typing import TYPE_CHECKING, Final, TypedDict, TypeVar, cast, overload

from cachetools import Cache

from ..._clock import SystemClock
from ..observed.stats import PatternCounts
from ..policy import Policy, check_ttl
from .entry import HIT, Entry, Group, is_gone
from .scan import ScanStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["S3FIFOCache"]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_MISSING: Final = object()
_SAME_CLOCK: Final = 1.0
"""Seconds by which wall and monotonic clock may part before it is another monotonic clock."""


class _State(TypedDict):
    others: dict[str, object]
    store: tuple[float, Callable[[], float], bool]
    read_at: tuple[float, float]
    held: list[tuple[object, Entry, float]]


class S3FIFOCache(ScanStore[K], Cache[K, V]):
    """A `cachetools.Cache` with the S3-FIFO policy and an expiry for each entry.

    `maxsize`, `getsizeof` and `currsize` are as cachetools means them; `weigh(key, entry)` may
    stand in place of `getsizeof(value)` where the key counts too.  `clock` gives seconds that
    never run backwards.  All methods may be called from any thread; a hit takes no lock.

    An expired entry is no longer seen, and leaves when it comes up for eviction or `expire()` is
    called; `len` and `currsize` count it until then.  `on_evict(key, entry)` is told of each
    eviction for room, under the lock: it must be cheap and leave the cache alone.

    Raises ValueError for a negative `maxsize`, and for both `getsizeof` and `weigh`.
    """

    def __init__(
        self,
        maxsize: float,
        getsizeof: Callable[[V], float] | None = None,
        *,
        clock: Callable[[], float] = SystemClock.monotonic,
        weigh: Callable[[K, Entry], float] | None = None,
    ) -> None:
        if not maxsize >= 0:
            raise ValueError(f"maxsize must be non-negative, got {maxsize!r}")
        if getsizeof is not None and weigh is not None:
            raise ValueError("an entry is measured by getsizeof or by weigh, not by both")
        Cache.__init__(self, maxsize, getsizeof)
        self._weigh = weigh
        self._group = Group(0, PatternCounts(""), (), Policy())
        sized = weigh is not None or self.getsizeof is not Cache.getsizeof
        ScanStore.__init__(self, maxsize, clock, sized=sized)

    def __getitem__(self, key: K) -> V:
        """Give the value; calls `__missing__`, which raises KeyError, if there is none."""
        entry = self.find(key)
        if entry is None or entry.expires <= self._clock():
            return self.__missing__(key)
        entry.hits += HIT
        return entry.value  # type: ignore[return-value]  # a cast would cost a fifth of a hit

    def __setitem__(self, key: K, value: V) -> None:
        """Keep `value` until it is displaced; raises ValueError if it is larger than the cache."""
        self._keep(key, Entry(value, math.inf, 0, self._group))

    def set(self, key: K, value: V, ttl: float | None = None) -> None:
        """Keep `value` for `ttl` seconds, or until it is displaced.

        Raises ValueError if it is larger than the cache, or for a ttl that no entry can have.
        """
        expires = math.inf if ttl is None else self._clock() + check_ttl(ttl)
        self._keep(key, Entry(value, expires, 0, self._group))

    def __delitem__(self, key: K) -> None:
        """Drop `key`; raises KeyError if it is not there."""
        entry = self.remove(key)
        if entry is None or entry.expires <= self._clock():
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        """Tell whether `key` has a value that has not expired; this is no hit."""
        entry = self.find(cast("K", key))
        return entry is not None and entry.expires > self._clock()

    def __iter__(self) -> Iterator[K]:
        """Go over the keys of now, whatever others write meanwhile."""
        return iter([key for key, _ in self.living()])

    def __repr__(self) -> str:
        """Show what is held and its bounds, as cachetools does."""
        held = {key: entry.value for key, entry in self.living()}
        return (
            f"{type(self).__name__}({held!r}, maxsize={self.maxsize!r}, currsize={self.currsize!r})"
        )

    def living(self) -> list[tuple[K, Entry]]:
        """Give a copy of the entries that have not expired."""
        now = self._clock()
        return [(key, entry) for key, entry in self.entries() if entry.expires > now]

    def items(self) -> ItemsView[K, V]:
        """Give the pairs; going over them counts no hit, and others may write meanwhile."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """Give the values; likewise."""
        return _Values(self)

    @overload
    def get(self, key: K, default: None = None) -> V | None: ...
    @overload
    def get(self, key: K, default: V | T) -> V | T: ...
    def get(self, key: K, default: object = None) -> object:
        """Give the value or `default`; `__missing__` is not asked."""
        entry = self.find(key)
        if entry is None or entry.expires <= self._clock():
            return default
        entry.hits += HIT
        return entry.value

    @overload
    def pop(self, key: K) -> V: ...
    @overload
    def pop(self, key: K, default: V | T) -> V | T: ...
    def pop(self, key: K, default: object = _MISSING) -> object:
        """Drop `key` and give its value or `default`; raises KeyError if there is neither."""
        entry = self.remove(key)
        if entry is not None and entry.expires > self._clock():
            return entry.value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[K, V]:
        """Drop and give the pair that would be evicted next; raises KeyError if there is none."""
        now = self._clock()
        while True:
            leaving = self._guard.run(None, self._next_to_leave, now)
            if leaving is None:
                raise KeyError(f"{type(self).__name__} is empty")
            key, entry = leaving
            if entry.expires > now:
                return key, entry.value  # type: ignore[return-value]  # an entry is untyped

    def setdefault(self, key: K, default: V | None = None) -> V:
        """Give the value under `key`, after keeping `default` there if there is none."""
        with self._guard.lock:
            found = self.get(key, _MISSING)
            if found is not _MISSING:
                return found  # type: ignore[return-value]  # an entry is untyped
            self[key] = default  # type: ignore[assignment]  # an entry is untyped
            return default  # type: ignore[return-value]  # an entry is untyped

    def clear(self) -> None:
        """Drop everything."""
        self.forget_all()

    def expire(self) -> list[tuple[K, V]]:
        """Drop what has expired, and give it."""
        now = self._clock()
        with self._guard.lock:
            expired = [(key, entry) for key, entry in self.entries() if is_gone(entry, now)]
            for key, _ in expired:
                self.remove(key)
        return [(key, entry.value) for key, entry in expired]  # type: ignore[misc]  # an entry is untyped

    def __copy__(self) -> S3FIFOCache[K, V]:
        """Give a cache that holds the same values."""
        twin = type(self).__new__(type(self))
        twin.__setstate__(self.__getstate__())
        return twin

    def __getstate__(self) -> _State:
        """Give what a copy needs; callbacks, counts and what was evicted are not copied."""
        others = vars(self).keys() - vars(ScanStore(0, self._clock, sized=False)).keys()
        with self._guard.lock:
            return {
                "others": {name: vars(self)[name] for name in others},
                "store": (self.maxsize, self._clock, self._sizes is not None),
                "read_at": (self._clock(), SystemClock.wall()),
                "held": list(self._queued()),
            }

    def __setstate__(self, state: _State) -> None:
        """Hold what the other held; another boot's monotonic clock is translated."""
        vars(self).update(state["others"])
        maxsize, clock, sized = state["store"]
        ScanStore.__init__(self, maxsize, clock, sized=sized)
        reading, wall = state["read_at"]
        shift = clock() - reading - max(0.0, SystemClock.wall() - wall)
        if abs(shift) < _SAME_CLOCK:
            shift = 0.0
        for key, entry, size in cast("list[tuple[K, Entry, float]]", state["held"]):
            twin = Entry(entry.value, entry.expires + shift, 0, entry.group)
            self._insert(key, twin, size, entry.hits)

    def _size_of(self, key: K, entry: Entry) -> float:
        if self._weigh is not None:
            return self._weigh(key, entry)
        size = self.getsizeof(entry.value)  # type: ignore[arg-type]  # an entry is untyped
        if size < 0:
            raise ValueError("value size must be non-negative")
        return size

    def _keep(self, key: K, entry: Entry) -> None:
        size = 1 if self._sizes is None else self._size_of(key, entry)
        if size > self.maxsize:
            raise ValueError("value too large")
        self._guard.run(None, self._admit, ((key, entry, size),))


class _Items(ItemsView[K, V]):
    """Pairs of a cache at the moment at which they are gone over."""

    _mapping: S3FIFOCache[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return iter([(key, entry.value) for key, entry in self._mapping.living()])  # type: ignore[misc]  # an entry is untyped


class _Values(ValuesView[V]):
    """Values of a cache at the moment at which they are gone over."""

    _mapping: S3FIFOCache[object, V]

    def __iter__(self) -> Iterator[V]:
        return iter([entry.value for _, entry in self._mapping.living()])  # type: ignore[misc]  # an entry is untyped
