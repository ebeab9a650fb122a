"""Remembers which keys were evicted of late, in four bytes a key."""

from __future__ import annotations

from array import array
from typing import Final

__all__ = ["Ghost"]

_WIDTH: Final = 16
_MASK: Final = 0xFFFF_FFFF


class Ghost:
    """A table of 32-bit fingerprints of about the last `capacity` keys that were added.

    A bucket is a short queue: when it is full, what came first goes first.  Up to 31 keys the
    table is one bucket and so exact; above that, one key is forgotten a quarter sooner or later
    than another.  A key whose fingerprint equals a remembered one's, once in `2**32 / capacity`
    keys, is taken for remembered.
    """

    __slots__ = ("_buckets", "_table", "_width", "capacity")

    def __init__(self, capacity: int = 0) -> None:
        self._lay_out(capacity)

    def __contains__(self, key: object) -> bool:
        fingerprint = _fingerprint(key)
        begin = fingerprint % self._buckets * self._width
        return fingerprint in self._table[begin : begin + self._width]

    def add(self, key: object) -> None:
        """Remember `key` as the latest."""
        self._append(_fingerprint(key))

    def discard(self, key: object) -> bool:
        """Forget `key`; tell whether it was remembered."""
        fingerprint = _fingerprint(key)
        begin = fingerprint % self._buckets * self._width
        bucket = self._table[begin : begin + self._width]
        if fingerprint not in bucket:
            return False
        bucket.remove(fingerprint)
        bucket.insert(0, 0)
        self._table[begin : begin + self._width] = bucket
        return True

    def fit(self, living: int) -> None:
        """Remember as many keys as the cache holds, `living`, if that has become far from it.

        What is known stays, about the latest first, as far as it finds room.
        """
        if living * 3 > self.capacity * 2 and living < self.capacity * 2:
            return
        table, buckets, width = self._table, self._buckets, self._width
        self._lay_out(living)
        for age in range(width):
            for begin in range(0, buckets * width, width):
                if table[begin + age]:
                    self._append(table[begin + age])

    def clear(self) -> None:
        """Forget all."""
        self._lay_out(0)

    def _lay_out(self, capacity: int) -> None:
        self.capacity = capacity
        self._buckets = max(1, capacity // _WIDTH)
        self._width = -(-capacity // self._buckets)
        self._table = array("I", bytes(4 * self._buckets * self._width))

    def _append(self, fingerprint: int) -> None:
        end = (fingerprint % self._buckets + 1) * self._width
        begin = end - self._width
        bucket = self._table[begin + 1 : end]
        bucket.append(fingerprint)
        self._table[begin:end] = bucket


def _fingerprint(key: object) -> int:
    """Mix the key's hash, as that of an int is the int; zero marks an empty place."""
    mixed = hash((key,))
    return (mixed ^ mixed >> 32) & _MASK or 1
