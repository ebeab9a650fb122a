"""What left L1, and what is being written: so that nothing older comes back in."""

from __future__ import annotations

from typing import Final

__all__ = ["Departures"]

_MOST: Final = 8_192


class Departures:
    """Keys that were deleted or written, in the order in which that happened.

    The latest 8,192 are remembered one by one; of a key before these it is taken that it left as
    late as the last one forgotten. Changed under the lock of the memory. Finalizers and signal
    handlers, which may call the cache as well, come where something is called: from the reading
    of a field to its writing nothing is.
    """

    __slots__ = ("_left_at", "_left_before", "_writing", "sequence")

    def __init__(self) -> None:
        self.sequence = 0
        """How often a key has left."""
        # Places in the sequence; negative where a miss has another reason than an invalidation.
        self._left_at: dict[str, int] = {}
        self._left_before = 0
        # How many write a key; below zero once there were several at a time.
        self._writing: dict[str, int] = {}

    def __len__(self) -> int:
        """Count the keys that are remembered one by one."""
        return len(self._left_at)

    @property
    def writing(self) -> int:
        """How many keys are being written."""
        return len(self._writing)

    def last_left(self, key: str) -> int:
        """Give the place in the sequence at which `key` left at the latest."""
        return max(abs(self._left_at.get(key, 0)), self._left_before)

    def was_invalidated(self, key: str) -> bool:
        """Tell whether `key` left, and no value came after that."""
        return self._left_at.get(key, 0) > 0

    def leave(self, key: str, *, sign: int = 1) -> tuple[int, int]:
        """Take that `key` leaves: give the places where it left last time, and now.

        With a negative `sign` a miss to come has another reason than an invalidation.
        """
        left_at = self._left_at
        before = 0
        if key in left_at:
            before = left_at[key]
            del left_at[key]
        self.sequence = place = self.sequence + 1
        left_at[key] = sign * place
        return (before if before > 0 else -before), place

    def bound(self) -> None:
        """Forget the key that left first, where there are too many."""
        left_at = self._left_at
        if len(left_at) > _MOST:
            for oldest in left_at:
                before = left_at[oldest]
                del left_at[oldest]
                if before < 0:
                    before = -before
                if before > self._left_before:  # noqa: PLR1730 - `max` is a call
                    self._left_before = before
                break

    def came(self, key: str) -> None:
        """Take that a value of `key` came."""
        left_at = self._left_at
        if key in left_at and left_at[key] > 0:
            left_at[key] = -left_at[key]

    def all_left(self) -> None:
        """Take that every key leaves."""
        self.sequence = self._left_before = self.sequence + 1
        self._left_at.clear()

    def begin_write(self, key: str) -> None:
        """Take that somebody begins to write `key`."""
        writing = self._writing
        if key in writing:
            others = writing[key]
            writing[key] = others - 1 if others < 0 else -2
        else:
            writing[key] = 1

    def end_write(self, key: str) -> bool:
        """Take that somebody ends it; True where nobody else wrote `key` meanwhile."""
        writing = self._writing
        others = writing[key]
        if others in (1, -1):
            del writing[key]
        else:
            writing[key] = others + 1
        return others == 1

    def is_after(self, sequence: int) -> bool:
        """Tell whether keys that are not remembered may have left after that place."""
        return self._left_before > sequence

    def after_fork_in_child(self) -> None:
        """Forget what left, as nothing is held, and who writes: threads of the parent."""
        self._left_at.clear()
        self._writing = {}
