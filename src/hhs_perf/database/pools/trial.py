"""Whether pools of a class can be timed from within, found out by really timing one."""

# ruff: noqa: SLF001 - private methods are what is on trial

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from ..._clock import SystemClock
from ..._faults import Faults
from .layer import lay_over, ledger_of
from .ledger import Ledger

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import Pool

__all__ = ["can_time"]

_SIGNATURES: Final = {
    "_do_get": ("self",),
    "_create_connection": ("self",),
    "_do_return_conn": ("self", "record"),
    "recreate": ("self",),
}


class _Record:
    """Stands for a connection."""

    def close(self) -> None:
        """Do nothing."""


def can_time(pool_class: type[Pool]) -> str | None:
    """Tell why pools of this class cannot be timed from within, None where they can.

    A small pool of the nearest class of SQLAlchemy is timed while it lends and takes back. It
    opens no connection and calls no listener: those of the host may be set for all pools.
    """
    if not issubclass(pool_class, QueuePool):
        return f"{pool_class.__name__} keeps no queue of connections, so nobody waits in one"
    try:
        for name, expected in _SIGNATURES.items():
            function = getattr(pool_class, name)
            found = tuple(inspect.signature(function).parameters)
            if len(found) != len(expected):
                return f"{pool_class.__name__}.{name} takes {found}, not {expected}"
        _try(next(one for one in pool_class.__mro__ if one.__module__.startswith("sqlalchemy.")))
    except Exception as exc:  # noqa: BLE001 - whatever a version of SQLAlchemy does otherwise
        return f"{pool_class.__name__} could not be timed: {type(exc).__name__}: {exc}"
    return None


def _no_connection() -> DBAPIConnection:
    raise NotImplementedError


def _try(base: type[Any]) -> None:
    class Trial(base):  # type: ignore[misc] # the class is only known at run time
        def _create_connection(self) -> _Record:
            return _Record()

    ledger = Ledger(now=SystemClock.monotonic, faults=Faults(), line_of=lambda: None)
    ledger.timed_by = "pool"
    # A pool for asyncio that may not overflow awaits even what is there, before SQLAlchemy 2.0.55.
    overflow = int(base._is_asyncio)
    pool: Any = Trial(_no_connection, pool_size=1, max_overflow=overflow, timeout=0)
    lay_over(pool, ledger)
    for _ in range(2):
        record = pool._do_get()
        if (pool.checkedout(), len(ledger.out)) != (1, 1):
            raise NotImplementedError("a connection was handed out unseen")
        pool._do_return_conn(record)
    if not pool._is_asyncio:  # a pool for asyncio waits in a running loop only
        record = pool._do_get()
        try:
            pool._do_get()
        except PoolTimeoutError:
            pool._do_return_conn(record)
        else:
            raise NotImplementedError("the pool has no limit")
    ledger.drain()
    timeouts = 0 if pool._is_asyncio else 1
    seen = (ledger.checkouts(), ledger.sums["hold"].count, ledger.timeouts)
    if seen != (2 + timeouts, 2 + timeouts, timeouts) or pool.checkedin() != 1:
        raise NotImplementedError("not every checkout was seen")
    if ledger_of(pool.recreate()) is not ledger:
        raise NotImplementedError("a pool that is recreated is not timed")
    if ledger.faults.counts:
        raise NotImplementedError(", ".join(ledger.faults.counts))
