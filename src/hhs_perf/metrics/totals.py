"""Totals: what many series together have seen, added up once, when their slots close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .digest import CENTROIDS
from .distribution import TAIL
from .merging import merge
from .slots import Rings
from .window import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .digest import DigestEngine
    from .distribution import Distribution
    from .instruments import Tags
    from .window import Window

__all__ = ["Folder", "Total"]

_FOLDED_CENTROIDS: Final = 100
_TAIL_REACHES: Final = 1_500
"""In a slot of so many the tail still reaches past p95: half the centroids do for what is below."""


class Folder:
    """Folds closed slots, frames as bytes, into one longer slot."""

    __slots__ = ("_engine",)

    def __init__(self, engine: DigestEngine) -> None:
        self._engine = engine

    def __call__(self, slot: int, seconds: int, parts: Sequence[bytes], kept: int) -> bytes:
        """Fold `parts` into slot number `slot` of `seconds`, keeping `kept` values at most."""
        from .frame import decode, encode  # noqa: PLC0415 - slow, see instruments.Timer

        frames = (decode(part, self._engine, ours=True) for part in parts)
        closed = [frame.seen for frame in frames if frame is not None]
        few = sum([each.count for each in closed]) <= _TAIL_REACHES
        centroids = _FOLDED_CENTROIDS if few else CENTROIDS
        seen = merge(closed, self._engine, kept=kept, centroids=centroids, tail=TAIL)
        if seconds == DAY.slot_seconds and (seen.values is None or seen.count > kept):
            seen = seen.counters_alone()
        return encode(slot, seconds, seen)


class Total:
    """The closed slots of all series of one timer that have certain tags, as those of one.

    Reading hundreds of series slot by slot for a figure over all of them would cost hundreds of
    times as much. Guarded by the registry's flush lock.
    """

    __slots__ = ("_closing", "_engine", "_rings", "folded", "name", "since", "tags")

    def __init__(self, name: str, tags: Tags, engine: DigestEngine, since: float) -> None:
        self.name = name
        self.tags = tags
        self._engine = engine
        self.clear(since)

    def clear(self, since: float) -> None:
        """Begin with empty slots, at `since` on the timeline."""
        self.since = since
        self._closing: list[Distribution] = []
        self._rings: Rings[bytes] = Rings(Folder(self._engine), since)
        self.folded: dict[str, tuple[int, bytes]] = {}

    def has(self, tags: Tags) -> bool:
        """Tell whether a series of the timer with these tags is one of those added up."""
        return all(tag in tags for tag in self.tags)

    def take(self, name: str, tags: Tags, seen: Distribution) -> None:
        """Take what a series saw in the slot that now ends, if it is one of these."""
        if name == self.name and self.has(tags):
            self._closing.append(seen)

    def roll(self, now: float) -> None:
        """Close the slot that ended, if one did; all series must have closed theirs."""
        if self._rings.is_due(now):
            closed = None
            if self._closing:
                from .frame import encode  # noqa: PLC0415 - slow, see instruments.Timer

                seen = merge(self._closing, self._engine)
                closed = encode(self._rings.open_index, self._rings.open_seconds, seen)
                self._closing = []
            self._rings.roll(now, closed)

    def closed(self, window: Window, now: float) -> tuple[bytes, ...]:
        """Give the closed slots that `window` reaches; flush first."""
        return tuple(self._rings.closed(window, now))
