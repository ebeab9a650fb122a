"""Where transactions went, counted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..._fork import renew_after_fork
from .report import REASONS, FallbackCount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .report import Reason
    from .watch import Watch

__all__ = ["Counts"]


class Counts:
    """Counts transactions by replica, the primary being None, and fallbacks by reason."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        # Guards the counts.
        self._lock = threading.Lock()
        self._transactions: dict[Watch | None, int] = dict.fromkeys([None, *watches], 0)
        self._fallbacks = dict.fromkeys(REASONS, 0)
        renew_after_fork(self)

    def began(self, watch: Watch | None, reason: Reason | None) -> None:
        """Count a transaction, or the rest of one, on a replica or on the primary."""
        with self._lock:
            self._transactions[watch] += 1
            if watch is None and reason is not None:
                self._fallbacks[reason] += 1

    def transactions(self) -> dict[Watch | None, int]:
        """Give the transactions of each replica and, for None, of the primary."""
        with self._lock:
            return dict(self._transactions)

    def fallbacks(self) -> tuple[FallbackCount, ...]:
        """Give the reasons that occurred."""
        with self._lock:
            counts = dict(self._fallbacks)
        return tuple(
            FallbackCount(reason=reason, transactions=count)
            for reason, count in counts.items()
            if count
        )

    def after_fork_in_child(self) -> None:
        """Count anew in a forked child."""
        self._lock = threading.Lock()
        self._transactions = dict.fromkeys(self._transactions, 0)
        self._fallbacks = dict.fromkeys(self._fallbacks, 0)
