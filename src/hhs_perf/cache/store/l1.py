"""The first level as the tiered cache sees it: a store of entries."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from cachetools import Cache

from ...exceptions import ConfigurationError
from .entry import Entry, take_hits
from .ghost import Ghost
from .guard import Guard
from .s3fifo import S3FIFOCache
from .sizes import size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["ForeignL1", "L1Store", "l1_store", "size_of"]

T = TypeVar("T")
M = TypeVar("M")


class L1Store(Protocol):
    """Entries by key, bounded.  All methods may be called from any thread."""

    evictions: int
    """Entries evicted to make room, ever."""
    on_evict: Callable[[str, Entry], None] | None
    """Told of each eviction, under the lock: it must be cheap and leave the store alone."""
    on_harvest: Callable[[str, Entry, int], None] | None
    """Told how many hits an entry had since last time; likewise."""

    def find(self, key: str, /) -> Entry | None:
        """Give what is kept under `key`, expired or not, and count nothing."""
        ...

    def put(self, key: str, entry: Entry, left: list[object] | None = None) -> bool:
        """Keep `entry`, in the place of any other under `key`, and make room for it.

        Returns False if it is larger than the whole cache; `key` then holds nothing.  What leaves
        goes to `left`, for callers that hold a lock of their own.
        """
        ...

    def put_many(
        self, items: Iterable[tuple[str, Entry]], left: list[object] | None = None
    ) -> list[str]:
        """Do as `put` for several keys, each once; gives those that then hold nothing."""
        ...

    def remove(self, key: str) -> Entry | None:
        """Drop `key` and give what it held."""
        ...

    def forget_all(self, left: list[object] | None = None) -> None:
        """Drop everything; what was held goes to `left`."""
        ...

    def was_evicted(self, key: str) -> bool:
        """Tell whether `key` was evicted of late, as far as it is known."""
        ...

    def entries(self) -> list[tuple[str, Entry]]:
        """Give a copy of what is kept, expired or not."""
        ...

    def harvest(self) -> None:
        """Tell `on_harvest` of the hits of all entries."""
        ...

    def renew(self) -> None:
        """Begin empty and with a new lock: in a forked child, where no other thread lives yet."""
        ...

    def __len__(self) -> int: ...

    @property
    def currsize(self) -> float:
        """The sizes of all entries, added up."""
        ...

    @property
    def maxsize(self) -> float:
        """What `currsize` never exceeds."""
        ...


class ForeignL1:
    """Any other cachetools cache as a store: under a lock, a hit included.

    The cache is handed over: it must be empty, and nobody else may use it.  It holds entries;
    its `getsizeof` is given their values, the `ttu` of a TLRUCache the `Entry` itself.

    Raises ConfigurationError for a cache that holds something, or belongs to another store.
    """

    def __init__(self, cache: Cache[str, Entry]) -> None:
        _refuse_used(cache, is_taken="popitem" in vars(cache))
        self.evictions = 0
        self.on_evict: Callable[[str, Entry], None] | None = None
        self.on_harvest: Callable[[str, Entry, int], None] | None = None
        self._ghost = Ghost()
        self._cache = cache
        # Guards the cache and the ghost.
        self._guard = Guard(self.renew)
        self._in_put = False
        # Where that which leaves goes during a deed.
        self._left: list[object] = []
        self._listen()

    def find(self, key: str, /) -> Entry | None:
        """Give what is kept under `key`; for the cache's own policy it is a hit."""
        return self._run(None, partial(self._find, key))

    def put(self, key: str, entry: Entry, left: list[object] | None = None) -> bool:
        """Keep `entry`; False also when the cache takes it for expired already."""
        return self._run(meanwhile=True, deed=partial(self._put, key, entry), left=left)

    def put_many(
        self, items: Iterable[tuple[str, Entry]], left: list[object] | None = None
    ) -> list[str]:
        """Do as `put` for several keys, each once; gives those that then hold nothing."""
        return self._run([], partial(self._put_many, list(items)), left)

    def remove(self, key: str) -> Entry | None:
        """Drop `key` and give what it held."""
        return self._run(None, partial(self._remove, key))

    def forget_all(self, left: list[object] | None = None) -> None:
        """Drop everything, and forget what was evicted."""
        self._run(None, self._forget, left)

    def was_evicted(self, key: str) -> bool:
        """Tell whether `key` was evicted of late."""
        return key in self._ghost

    def entries(self) -> list[tuple[str, Entry]]:
        """Give a copy of what is kept; for the cache's own policy these are no hits."""
        return self._run([], self._entries)

    def harvest(self) -> None:
        """Tell `on_harvest` of the hits of all entries."""
        self._run(None, self._harvest)

    def renew(self) -> None:
        """Begin empty and with a new lock: in a forked child, where no other thread lives yet."""
        self._guard.renew()
        self._in_put = False
        self._cache.clear()
        self._ghost.clear()

    def __len__(self) -> int:
        """Count what is kept."""
        return self._run(0, partial(len, self._cache))

    @property
    def currsize(self) -> float:
        """The sizes of all entries, added up."""
        return self._run(0, lambda: self._cache.currsize)

    @property
    def maxsize(self) -> float:
        """What `currsize` never exceeds."""
        return self._cache.maxsize

    def _run(self, meanwhile: M, deed: Callable[[], T], left: list[object] | None = None) -> T | M:
        return self._guard.run(meanwhile, self._do, deed, left=left)

    def _do(self, left: list[object], deed: Callable[[], T]) -> T:
        self._left = left
        try:
            return deed()
        finally:
            self._left = []

    def _find(self, key: str) -> Entry | None:
        try:
            found: object = self._cache[key]
        except KeyError:
            return None
        # Its `__missing__` may make up a value; that is none of ours.
        return found if isinstance(found, Entry) else None

    def _put(self, key: str, entry: Entry) -> bool:
        old = self._peek(key)
        self._left.append(old)
        self._settle(key, old)
        self._in_put = True
        try:
            self._cache[key] = entry
        except ValueError:  # "value too large", and the old one is out of date
            self._cache.pop(key, None)
        finally:
            self._in_put = False
        return self._peek(key) is entry

    def _put_many(self, items: list[tuple[str, Entry]]) -> list[str]:
        return [key for key, entry in items if not self._put(key, entry)]

    def _remove(self, key: str) -> Entry | None:
        entry = self._peek(key)
        if entry is not None:
            self._cache.pop(key, None)
            self._settle(key, entry)
        return entry

    def _forget(self) -> None:
        self._harvest()
        self._left += self._entries()
        self._cache.clear()
        self._ghost.clear()

    def _entries(self) -> list[tuple[str, Entry]]:
        held = [(key, self._peek(key)) for key in list(self._cache)]
        return [(key, entry) for key, entry in held if entry is not None]

    def _harvest(self) -> None:
        for key, entry in self._entries():
            self._settle(key, entry)

    def _listen(self) -> None:
        """Let the cache's own methods tell us what leaves: cachetools calls them on itself."""
        cache = vars(self._cache)
        popitem = self._cache.popitem
        getsizeof = self._cache.getsizeof
        expire = getattr(self._cache, "expire", None)

        def popped() -> tuple[str, Entry]:
            key, entry = popitem()
            self._left.append(entry)
            if self._in_put:
                self._evicted(key, entry)
            return key, entry

        def sized(entry: Entry) -> float:
            return getsizeof(cast("Entry", entry.value))

        def expired(time: object = None) -> list[tuple[str, Entry]]:
            gone = list(expire(time) or ()) if expire is not None else []
            for key, entry in gone:
                self._left.append(entry)
                self._settle(key, entry)
            return gone

        cache["popitem"] = popped
        if getsizeof is not Cache.getsizeof:
            cache["getsizeof"] = sized
        if expire is not None:
            cache["expire"] = expired

    def _evicted(self, key: str, entry: Entry) -> None:
        self._settle(key, entry)
        self.evictions += 1
        self._ghost.fit(len(self._cache) + 1)
        self._ghost.add(key)
        if self.on_evict is not None:
            self.on_evict(key, entry)

    def _peek(self, key: str) -> Entry | None:
        if key not in self._cache:
            return None
        # The base class's own look-up moves nothing in the subclasses' lists.
        found: object = Cache.__getitem__(self._cache, key)
        return found if isinstance(found, Entry) else None

    def _settle(self, key: str, entry: Entry | None) -> None:
        made = 0 if entry is None else take_hits(entry)
        if entry is not None and made and self.on_harvest is not None:
            self.on_harvest(key, entry, made)


def l1_store(cache: Cache[str, Entry] | S3FIFOCache[str, object]) -> L1Store:
    """Give the store of a cachetools cache: an S3FIFOCache is one itself.

    Raises ConfigurationError for a cache that holds something or serves another one already, and
    for what is no cache.
    """
    if not isinstance(cache, Cache):
        raise ConfigurationError(f"l1: must be a cachetools.Cache, got a {type(cache).__name__}")
    if isinstance(cache, S3FIFOCache):
        _refuse_used(cache, is_taken=cache.on_harvest is not None)
        return cache
    return ForeignL1(cache)


def _refuse_used(cache: Cache[str, Any], *, is_taken: bool) -> None:
    if len(cache):
        raise ConfigurationError(f"a cache for L1 must be empty, this one holds {len(cache)}")
    if is_taken:
        raise ConfigurationError("a cache for L1 must serve one cache, this one serves another")
