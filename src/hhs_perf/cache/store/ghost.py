"""Remembers which keys were evicted of late, in four bytes a key."""

from __future__ import annotations

from typing import Final

__all__ = ["Ghost"]

_WIDTH: Final = 16
_MASK: Final = 0xFFFF_FFFF
_BYTES: Final = 4
_EMPTY: Final = bytes(_BYTES)


class Ghost:
    """A table of 32-bit fingerprints of about the last `capacity` keys that were added.

    A bucket is a short queue: when it is full, what came first goes first.  Up to 31 keys the
    table is one bucket and so exact; above that, one key is forgotten a quarter sooner or later
    than another.  A key whose fingerprint equals a remembered one's, once in `2**32 / capacity`
    keys, is taken for remembered.
    """

    __slots__ = ("_buckets", "_span", "_table", "capacity")

    def __init__(self, capacity: int = 0) -> None:
        self._lay_out(capacity)

    def __contains__(self, key: object) -> bool:
        return self.capacity > 0 and self._place(key) >= 0

    def add(self, key: object) -> None:
        """Remember `key` as the latest."""
        self._append(_fingerprint(key))

    def discard(self, key: object) -> bool:
        """Forget `key`; tell whether it was remembered."""
        place = self._place(key) if self.capacity else -1
        if place < 0:
            return False
        begin = place - place % self._span
        self._table[begin : place + _BYTES] = _EMPTY + self._table[begin:place]
        return True

    def fit(self, living: int) -> None:
        """Remember as many keys as the cache holds, `living`, if that has become far from it.

        What is known stays, about the latest first, as far as it finds room.
        """
        if living * 3 > self.capacity * 2 and living < self.capacity * 2:
            return
        table, span = self._table, self._span
        self._lay_out(living)
        for age in range(0, span, _BYTES):
            for begin in range(age, len(table), span):
                fingerprint = int.from_bytes(table[begin : begin + _BYTES], "little")
                if fingerprint:
                    self._append(fingerprint)

    def clear(self) -> None:
        """Forget all."""
        self._lay_out(0)

    def _lay_out(self, capacity: int) -> None:
        self.capacity = capacity
        self._buckets = max(1, capacity // _WIDTH)
        self._span = -(-capacity // self._buckets) * _BYTES
        # Bytes, since these are searched in C without making an int of each fingerprint.
        self._table = bytearray(self._buckets * self._span)

    def _place(self, key: object) -> int:
        """Find a key's fingerprint in its bucket; negative if it is not there."""
        fingerprint = _fingerprint(key)
        begin = fingerprint % self._buckets * self._span
        end = begin + self._span
        sought = fingerprint.to_bytes(_BYTES, "little")
        place = self._table.find(sought, begin, end)
        while place > 0 and place % _BYTES:  # made up of the bytes of two others
            place = self._table.find(sought, place + 1, end)
        return place

    def _append(self, fingerprint: int) -> None:
        end = (fingerprint % self._buckets + 1) * self._span
        begin = end - self._span
        latest = fingerprint.to_bytes(_BYTES, "little")
        self._table[begin:end] = self._table[begin + _BYTES : end] + latest


def _fingerprint(key: object) -> int:
    """Mix the key's hash, as that of an int is the int; zero marks an empty place."""
    mixed = hash((key,))
    return (mixed ^ mixed >> 32) & _MASK or 1
