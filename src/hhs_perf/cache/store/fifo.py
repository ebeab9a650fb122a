"""A queue of keys out of whose middle keys can be taken in constant time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KeyQueue"]

K = TypeVar("K")


class KeyQueue(Generic[K]):
    """First in, first out; a key that is taken out stays as a tombstone until it comes up.

    Marks count the tombstones of a key.  As it can only be pushed again after it was taken out,
    the tombstones are always its first occurrences.
    """

    __slots__ = ("_marks", "dead", "keys", "push")

    def __init__(self) -> None:
        self.keys: deque[K] = deque()
        """All keys, tombstones among them; to be looked at only."""
        self.push: Callable[[K], None] = self.keys.append
        """Put a key at the end."""
        self.dead = 0
        """How many of them are tombstones."""
        self._marks: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self.keys) - self.dead

    def pop(self) -> tuple[K] | None:
        """Take the first key off, and give it alone in a tuple; None if there is none."""
        keys = self.keys
        while keys:
            key = keys.popleft()
            if not (self.dead and self.unmark(key)):
                return (key,)
        return None

    def mark(self, key: K) -> None:
        """Take `key` out, which is in the queue."""
        self._marks[key] = self._marks.get(key, 0) + 1
        self.dead += 1
        if self.dead * 2 > len(self.keys):
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
        self.dead -= 1
        return True

    def living(self) -> list[K]:
        """Give the keys in their order."""
        self._compact()
        return list(self.keys)

    def clear(self) -> None:
        """Drop all keys."""
        self.keys.clear()
        self._marks.clear()
        self.dead = 0

    def _compact(self) -> None:
        for _ in range(len(self.keys)):
            key = self.keys.popleft()
            if not (self.dead and self.unmark(key)):
                self.keys.append(key)
