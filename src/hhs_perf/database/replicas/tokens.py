"""What a request, a block, a thread or a task wrote last, so that it reads it back."""

from __future__ import annotations

import re
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import attrs

from ..._fork import renew_after_fork
from ..._scope import current as current_request
from ..scopes import open_scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._clock import Clock
    from ..._scope import RequestScope
    from ..scopes import QueryScope

__all__ = ["Memory", "Written"]

_FORM: Final = re.compile(r"1\.(?P<lsn>[0-9a-f]{1,16}|-)\.(?P<wall>[0-9]{1,15})")
# In seconds. A position that no replica ever reaches, after a restore from a backup, must not
# keep a long-lived thread from the replicas for good.
_LONGEST: Final = 3600.0


@attrs.frozen(kw_only=True)
class Written:
    """A commit: the primary's WAL position after it, where it is known, and when it was.

    `lsn` is an upper bound of the commit's own position, `at` a monotonic reading.
    """

    lsn: int | None
    at: float


_written: Final[ContextVar[dict[object, Written] | None]] = ContextVar(
    "hhs_perf_written", default=None
)


class _Boxes:
    """Gives each request and each block one box, also if two of its threads ask at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_after_fork(self)

    def of(self, holder: RequestScope | QueryScope) -> dict[object, Written]:
        """Give its box, a new one if it has none."""
        with self._lock:
            if holder.written is None:
                holder.written = {}
            box: dict[object, Written] = holder.written
        return box

    def after_fork_in_child(self) -> None:
        """Renew the lock, which another thread may have held."""
        self._lock = threading.Lock()


_boxes: Final = _Boxes()


def _holders() -> Iterator[RequestScope | QueryScope]:
    """Give what all tasks and calls of a request, or of blocks, have in common."""
    # Also one that is over: tasks may go on, and a thread keeps it until its next request.
    request = current_request.get()
    if request is not None:
        yield request
    scope = open_scope()
    while scope is not None:
        yield scope
        scope = scope.outer


def _filled() -> Iterator[dict[object, Written] | None]:
    yield _written.get()
    for holder in _holders():
        yield holder.written


class Memory:
    """Remembers the last own commit, for each request, block of `scope()` and context apart.

    Within a request or a block all share what one of them wrote. Elsewhere a new thread starts
    with no memory and a new task with its parent's. `begin` gives the context a memory that tasks
    and `asyncio.to_thread` calls made from then on share with it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Routers of several databases keep their positions apart. No context keeps the memory
        # itself alive.
        self._key = object()

    def note(self, lsn: int | None) -> None:
        """Remember a commit made just now."""
        box = _written.get()
        if box is None:
            _written.set(box := {})
        written = box[self._key] = Written(lsn=lsn, at=self._clock.monotonic())
        for holder in _holders():
            _boxes.of(holder)[self._key] = written

    def last(self) -> Written | None:
        """Give the last commit, unless it is an hour old."""
        found = [box.get(self._key) for box in _filled() if box]
        known = [each for each in found if each is not None]
        last = max(known, key=lambda written: written.at, default=None)
        if last is None or self._clock.monotonic() - last.at > _LONGEST:
            return None
        return last

    def begin(self, token: str | None) -> None:
        """Forget what is remembered here, and remember what `token` says."""
        box = {**(_written.get() or {})}
        box.pop(self._key, None)
        _written.set(box)
        for known in _filled():
            if known:
                known.pop(self._key, None)
        found = None if token is None else _FORM.fullmatch(token)
        if found is None:
            return
        # No further back or ahead than makes a difference: the writer's clock may be another's.
        age = self._clock.wall() - int(found["wall"]) / 1000
        lsn = None if found["lsn"] == "-" else int(found["lsn"], 16)
        at = self._clock.monotonic() - min(max(age, 0.0), _LONGEST)
        written = box[self._key] = Written(lsn=lsn, at=at)
        for holder in _holders():
            _boxes.of(holder)[self._key] = written

    def token(self) -> str | None:
        """Write the last commit down for another process to remember; None if there is none."""
        last = self.last()
        if last is None:
            return None
        wall = self._clock.wall() - (self._clock.monotonic() - last.at)
        lsn = "-" if last.lsn is None else format(last.lsn, "x")
        return f"1.{lsn}.{max(0, round(wall * 1000))}"
