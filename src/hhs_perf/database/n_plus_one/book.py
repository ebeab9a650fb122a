"""The N+1 queries found so far, over all scopes."""

from __future__ import annotations

from collections import Counter
from threading import RLock
from typing import TYPE_CHECKING, Final

from ..._fork import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..lines import Line
    from .findings import Finding

__all__ = ["FindingBook", "Found"]

_MOST_HELD: Final = 200
_MOST_ROUTES: Final = 20


class Found:
    """One N+1 query, as often as it was found."""

    __slots__ = ("finding", "first_at", "last_at", "most", "queries", "routes", "seconds", "times")

    def __init__(self, finding: Finding, at: float) -> None:
        self.finding = finding
        self.first_at = at
        self.last_at = at
        self.times = 0
        self.queries = 0
        self.most = 0
        self.seconds = 0.0
        self.routes: Counter[str] = Counter()


class FindingBook:
    """Adds up findings by kind, statement, line and advice; the least recent make room."""

    def __init__(self) -> None:
        self._lock = RLock()  # guards _held; reentrant, as a finalizer may end a scope
        self._held: dict[tuple[str, str, Line | None, str], Found] = {}
        renew_after_fork(self)

    def add(self, findings: Iterable[Finding], label: str, at: float) -> None:
        """Take what was found in one scope."""
        with self._lock:
            for finding in findings:
                key = (finding.kind, finding.statement, finding.line, finding.advice)
                found = self._held.pop(key, None) or Found(finding, at)
                if len(self._held) >= _MOST_HELD:
                    del self._held[next(iter(self._held))]
                self._held[key] = found
                found.last_at = at
                found.times += 1
                found.queries += finding.count
                found.seconds += finding.seconds
                found.most = max(found.most, finding.count)
                if label in found.routes or len(found.routes) < _MOST_ROUTES:
                    found.routes[label] += 1

    def all(self) -> tuple[Found, ...]:
        """Give what was found, the dearest first."""
        with self._lock:
            return tuple(sorted(self._held.values(), key=lambda each: -each.seconds))

    def after_fork_in_child(self) -> None:
        """Begin at nothing."""
        self._lock = RLock()
        self._held.clear()
