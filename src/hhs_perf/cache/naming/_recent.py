"""Keys of recent calls, by their arguments: making a key anew takes ten times as long."""

from __future__ import annotations

import datetime as dt
from typing import Final
from uuid import UUID

__all__ = ["RecentKeys"]

_MOST: Final = 1024
_LONGEST: Final = 400
# Types whose values, when equal, are the same, so that one can be looked up in place of another.
# No float (0.0 equals -0.0), no Decimal, no datetime; of other classes not even the hash is asked.
_EXACT: Final = frozenset({str, int, bool, bytes, type(None), UUID, dt.date})


class RecentKeys:
    """The keys of at most 1,024 tuples of values, all forgotten at once when there are more."""

    def __init__(self) -> None:
        # By the types first: 1, True and 1.0 are equal.
        self.by_kinds: dict[object, dict[object, str]] = {}
        self._count = 0

    def find(self, values: tuple[object, ...]) -> str | None:
        """Give the key remembered for `values`."""
        known = self.by_kinds.get(tuple(map(type, values)))
        return None if known is None else known.get(values)

    def keep(self, values: tuple[object, ...], key: str) -> None:
        """Remember `key` for `values`, if they can be looked up."""
        kinds = tuple(map(type, values))
        if not _EXACT.issuperset(kinds) or len(key) > _LONGEST:
            return
        if self._count >= _MOST:
            self.by_kinds.clear()
            self._count = 0
        self._count += 1
        self.by_kinds.setdefault(kinds, {})[values] = key
        if len(values) == 1:
            self.by_kinds.setdefault(kinds[0], {})[values[0]] = key
