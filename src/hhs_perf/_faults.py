"""Faults that were kept from the host: counted, and logged once for each cause."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from ._fork import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Faults"]

_MOST_CAUSES: Final = 200
_OTHER: Final = "other"


class Faults:
    """Counts faults by cause: where something was caught, and the type of the error."""

    def __init__(self, logger: str = "hhs_perf") -> None:
        self._log = logging.getLogger(logger)
        # Guards the counts; reentrant, as finalizers and signal handlers may meet faults.
        self._lock = threading.RLock()
        self._counts: dict[str, int] = {}
        self._joined: Faults | None = None
        renew_after_fork(self)

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each cause has been noted; by all that joined, once these did."""
        joined = self._joined
        if joined is not None:
            return joined.counts
        with self._lock:
            return dict(self._counts)

    def note(
        self, where: str, error: BaseException, *, is_plain: bool = False, **extra: object
    ) -> None:
        """Count a fault; log the first of its cause, with `extra` as the record's fields.

        One that `is_plain` is told in a line with the error's text, without its traceback.
        """
        with self._lock:
            joined = self._joined
            times = 0 if joined is not None else self._add(f"{where}: {type(error).__name__}", 1)
        if joined is not None:
            joined.note(where, error, is_plain=is_plain, **extra)
        if times != 1:
            return
        if is_plain:
            kind = type(error).__name__
            self._log.error("%s failed; the host goes on: %s: %s", where, kind, error, extra=extra)
        else:
            self._log.error("%s failed; the host goes on", where, exc_info=error, extra=extra)

    def join(self, others: Faults) -> None:
        """Hand over to `others` what was counted here, and from now on all that is noted.

        Those who hold these faults need not know. Joining again goes to the latest.
        """
        if others is self:
            return
        with self._lock:
            counts, self._counts = self._counts, {}
            self._joined = others
        for cause, times in counts.items():
            others._add(cause, times)

    def _add(self, cause: str, times: int) -> int:
        with self._lock:
            if cause not in self._counts and len(self._counts) >= _MOST_CAUSES:
                cause = _OTHER
            self._counts[cause] = self._counts.get(cause, 0) + times
            return self._counts[cause]

    def after_fork_in_child(self) -> None:
        """Begin at nothing: the faults of the parent are the parent's to tell."""
        self._lock = threading.RLock()
        self._counts = {}
