"""Whether loads give the value that was there already, as some keys of a pattern show."""

from __future__ import annotations

import marshal
from collections import deque
from typing import Any, Final

__all__ = ["Steadiness", "fingerprint_of"]

_MOST_KEYS: Final = 32
_NEW_KEY_EVERY: Final = 32
_LARGEST: Final = 1_000
_WHOLE: Final = (str, bytes, int, float, bool, type(None))
# Of these, marshal calls no code of the host: what they hold is of their kind or refused.
_CONTAINERS: Final = (dict, list, tuple, set, frozenset)


class Steadiness:
    """Compares what loads of a few keys give with what they gave the last time.

    Kept are numbers, not values. Up to 32 keys are compared; of others that are loaded each 32nd
    takes the place of the key that has been compared longest, so that no key of the past stays
    for ever. Any thread may call: what a race costs is one comparison.
    """

    __slots__ = ("_known", "_order", "_others", "compared", "unchanged")

    def __init__(self) -> None:
        self._known: dict[str, int | None] = {}
        self._order: deque[str] = deque()
        self._others = 0
        self.compared = 0
        self.unchanged = 0

    def wants(self, key: str) -> bool:
        """Tell whether what a load of `key` gave is to be compared."""
        if key in self._known:
            return True
        if len(self._known) >= _MOST_KEYS:
            self._others += 1
            if self._others % _NEW_KEY_EVERY:
                return False
            self._known.pop(self._order.popleft(), None)
        self._known[key] = None
        self._order.append(key)
        return True

    def take(self, key: str, fingerprint: int | None) -> None:
        """Take what a load of a wanted key gave; None where that cannot be told."""
        last = self._known.get(key)
        if key in self._known:
            self._known[key] = fingerprint
        if last is not None and fingerprint is not None:
            self.compared += 1
            self.unchanged += last == fingerprint

    def same(self, key: str) -> None:
        """Take that the loader itself said that nothing has changed."""
        self.compared += 1
        self.unchanged += 1
        if key in self._known:
            self._known[key] = None


def fingerprint_of(value: Any) -> int | None:
    """Give a number that equal values share in this process, by their bytes.

    None for values that hold something else than plain data, and for containers of more than
    1,000 items.
    """
    if type(value) in _WHOLE:
        return hash(value)
    if type(value) not in _CONTAINERS or len(value) > _LARGEST:
        return None
    try:
        # Version 2 writes equal values alike: later ones look at who else holds an object.
        return hash(marshal.dumps(value, 2))
    except ValueError:
        return None
