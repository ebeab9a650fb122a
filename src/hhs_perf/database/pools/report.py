"""How a pool stands and what it did since it was first watched, as frozen values."""

from __future__ import annotations

from typing import Literal

import attrs

from ..lines import Line  # noqa: TC001 - msgspec resolves these annotations for the schema

__all__ = ["Holder", "PoolReport", "Spent", "TimedBy"]

TimedBy = Literal["pool", "events", "none"]


@attrs.frozen(kw_only=True, slots=False)
class Spent:
    """Durations since the start, in seconds; `mean` and `longest` are None before the first."""

    count: int
    total: float
    mean: float | None
    longest: float | None


@attrs.frozen(kw_only=True, slots=False)
class Holder:
    """A connection that is out for too long, and who holds it.

    `since` is when it was taken, in seconds since 1970 UTC. `line` is the line of the application
    that took it (`line_seen` is `checkout`) or, where that was not looked up, the line where its
    holder was when it was first found out for a second (`later`). `now` is where the holder is.
    """

    since: float
    line: Line | None
    line_seen: Literal["checkout", "later"] | None
    now: Line | None
    route: str | None
    thread: str | None
    task: str | None


@attrs.frozen(kw_only=True, slots=False)
class PoolReport:
    """One pool; None is unknown, or does not exist for a pool of this kind.

    `timed_by` is `pool` where the pool itself is timed, `events` where SQLAlchemy's public events
    tell what they can, which is no wait, and `none` where nothing could be listened to; `reason`
    says why. `capacity` is size and overflow together, None without a limit; `utilisation` is
    `in_use / capacity`. `overflow` counts the connections above `size` that are open now. Waits
    are without the time to connect. `reconnects` are those of `connects` that took the place of
    a connection that was recycled or invalidated. `invalidations` include soft ones.
    """

    name: str
    kind: str
    timed_by: TimedBy
    reason: str | None
    size: int | None
    max_overflow: int | None
    capacity: int | None
    timeout: float | None
    recycle: float | None
    pre_ping: bool | None
    in_use: int | None
    idle: int | None
    overflow: int | None
    utilisation: float | None
    most_in_use: int | None
    waiting: int | None
    most_waiting: int | None
    checkouts: int | None
    timeouts: int | None
    connects: int | None
    reconnects: int | None
    connect_errors: int | None
    closes: int | None
    invalidations: int | None
    wait: Spent | None
    connect: Spent | None
    hold: Spent | None
    holders: tuple[Holder, ...]
