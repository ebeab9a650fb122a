"""Invalidations of many entries at once, as marks in time that entries are compared with."""

# ruff: noqa: PLR1730 - `max` is a call, and none may stand there: see `Marks`
from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .wire.codec import Frame

__all__ = ["MarkKind", "Marks"]

MarkKind = Literal["tag", "prefix", "everything"]

_MOST_TAGS: Final = 10_000
_MOST_PREFIXES: Final = 200


class _Known:
    """Marks of one kind, by what they concern, the one set longest ago first."""

    __slots__ = ("epochs", "stamps")

    def __init__(self) -> None:
        self.stamps: dict[str, float] = {}
        self.epochs: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.stamps)


class Marks:
    """What was invalidated by tag, prefix or altogether, as this process knows it.

    Two measures tell whether an entry is older than a mark. In L1 it is the `epoch`, a number
    that each mark raises: no clock is compared. In L2 it is the stamp, in seconds of Redis's
    clock: an entry made at or before the stamp of a mark that concerns it is void. A tag that
    nobody has invalidated for as long as an entry may live has no mark; since only the latest
    10,000 tags are remembered, one that is not among them has to be asked for.

    Changed under the lock of the cache; read without it. Finalizers and signal handlers come
    while it is held, too, and look for entries, or set marks: therefore nothing is called from
    the reading of a field to its writing, nor between the raising of the epoch and the mark.
    """

    __slots__ = (
        "_dropped_epoch",
        "_everything_epoch",
        "_everything_stamp",
        "_gap",
        "_holds",
        "_prefixes",
        "_tags",
        "epoch",
        "latest",
        "quick",
    )

    def __init__(self) -> None:
        self.epoch = 0
        # The epoch whose entries need no second look: none while somebody holds them, since the
        # number lies between two epochs then. So looking closer costs a hit nothing otherwise.
        self.quick: float = 0
        self._gap: float = 0
        self._holds = 0
        self.latest = 0.0
        self._everything_stamp = 0.0
        self._everything_epoch = 0
        self._prefixes = _Known()
        self._tags = _Known()
        self._dropped_epoch = 0

    def add(self, kind: MarkKind, what: str, stamp: float) -> None:
        """Take the invalidation of a tag, of a prefix, or of everything."""
        if kind == "everything":
            self._mark_all(stamp)
        elif kind == "prefix":
            self._mark(self._prefixes, what, stamp)
            self._bound_prefixes()
        else:
            self._mark(self._tags, what, stamp)
            self._bound_tags()

    def learn(
        self, tags: Mapping[str, float], prefixes: Mapping[str, float], everything: float
    ) -> None:
        """Take marks as Redis has them, where these are newer than what is known."""
        for tag, stamp in tags.items():
            self._learn(self._tags, tag, stamp)
        for prefix, stamp in prefixes.items():
            self._learn(self._prefixes, prefix, stamp)
        if everything > self._everything_stamp:
            self._mark_all(everything)
        self._bound_prefixes()
        self._bound_tags()

    def unknown(self, tags: Iterable[str]) -> list[str]:
        """Give those of the tags of which it is not known whether they were invalidated."""
        known = self._tags.stamps
        return [tag for tag in tags if tag not in known]

    def forget_tags(self) -> None:
        """Know nothing of tags: while nobody listened they may have been invalidated."""
        known = _Known()
        self._dropped_epoch = self.epoch = self.epoch + 1
        self.quick = self.epoch + self._gap
        self._tags = known

    def look_again(self) -> None:
        """Have every entry looked at once more, without any of them being void."""
        self.epoch += 1
        self.quick = self.epoch + self._gap

    def hold(self) -> None:
        """Let no entry pass without a second look, until `release` is called as often."""
        self._holds += 1
        self._gap = 0.5
        self.quick = self.epoch + self._gap

    def release(self) -> None:
        """Take one `hold` back; in a child forked meanwhile there is none."""
        if self._holds:
            self._holds -= 1
        self._gap = 0.5 if self._holds else 0
        self.quick = self.epoch + self._gap

    def after_fork_in_child(self) -> None:
        """Hold nothing: who did so is a thread of the parent."""
        self._holds = 0
        self._gap = 0
        self.quick = self.epoch

    def voids_frame(self, key: str, tags: tuple[str, ...], created: float) -> bool:
        """Tell whether an entry of L2, made at `created`, is older than a mark on it."""
        if created <= self._everything_stamp:
            return True
        if self._prefixes.stamps:
            for prefix, stamp in list(self._prefixes.stamps.items()):
                if created <= stamp and key.startswith(prefix):
                    return True
        if not tags:
            return False
        stamps = self._tags.stamps
        return any(created <= stamps.get(tag, 0.0) for tag in tags)

    def void_among(self, frames: Mapping[str, Frame]) -> list[str]:
        """Give the keys of those frames of L2 that are older than a mark on them."""
        everything, prefixes = self._everything_stamp, self._prefixes.stamps
        return [
            key
            for key, frame in frames.items()
            if frame.created <= everything
            or ((prefixes or frame.tags) and self.voids_frame(key, frame.tags, frame.created))
        ]

    def voids_entry(self, key: str, tags: tuple[str, ...], epoch: int) -> bool:
        """Tell whether an entry of L1, begun in `epoch`, is older than a mark on it."""
        if epoch < self._everything_epoch or (tags and epoch < self._dropped_epoch):
            return True
        for prefix, marked in list(self._prefixes.epochs.items()):
            if epoch < marked and key.startswith(prefix):
                return True
        epochs = self._tags.epochs
        return any(epoch < epochs.get(tag, 0) for tag in tags)

    def _learn(self, known: _Known, what: str, stamp: float) -> None:
        if what not in known.stamps or stamp > known.stamps[what]:
            if stamp:
                self._mark(known, what, stamp)
            else:
                known.epochs.setdefault(what, 0)
                known.stamps.setdefault(what, 0.0)

    def _mark(self, known: _Known, what: str, stamp: float) -> None:
        stamps, epochs = known.stamps, known.epochs
        if stamp > self.latest:
            self.latest = stamp
        if what in stamps:
            if stamps[what] > stamp:
                stamp = stamps[what]
            del stamps[what]
        stamps[what] = stamp
        epochs[what] = self.epoch = self.epoch + 1
        self.quick = self.epoch + self._gap

    def _mark_all(self, stamp: float) -> None:
        if stamp > self.latest:
            self.latest = stamp
        if stamp > self._everything_stamp:
            self._everything_stamp = stamp
        self._everything_epoch = self.epoch = self.epoch + 1
        self.quick = self.epoch + self._gap

    def _bound_prefixes(self) -> None:
        if len(self._prefixes) <= _MOST_PREFIXES:
            return
        # Too many to compare with each: what is older than all of them is void as well.
        stamps, epochs = self._prefixes.stamps, self._prefixes.epochs
        while stamps:
            for oldest in stamps:
                if stamps[oldest] > self._everything_stamp:
                    self._everything_stamp = stamps[oldest]
                if epochs[oldest] > self._everything_epoch:
                    self._everything_epoch = epochs[oldest]
                del stamps[oldest], epochs[oldest]
                break

    def _bound_tags(self) -> None:
        while len(self._tags) > _MOST_TAGS:
            stamps, epochs = self._tags.stamps, self._tags.epochs
            for oldest in stamps:
                if epochs[oldest] > self._dropped_epoch:
                    self._dropped_epoch = epochs[oldest]
                del stamps[oldest], epochs[oldest]
                break
