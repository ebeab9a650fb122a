"""What Redis did not take, waiting to be sent again."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Deed", "Unsent"]

Deed = tuple[str, str]
"""`key`, `tag`, `prefix`, `everything` or `lease`, and which one."""

_MOST: Final = 10_000


class Unsent:
    """Deletes, marks and leases given back, each once, with the number of its latest coming."""

    def __init__(self) -> None:
        # Guards the deeds; reentrant as that of flights.
        self._lock = threading.RLock()
        self._deeds: dict[Deed, int] = {}
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._deeds)

    def __contains__(self, deed: Deed) -> bool:
        return deed in self._deeds

    @property
    def has_room(self) -> bool:
        """Tell whether one more does not make them too many."""
        return len(self._deeds) < _MOST

    def keep(self, kind: str, what: Iterable[str]) -> bool:
        """Remember deeds; True when they were too many to remember singly.

        Then everything is to be made void, which is dearer and as safe.
        """
        with self._lock:
            for each in what:
                self._deeds[kind, each] = next(self._numbers)
            if len(self._deeds) <= _MOST:
                return False
            self._deeds = {("everything", ""): next(self._numbers)}
            return True

    def all(self) -> dict[Deed, int]:
        """Give what waits now."""
        with self._lock:
            return dict(self._deeds)

    def forget(self, deeds: Mapping[Deed, int]) -> None:
        """Forget `deeds`, but for those that have come anew since."""
        with self._lock:
            for each, number in deeds.items():
                if self._deeds.get(each) == number:
                    del self._deeds[each]
