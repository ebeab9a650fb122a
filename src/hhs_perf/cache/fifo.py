"""A queue of keys out of whose middle keys can be taken in constant time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KeyQueue"]

K = TypeVar("K")


class KeyQueue(Generic[K]):
    """First in, first out; a key that is taken out stays as a tombstone until it comes up.

    Marks count the tombstones of a key.  As it can only be pushed again after it was taken out,
    the tombstones are always its first occurrences.
    """

    __slots__ = ("_dead", "_keys", "_marks")

    def __init__(self) -> None:
        self._keys: deque[K] = deque()
        self._marks: dict[K, int] = {}
        self._dead = 0

    def __len__(self) -> int:
        return len(self._keys) - self._dead

    def push(self, key: K) -> None:
        """Put `key` at the end."""
        self._keys.append(key)

    def drain(self) -> Iterator[K]:
        """Take keys off the front, until it is empty or nobody asks for more."""
        keys = self._keys
        while keys:
            key = keys.popleft()
            if not (self._dead and self.unmark(key)):
                yield key

    def head(self) -> tuple[K, ...]:
        """Give the first key, which may be a tombstone, or nothing."""
        return (self._keys[0],) if self._keys else ()

    def mark(self, key: K) -> None:
        """Take `key` out, which is in the queue."""
        self._marks[key] = self._marks.get(key, 0) + 1
        self._dead += 1
        if self._dead * 2 > len(self._keys):
            self._compact()

    def unmark(self, key: K) -> bool:
        """Account for one tombstone of `key` that has come up; tell whether there was one."""
        count = self._marks.get(key)
        if count is None:
            return False
        if count == 1:
            del self._marks[key]
        else:
            self._marks[key] = count - 1
        self._dead -= 1
        return True

    def living(self) -> list[K]:
        """Give the keys in their order."""
        self._compact()
        return list(self._keys)

    def clear(self) -> None:
        """Drop all keys."""
        self._keys.clear()
        self._marks.clear()
        self._dead = 0

    def _compact(self) -> None:
        for _ in range(len(self._keys)):
            key = self._keys.popleft()
            if not (self._dead and self.unmark(key)):
                self._keys.append(key)
