"""Reads a ledger, and the pools that write to it, into a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy.pool import QueuePool

from .holders import holder_line, route_of_hold, thread_name
from .report import Holder, PoolReport, Spent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.pool import Pool

    from ..._clock import Timeline
    from .holders import Hold, Note
    from .ledger import Ledger, Sum

__all__ = ["capacity_of", "look_up_lines", "mark_of", "read_holders", "read_pool"]

LOOK_AFTER: Final = 1.0
_MOST_HOLDERS: Final = 50


@attrs.frozen(kw_only=True)
class _Standing:
    """The numbers of one queue pool, or the sums of several."""

    size: int | None
    max_overflow: int | None
    capacity: int | None
    in_use: int
    idle: int
    overflow: int


def capacity_of(pool: Pool) -> int | None:
    """Give the most connections that a pool may have, None without a limit."""
    if not isinstance(pool, QueuePool) or not pool.size():
        return None
    most: int = pool._max_overflow  # noqa: SLF001 - said nowhere else
    return None if most < 0 else pool.size() + most


def _standing(pools: Sequence[Pool]) -> _Standing | None:
    queues = [pool for pool in pools if isinstance(pool, QueuePool)]
    if not queues:
        return None
    first: Any = queues[0]
    limits = [capacity_of(pool) for pool in queues]
    held = [limit for limit in limits if limit is not None]
    in_use = sum(max(pool.checkedout(), 0) for pool in queues)
    idle = sum(pool.checkedin() for pool in queues)
    size = first.size() or None
    return _Standing(
        size=size,
        max_overflow=None if size is None or first._max_overflow < 0 else first._max_overflow,  # noqa: SLF001 - said nowhere else
        capacity=sum(held) if len(held) == len(limits) else None,
        in_use=in_use,
        idle=idle,
        overflow=0 if size is None else max(in_use + idle - size * len(queues), 0),
    )


def _spent(seen: Sum, *, known: bool) -> Spent | None:
    if not known:
        return None
    return Spent(
        count=seen.count,
        total=seen.total,
        mean=seen.total / seen.count if seen.count else None,
        longest=seen.longest if seen.count else None,
    )


def read_pool(
    name: str, ledger: Ledger, pools: Sequence[Pool], holders: tuple[Holder, ...]
) -> PoolReport:
    """Make the report of what `pools`, one as a rule, noted in one ledger."""
    ledger.drain()
    first: Any = pools[0]
    standing = _standing(pools)
    timed = ledger.timed_by == "pool"
    heard = ledger.timed_by != "none"
    lends = heard and ledger.times_holds
    in_use = standing.in_use if standing else len(ledger.out) if lends else None
    idle = standing.idle if standing else 0
    with ledger.lock:
        return PoolReport(
            name=name,
            kind=type(first).__name__,
            timed_by=ledger.timed_by,
            reason=ledger.reason,
            size=standing.size if standing else None,
            max_overflow=standing.max_overflow if standing else None,
            capacity=standing.capacity if standing else None,
            timeout=first._timeout if standing else None,  # noqa: SLF001 - as `timeout()` says
            recycle=_seconds(getattr(first, "_recycle", None)),
            pre_ping=getattr(first, "_pre_ping", None),
            in_use=in_use,
            idle=idle if standing else None,
            overflow=standing.overflow if standing else None,
            utilisation=(
                standing.in_use / standing.capacity if standing and standing.capacity else None
            ),
            most_in_use=max(ledger.most_in_use, in_use or 0) if lends else None,
            waiting=max(len(ledger.waiters) - idle, 0) if timed else None,
            most_waiting=ledger.most_waiting if timed else None,
            checkouts=ledger.checkouts() if lends else None,
            timeouts=ledger.timeouts if timed else None,
            connects=ledger.connects if heard else None,
            reconnects=ledger.reconnects if heard else None,
            connect_errors=ledger.connect_errors if timed else None,
            closes=ledger.closes if heard else None,
            invalidations=ledger.invalidations if heard else None,
            wait=_spent(ledger.sums["wait"], known=timed),
            connect=_spent(ledger.sums["connect"], known=heard),
            hold=_spent(ledger.sums["hold"], known=lends),
            holders=holders,
        )


def _seconds(recycle: float | None) -> float | None:
    return None if recycle is None or recycle < 0 else float(recycle)


def look_up_lines(ledger: Ledger, too_long: float, route_of: Callable[[], str | None]) -> None:
    """Note where the holders are that keep a connection for a second, once for each.

    While one keeps his for `too_long` seconds, every line that takes another is looked up.
    """
    now = ledger.now()
    taken = [(hold[0], key, hold) for key, hold in list(ledger.out.items())]
    for taken_at, key, hold in taken:
        if taken_at <= now - LOOK_AFTER:
            _looked_at(ledger.note_of(key, hold), hold, route_of)
    ledger.look_always(any(taken_at <= now - too_long for taken_at, _, _ in taken))
    if ledger.notes:
        ledger.forget_returned()


def _looked_at(note: Note, hold: Hold, route_of: Callable[[], str | None]) -> Note:
    if not note.was_looked_at:
        note.was_looked_at = True
        note.later = None if note.line else holder_line(hold)
    # A route may become known late, and is forgotten when its request ends.
    note.route = note.route or route_of_hold(hold, route_of)
    return note


def read_holders(
    ledger: Ledger, timeline: Timeline, too_long: float, route_of: Callable[[], str | None]
) -> tuple[Holder, ...]:
    """Name those who hold a connection for longer than `too_long` seconds, the longest first."""
    before = ledger.now() - too_long
    held = list(ledger.out.items())
    found = [(key, hold) for key, hold in held if hold[0] <= before]
    found.sort(key=lambda item: item[1][0])
    return tuple(
        _holder(_looked_at(ledger.note_of(key, hold), hold, route_of), hold, timeline.at(hold[0]))
        for key, hold in found[:_MOST_HOLDERS]
    )


def mark_of(ledger: Ledger, pools: Sequence[Pool]) -> tuple[object, ...]:
    """Give what changes whenever the report of a pool does, its holders aside."""
    ledger.drain()
    with ledger.lock:
        return (
            _standing(pools),
            len(ledger.out),
            len(ledger.waiters),
            *((each.count, each.total) for each in ledger.sums.values()),
            *(ledger.most_in_use, ledger.most_waiting, ledger.checkouts(), ledger.timeouts),
            *(ledger.connects, ledger.connect_errors, ledger.closes, ledger.invalidations),
        )


def _holder(note: Note, hold: Hold, since: float) -> Holder:
    task = None if hold[3] is None else hold[3]()
    return Holder(
        since=since,
        line=note.line or note.later,
        line_seen="checkout" if note.line else "later" if note.later else None,
        now=holder_line(hold),
        route=note.route,
        thread=thread_name(hold),
        task=None if task is None else task.get_name(),
    )
