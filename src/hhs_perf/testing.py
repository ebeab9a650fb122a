"""Help for tests of code that uses hhs_perf."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """A clock that moves only when told.

    >>> clock = FakeClock(wall=1_000.0)
    >>> clock.advance(2.5)
    >>> clock.wall(), clock.monotonic()
    (1002.5, 2.5)
    """

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._wall = wall
        self._monotonic = 0.0

    def monotonic(self) -> float:
        """Give the seconds it was moved forward."""
        return self._monotonic

    def wall(self) -> float:
        """Give seconds since 1970-01-01 UTC."""
        return self._wall

    def advance(self, seconds: float) -> None:
        """Move forward; raises ValueError for negative `seconds`."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards: {seconds}")
        self._monotonic += seconds
        self._wall += seconds

    def jump_wall(self, seconds: float) -> None:
        """Adjust the wall clock alone, as an operator or NTP does."""
        self._wall += seconds
