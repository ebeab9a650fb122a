"""What a request, a thread or a task wrote last, so that it reads it back."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from ..._clock import Clock

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


class Memory:
    """Remembers the last own commit, for each context apart.

    A new thread starts with no memory and a new task with its parent's. `begin` gives the context
    a memory that tasks and `asyncio.to_thread` calls made from then on share with it.
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
        box[self._key] = Written(lsn=lsn, at=self._clock.monotonic())

    def last(self) -> Written | None:
        """Give the last commit, unless it is an hour old."""
        box = _written.get()
        last = None if box is None else box.get(self._key)
        if last is None or self._clock.monotonic() - last.at > _LONGEST:
            return None
        return last

    def begin(self, token: str | None) -> None:
        """Forget what this context remembers, and remember what `token` says."""
        box = {**(_written.get() or {})}
        box.pop(self._key, None)
        _written.set(box)
        found = None if token is None else _FORM.fullmatch(token)
        if found is None:
            return
        # No further back or ahead than makes a difference: the writer's clock may be another's.
        age = self._clock.wall() - int(found["wall"]) / 1000
        lsn = None if found["lsn"] == "-" else int(found["lsn"], 16)
        at = self._clock.monotonic() - min(max(age, 0.0), _LONGEST)
        box[self._key] = Written(lsn=lsn, at=at)

    def token(self) -> str | None:
        """Write the last commit down for another process to remember; None if there is none."""
        last = self.last()
        if last is None:
            return None
        wall = self._clock.wall() - (self._clock.monotonic() - last.at)
        lsn = "-" if last.lsn is None else format(last.lsn, "x")
        return f"1.{lsn}.{max(0, round(wall * 1000))}"
