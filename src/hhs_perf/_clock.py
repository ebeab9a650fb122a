"""Time, as a value that can be handed in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clock", "SystemClock", "Timeline", "rfc3339"]


@runtime_checkable
class Clock(Protocol):
    """Where durations and stamps come from."""

    def monotonic(self) -> float:
        """Seconds that never run backwards, for durations and slots."""
        ...

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC, for stamps; may jump."""
        ...


class SystemClock:
    """The clocks of the operating system."""

    # The builtins themselves: a Python frame around them would double what a timed call costs.
    monotonic: Callable[[], float] = staticmethod(time.perf_counter)
    wall: Callable[[], float] = staticmethod(time.time)


class Timeline:
    """A wall time that never jumps: the wall time at start plus the monotonic time since.

    Slots are cut along it, so that all workers of all machines cut them alike while an adjusted
    wall clock can neither empty nor repeat one.
    """

    __slots__ = ("_offset", "monotonic")

    def __init__(self, clock: Clock) -> None:
        self.monotonic: Callable[[], float] = clock.monotonic
        self._offset = clock.wall() - clock.monotonic()

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._offset + self.monotonic()

    def at(self, monotonic: float) -> float:
        """Place a monotonic reading of the same clock on the timeline."""
        return self._offset + monotonic

    def monotonic_at(self, now: float) -> float:
        """Turn a place on the timeline into the monotonic reading that belongs to it."""
        return now - self._offset


def rfc3339(seconds: float) -> str:
    """Write seconds since 1970 as an RFC 3339 stamp in UTC, to the millisecond."""
    from datetime import UTC, datetime  # noqa: PLC0415 - slow, and start-up writes no stamp

    stamp = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")
