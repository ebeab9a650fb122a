"""How far a PostgreSQL replica is behind its primary, told without trusting two clocks to agree."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Final

import attrs

__all__ = ["History", "PrimarySight", "ReplicaSight", "parse_lsn", "reached"]

_SAMPLES: Final = 4096
_SHORT_HEADER: Final = 24
_LONG_HEADER: Final = 40


def parse_lsn(text: str) -> int:
    """Turn a position as PostgreSQL writes it, `16/B374D848`, into a number of bytes."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


def reached(replayed: int, block: int, segment: int) -> int:
    """Say up to which insert position everything is visible where `replayed` was replayed.

    After a record that ends with its page, the primary's insert position already stands behind
    the next page's header, where no record can end: 24 bytes, 40 at the start of a segment
    (XLogBytePosToRecPtr, xlog.c). On an idle primary a replica would else never catch up.
    """
    if not replayed % segment:
        return replayed + _LONG_HEADER
    return replayed if replayed % block else replayed + _SHORT_HEADER


@attrs.frozen(kw_only=True)
class PrimarySight:
    """The primary at `at`, a monotonic reading taken before it was asked."""

    at: float
    lsn: int
    wall: float


@attrs.frozen(kw_only=True)
class ReplicaSight:
    """A replica at `at`, a monotonic reading taken before it was asked; `wall` by its own clock.

    `visible` is the position up to which all is replayed, `last_commit` the time of the last
    commit replayed, by the primary's clock. `is_fed` tells that a receiver runs and that all that
    it received is replayed.
    """

    at: float
    wall: float
    visible: int | None
    last_commit: float | None
    is_fed: bool


class History:
    """Where the primary was when, and what that says of a replica's lag."""

    def __init__(self) -> None:
        self._seen: deque[PrimarySight] = deque(maxlen=_SAMPLES)
        self._skew = 0.0

    def lag(self, primary: PrimarySight | None, replica: ReplicaSight) -> float | None:
        """Give the lag in seconds, 0 where nothing is missing, None where it cannot be told.

        It is infinite where something is missing and nothing says since when.

        Two upper bounds are known, and the smaller is given: the time since the primary was at a
        position that the replica has replayed, and the time since the last commit replayed, on
        the primary's clock. The clocks' difference is measured with each probe. While the primary
        is silent only what the replica received can be judged.
        """
        if replica.visible is None:
            return None
        if primary is None:
            return self._lag_without_primary(replica)
        if self._seen and primary.lsn < self._seen[-1].lsn:
            self._seen.clear()  # a failover or a restore: another history begins
        self._seen.append(primary)
        self._skew = (replica.wall - replica.at) - (primary.wall - primary.at)
        if replica.visible >= primary.lsn:
            return 0.0
        bounds = [replica.at - then for then in self._visible_since(replica.visible)]
        if replica.last_commit is not None:
            bounds.append(replica.wall - self._skew - replica.last_commit)
        return max(0.0, min(bounds, default=inf))

    def _visible_since(self, visible: int) -> list[float]:
        for sight in reversed(self._seen):
            if sight.lsn <= visible:
                return [sight.at]
        return []

    def _lag_without_primary(self, replica: ReplicaSight) -> float:
        if replica.is_fed:
            return 0.0
        # Its receiver ended with the primary: nothing is missing of what was last heard of.
        if self._seen and replica.visible is not None and replica.visible >= self._seen[-1].lsn:
            return 0.0
        if replica.last_commit is None:
            return inf
        return max(0.0, replica.wall - self._skew - replica.last_commit)
