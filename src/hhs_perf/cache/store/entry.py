"""What the first level keeps for one key: memory matters, so it is four slots and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..observed.stats import PatternCounts
    from ..policy import Policy

__all__ = ["CREDIT", "HIT", "MAIN", "Detail", "Entry", "Group", "is_gone", "take_hits"]

HIT: Final = 0b1000
"""What a hit adds to `Entry.hits`."""
MAIN: Final = 0b0100
"""The bit of `Entry.hits` that is set while the entry stands in the main queue of S3-FIFO."""
CREDIT: Final = 0b0011
"""The bits of `Entry.hits` that hold the credit left by the last scan: 3 is the most."""
_SHIFT: Final = 3


class Group:
    """What entries stored alike share: the epoch of marks, their pattern, tags and policy."""

    __slots__ = ("epoch", "pattern", "policy", "tags")

    def __init__(
        self, epoch: int, pattern: PatternCounts, tags: tuple[str, ...], policy: Policy
    ) -> None:
        self.epoch = epoch
        self.pattern = pattern
        self.tags = tags
        self.policy = policy


class Detail(Group):
    """The group of a single entry that may be used past its `expires`, or needs a look each time.

    Times are readings of the cache's monotonic clock, in seconds.
    """

    __slots__ = ("eager_from", "fresh_until", "is_error", "keep_until", "note")

    def __init__(
        self, epoch: int, pattern: PatternCounts, tags: tuple[str, ...], policy: Policy
    ) -> None:
        super().__init__(epoch, pattern, tags, policy)
        self.fresh_until = 0.0
        self.keep_until = 0.0
        self.eager_from = 0.0
        self.note: str | None = None
        self.is_error = False


class Entry:
    """A cached value.

    `expires` is the reading of the cache's monotonic clock, in seconds, up to which a hit may be
    answered without a further look; it may be infinite either way.  `hits` packs the hits since
    the last harvest (above bit 2) with the queue (bit 2) and the credit left by the last scan
    (bits 0 and 1) of S3-FIFO.  A hit is `entry.hits += HIT` and nothing else, so that a read
    takes no lock; only `take_hits` may take hits out.
    """

    __slots__ = ("expires", "group", "hits", "value")

    def __init__(self, value: object, expires: float, hits: int, group: Group) -> None:
        self.value = value
        self.expires = expires
        self.hits = hits
        self.group = group

    def __repr__(self) -> str:
        """Show the value, when it expires, and the hits since the last harvest."""
        return f"Entry({self.value!r}, expires={self.expires!r}, hits={self.hits >> _SHIFT})"


def take_hits(entry: Entry) -> int:
    """Give the hits since the last harvest, and keep them as credit, of which 3 is the most.

    To be called under the store's lock.
    """
    # From the reading of the field to its writing nothing is called, `min` neither: under the
    # interpreter's own lock no hit falls in between.
    hits = entry.hits
    made = hits >> _SHIFT
    if made:
        credit = (hits & CREDIT) + made
        entry.hits = hits & MAIN | (credit if credit < CREDIT else CREDIT)  # noqa: FURB136 - `min` is a call
    return made


def is_gone(entry: Entry, now: float) -> bool:
    """Tell whether nobody can use the entry any more, not even as a stale value."""
    if entry.expires > now:
        return False
    group = entry.group
    return not isinstance(group, Detail) or group.keep_until <= now
