"""Invalidations of many entries at once, as marks in time that entries are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .wire.codec import Frame

__all__ = ["MarkKind", "Marks"]

MarkKind = Literal["tag", "prefix", "everything"]

_MOST_TAGS: Final = 10_000
_MOST_PREFIXES: Final = 200


class Marks:
    """What was invalidated by tag, prefix or altogether, as this process knows it.

    Two measures tell whether an entry is older than a mark. In L1 it is the `epoch`, a number
    that each mark raises: no clock is compared. In L2 it is the stamp, in seconds of Redis's
    clock: an entry made at or before the stamp of a mark that concerns it is void. A tag that
    nobody has invalidated for as long as an entry may live has no mark; since only the latest
    10,000 tags are remembered, one that is not among them has to be asked for.

    Changed under the lock of the cache; read without it.
    """

    __slots__ = ("_dropped_epoch", "_everything", "_prefixes", "_tags", "epoch", "latest")

    def __init__(self) -> None:
        self.epoch = 0
        self.latest = 0.0
        self._everything = (0.0, 0)
        self._prefixes: dict[str, tuple[float, int]] = {}
        self._tags: dict[str, tuple[float, int]] = {}
        self._dropped_epoch = 0

    def add(self, kind: MarkKind, what: str, stamp: float) -> None:
        """Take the invalidation of a tag, of a prefix, or of everything."""
        self.epoch += 1
        self.latest = max(self.latest, stamp)
        if kind == "everything":
            self._everything = (max(stamp, self._everything[0]), self.epoch)
        elif kind == "prefix":
            self._take(self._prefixes, what, stamp, self.epoch)
            if len(self._prefixes) > _MOST_PREFIXES:
                # Too many to compare with each: what is older than all of them is void as well.
                newest = max(known for known, _ in self._prefixes.values())
                self._prefixes.clear()
                self._everything = (max(newest, self._everything[0]), self.epoch)
        else:
            self._take(self._tags, what, stamp, self.epoch)
            self._bound_tags()

    def learn(
        self, tags: Mapping[str, float], prefixes: Mapping[str, float], everything: float
    ) -> None:
        """Take marks as Redis has them, where these are newer than what is known."""
        for tag, stamp in tags.items():
            self._learn(self._tags, tag, stamp)
        for prefix, stamp in prefixes.items():
            self._learn(self._prefixes, prefix, stamp)
        if everything > self._everything[0]:
            self.epoch += 1
            self._everything = (everything, self.epoch)
        self.latest = max(self.latest, self._everything[0])
        self._bound_tags()

    def unknown(self, tags: Iterable[str]) -> list[str]:
        """Give those of the tags of which it is not known whether they were invalidated."""
        known = self._tags
        return [tag for tag in tags if tag not in known]

    def forget_tags(self) -> None:
        """Know nothing of tags: while nobody listened they may have been invalidated."""
        self._dropped_epoch = self.epoch = self.epoch + 1
        self._tags.clear()

    def voids_frame(self, key: str, tags: tuple[str, ...], created: float) -> bool:
        """Tell whether an entry of L2, made at `created`, is older than a mark on it."""
        if created <= self._everything[0]:
            return True
        if self._prefixes:
            for prefix, (stamp, _) in list(self._prefixes.items()):
                if created <= stamp and key.startswith(prefix):
                    return True
        if not tags:
            return False
        return any(created <= self._tags.get(tag, (0.0, 0))[0] for tag in tags)

    def void_among(self, frames: Mapping[str, Frame]) -> list[str]:
        """Give the keys of those frames of L2 that are older than a mark on them."""
        everything, prefixes = self._everything[0], self._prefixes
        return [
            key
            for key, frame in frames.items()
            if frame.created <= everything
            or ((prefixes or frame.tags) and self.voids_frame(key, frame.tags, frame.created))
        ]

    def voids_entry(self, key: str, tags: tuple[str, ...], epoch: int) -> bool:
        """Tell whether an entry of L1, begun in `epoch`, is older than a mark on it."""
        if epoch < self._everything[1] or (tags and epoch < self._dropped_epoch):
            return True
        for prefix, (_, marked) in list(self._prefixes.items()):
            if epoch < marked and key.startswith(prefix):
                return True
        return any(epoch < self._tags.get(tag, (0.0, 0))[1] for tag in tags)

    def _learn(self, known: dict[str, tuple[float, int]], what: str, stamp: float) -> None:
        if what not in known or stamp > known[what][0]:
            if stamp:
                self.epoch += 1
                self.latest = max(self.latest, stamp)
            self._take(known, what, stamp, self.epoch if stamp else 0)

    @staticmethod
    def _take(known: dict[str, tuple[float, int]], what: str, stamp: float, epoch: int) -> None:
        old = known.pop(what, (0.0, 0))
        known[what] = (max(stamp, old[0]), epoch)

    def _bound_tags(self) -> None:
        while len(self._tags) > _MOST_TAGS:
            _, epoch = self._tags.pop(next(iter(self._tags)))
            self._dropped_epoch = max(self._dropped_epoch, epoch)
