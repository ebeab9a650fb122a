"""Keys of recent calls, by their arguments: making a key anew takes ten times as long."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["RecentKeys", "remembering"]

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


def remembering(
    recent: RecentKeys, made: Callable[[tuple[object, ...], Mapping[str, object]], str]
) -> Callable[[tuple[object, ...], Mapping[str, object]], str]:
    """Wrap `made`, which makes keys of calls, so that it is asked for unknown ones only."""
    # A closure, since this runs on every hit: looking up attributes would take half the time.
    by_kinds = recent.by_kinds

    def make(args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
        if not kwargs:
            if len(args) == 1:
                known = by_kinds.get(type(args[0]))
                found = None if known is None else known.get(args[0])
            elif len(args) == 2:  # noqa: PLR2004 - what map and tuple cost is half of the time
                known = by_kinds.get((type(args[0]), type(args[1])))
                found = None if known is None else known.get(args)
            else:
                found = recent.find(args)
            if found is not None:
                return found
        return made(args, kwargs)

    return make
