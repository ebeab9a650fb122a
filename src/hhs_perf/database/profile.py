"""Every query of a request, kept in development: ENABLE_QUERY_PROFILING=true."""

from __future__ import annotations

from collections import Counter, deque
from hashlib import blake2b
from threading import RLock
from typing import TYPE_CHECKING, Final

import attrs

from .._fork import renew_after_fork
from .seen.slow import MOST_SOURCE_BYTES

if TYPE_CHECKING:
    from .lines import Line
    from .seen.slow import Source

__all__ = ["MOST_QUERIES", "Profile", "ProfileBook", "ProfiledQuery", "digest_of"]

MOST_QUERIES: Final = 500
"""Queries kept of one request; the rest is counted."""
_MOST_PROFILES: Final = 50
_LONGEST_PARAMETERS: Final = 100_000


class ProfiledQuery:
    """One query of a profiled request."""

    __slots__ = (
        "began", "execute", "failed", "fetch", "key", "line", "rows", "same", "source", "sql",
    )  # fmt: skip

    def __init__(
        self, key: str, sql: str, *, began: float, execute: float, failed: bool, line: Line | None,
        same: bytes, source: Source | None,
    ) -> None:  # fmt: skip
        self.key = key
        self.sql = sql
        self.began = began
        self.execute = execute
        self.fetch = 0.0
        self.rows = 0
        self.failed = failed
        self.line = line
        # Equal for equal statements with equal parameters; nothing can be read from it.
        self.same = same
        self.source = source


@attrs.frozen(kw_only=True)
class Profile:
    """The queries of one request or scope; `at` is a place on the timeline."""

    name: str
    method: str | None
    at: float
    began: float
    seconds: float
    queries: tuple[ProfiledQuery, ...]
    left_out: int

    @property
    def query_seconds(self) -> float:
        """Seconds executing and fetching."""
        return sum(query.execute + query.fetch for query in self.queries)

    def duplicates(self) -> Counter[bytes]:
        """Count executions beyond the first of a statement with the same parameters."""
        seen = Counter(query.same for query in self.queries)
        return Counter({same: count - 1 for same, count in seen.items() if count > 1})


class ProfileBook:
    """Keeps the latest profiles."""

    def __init__(self) -> None:
        self._lock = RLock()  # guards _held; reentrant, as a finalizer may end a scope
        self._held: deque[Profile] = deque(maxlen=_MOST_PROFILES)
        renew_after_fork(self)

    def add(self, profile: Profile) -> None:
        """Keep a profile; the oldest makes room, and first of all what its plans would take."""
        with self._lock:
            self._held.append(profile)
            left = MOST_SOURCE_BYTES
            for held in reversed(self._held):
                for query in held.queries:
                    left -= query.source.size if query.source is not None else 0
                    if left < 0:
                        query.source = None

    def latest(self) -> tuple[Profile, ...]:
        """Give the profiles kept, the newest first."""
        with self._lock:
            return tuple(reversed(self._held))

    def after_fork_in_child(self) -> None:
        """Begin at nothing."""
        self._lock = RLock()
        self._held.clear()


def digest_of(statement: str, parameters: object) -> bytes:
    """Give what is equal for equal statements with equal parameters, and nothing else."""
    try:
        text = repr(parameters)
    except Exception:  # noqa: BLE001 - parameters are the host's, and may do as they like
        text = str(id(parameters))
    whole = f"{statement[:_LONGEST_PARAMETERS]}\0{text[:_LONGEST_PARAMETERS]}\0{len(text)}"
    return blake2b(whole.encode(errors="replace"), digest_size=16).digest()
