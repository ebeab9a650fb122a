"""Pools: too small, too large, held for too long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .values import Advice, Evidence, are, known, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..database.pools.report import PoolReport
    from ..database.report import PoolSizing

__all__ = [
    "IDLE_CHECKOUTS",
    "POOL_CHECKOUTS",
    "POOL_IDLE_SHARE",
    "POOL_WAIT",
    "held",
    "timed_out",
    "too_large",
    "too_small",
]

POOL_CHECKOUTS: Final = 200
"""Checkouts in the window from which on they tell of a pool's size."""
POOL_WAIT: Final = 0.005
"""Mean wait for a connection, in seconds, above which a pool is too small."""
POOL_IDLE_SHARE: Final = 0.5
"""Share of a pool that was never in use at once from which on it is too large."""
IDLE_CHECKOUTS: Final = 10_000
"""Checkouts since the start from which on the most in use at once tells of an idle pool."""


def timed_out(pool: PoolReport) -> Iterator[Advice]:
    """Tell of callers who got no connection."""
    if not pool.timeouts:
        return
    yield Advice(
        rule="pool-timeout",
        about=pool.name,
        setting="DB_POOL_SIZE",
        text=(
            f"{times(pool.timeouts, 'caller')} of the pool {pool.name} got no connection within"
            " DB_POOL_TIMEOUT. Hold connections for a shorter time, or raise DB_POOL_SIZE or"
            " DB_MAX_OVERFLOW."
        ),
        evidence=(
            Evidence(figure="timeouts", value=pool.timeouts),
            *known("capacity", pool.capacity),
            *known("most_waiting", pool.most_waiting),
            *known("mean hold", None if pool.hold is None else pool.hold.mean, "s"),
        ),
    )


def held(pool: PoolReport) -> Iterator[Advice]:
    """Tell of a connection that is out for too long."""
    if not pool.holders:
        return
    longest = pool.holders[0]
    where = "an unknown line" if longest.line is None else str(longest.line)
    yield Advice(
        rule="held-connection",
        about=pool.name,
        setting="HHS_PERF_DB_HELD_TOO_LONG",
        text=(
            f"{times(len(pool.holders), 'connection')} of the pool {pool.name}"
            f" {are(len(pool.holders))} out for longer than HHS_PERF_DB_HELD_TOO_LONG, the first"
            f" one taken at {where}. Give a connection back before anything that waits for"
            " somebody else."
        ),
        line=longest.line,
        evidence=(
            Evidence(figure="holders", value=len(pool.holders)),
            *known("in_use", pool.in_use),
        ),
    )


def too_small(pool: PoolSizing) -> Iterator[Advice]:
    """Tell of a pool that callers wait for."""
    sizing = pool.sizing
    load, recommended = sizing.load, sizing.recommended
    if recommended is None or pool.checkouts < POOL_CHECKOUTS or load.wait <= POOL_WAIT:
        return
    if recommended <= load.capacity:
        return
    half, same, twice = sizing.forecasts
    yield Advice(
        rule="pool-size",
        about=pool.pool,
        setting="DB_POOL_SIZE",
        text=(
            f"Raise DB_POOL_SIZE and DB_MAX_OVERFLOW of {pool.pool} to {recommended} together,"
            f" or hold connections for a shorter time: {sizing.evidence}. Half: {half.text};"
            f" now: {same.text}; twice: {twice.text}."
        ),
        evidence=(
            Evidence(figure="mean wait", value=load.wait, unit="s"),
            Evidence(figure="mean hold", value=load.hold, unit="s"),
            Evidence(figure="checkouts per second", value=load.rate),
            Evidence(figure="capacity", value=load.capacity),
            *known("wait at × 0.5", half.wait, "s"),
            *known("wait at × 2", twice.wait, "s"),
        ),
    )


def too_large(pool: PoolReport) -> Iterator[Advice]:
    """Tell of a pool most of which was never in use."""
    capacity, most = pool.capacity, pool.most_in_use
    if not capacity or not most or (pool.checkouts or 0) < IDLE_CHECKOUTS or pool.timeouts:
        return
    idle = 1 - most / capacity
    # Overflow that is never opened costs nothing.
    if pool.size is None or pool.size <= most or idle < POOL_IDLE_SHARE:
        return
    yield Advice(
        rule="pool-size",
        about=pool.name,
        setting="DB_POOL_SIZE",
        text=(
            f"DB_POOL_SIZE of {pool.name} may be lowered from {pool.size} to {most}: since the"
            f" start no more than {most} connections were in use at once."
        ),
        evidence=(
            Evidence(figure="most_in_use", value=most),
            Evidence(figure="capacity", value=capacity),
            Evidence(figure="checkouts", value=pool.checkouts or 0),
        ),
    )
