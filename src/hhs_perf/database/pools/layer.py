"""A pool that is timed: its class becomes a subclass of its own class."""

# ruff: noqa: SLF001 - what SQLAlchemy tells of a checkout in public comes after it

from __future__ import annotations

from contextvars import copy_context
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool
from sqlalchemy.util.queue import Empty, Full

from .holders import current_caller, current_task
from .ledger import DRAIN_AT

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry, Pool
    from sqlalchemy.pool.base import _CreatorWRecFnType

    from .ledger import Ledger

__all__ = ["LEDGER", "lay_over", "ledger_of", "lift"]

LEDGER: Final = "_hhs_perf_ledger"
_IS_LAYER: Final = "_hhs_perf_is_layer"
_NOTED: Final = "_hhs_perf_noted"

# What SQLAlchemy's own methods go by where nothing is in the way: the queue at once.
_GET: Final[Any] = vars(QueuePool).get("_do_get")
_RETURN: Final[Any] = vars(QueuePool).get("_do_return_conn")
_GET_KNOWN: Final = (
    *("_max_overflow", "_overflow", "_pool", "get", "_timeout", "sqla_queue", "Empty", "_do_get"),
    *("exc", "TimeoutError", "size", "overflow", "_inc_overflow", "_create_connection"),
    *("util", "safe_reraise", "_dec_overflow"),
)
_RETURN_KNOWN: Final = ("_pool", "put", "sqla_queue", "Full", "close", "_dec_overflow")
_IS_AS_KNOWN: Final = (
    getattr(getattr(_GET, "__code__", None), "co_names", None) == _GET_KNOWN
    and getattr(getattr(_RETURN, "__code__", None), "co_names", None) == _RETURN_KNOWN
)


def ledger_of(pool: Pool) -> Ledger | None:
    """Give the ledger that is kept of a pool."""
    held: Ledger | None = getattr(pool, LEDGER, None)
    return held


def lay_over(pool: QueuePool, ledger: Ledger) -> None:
    """Let a queue pool, and all that it is recreated as, write to `ledger`.

    Raises TypeError where Python does not let the class be exchanged.
    """
    if not getattr(type(pool), _IS_LAYER, False):
        pool.__class__ = _layer_over(type(pool))
    creator = pool._invoke_creator
    if not isinstance(creator, _TimedCreator):
        pool._invoke_creator = _TimedCreator(creator, ledger)
    setattr(pool, LEDGER, ledger)
    ledger.pools.add(pool)


def lift(pool: Pool) -> None:
    """Make a pool what it was."""
    pool.__dict__.pop(LEDGER, None)
    creator = pool._invoke_creator
    if isinstance(creator, _TimedCreator):
        pool._invoke_creator = creator.creator
    # A class that somebody derived from ours stays: without a ledger it only passes on.
    if _IS_LAYER in vars(type(pool)):
        (pool.__class__,) = type(pool).__bases__


def _layer_over(base: type[QueuePool]) -> type[QueuePool]:
    # The classes below are what is remembered: nothing here keeps a class of the host alive. Two
    # threads at once may each make one, which does no harm; a lock would have to survive a fork.
    for known in base.__subclasses__():
        if _IS_LAYER in vars(known):
            return known
    return _made(base)


class _TimedCreator:
    """The function by which a pool gets a connection from the driver: the begin of connecting."""

    __slots__ = ("creator", "ledger")

    def __init__(self, creator: _CreatorWRecFnType, ledger: Ledger) -> None:
        self.creator = creator
        self.ledger = ledger

    def __call__(self, rec: ConnectionPoolEntry) -> DBAPIConnection:
        self.ledger.connecting(rec)
        try:
            return self.creator(rec)
        except BaseException:
            self.ledger.failed_to_connect()
            raise


def _wait(
    pool: QueuePool,
    ledger: Ledger,
    get: Callable[[QueuePool], ConnectionPoolEntry],
    begun: float,
) -> ConnectionPoolEntry:
    """Ask for a connection where all that the pool may have exist already."""
    waiters = ledger.waiters
    key = _caller(pool)
    is_first = key not in waiters
    try:
        if is_first:
            waiters[key] = begun
            if len(waiters) > ledger.most_waiting:
                ledger.counted_waiting(len(waiters) - pool.checkedin())
    except Exception as exc:  # noqa: BLE001 - a named border: the checkout
        ledger.faults.note("counting who waits for a connection", exc)
    try:
        return get(pool)
    except BaseException as exc:
        _note_gone(ledger, begun, exc)
        raise
    finally:
        if is_first:
            waiters.pop(key, None)


def _get(
    pool: QueuePool, ledger: Ledger, get: Callable[[QueuePool], ConnectionPoolEntry]
) -> ConnectionPoolEntry:
    """Ask for a connection where none may be idle, or the pool has a way of its own.

    SQLAlchemy's method calls itself where another thread was faster; the inner call then notes the
    checkout, from the begin of the outermost that waited.
    """
    begun = ledger.now()
    if ledger.waiters:
        begun = ledger.waiters.get(_caller(pool), begun)
    try:
        if pool._overflow >= pool._max_overflow > -1:
            record = _wait(pool, ledger, get, begun)
        else:
            record = get(pool)
    except PoolTimeoutError as exc:
        _note_gone(ledger, begun, exc)
        raise
    try:
        out = ledger.out
        key = id(record)
        taken_at = ledger.now()
        task = current_task() if pool._is_asyncio else None
        hold = (taken_at, get_ident(), copy_context(), task)
        held = out.setdefault(key, hold)
        if held is not hold:
            if held[0] >= begun:
                return record
            out[key] = hold
        if ledger.created:
            begun += ledger.created.pop(key, 0.0)
        ledger.waits.append(taken_at - begun if taken_at > begun else 0.0)
        if len(out) > ledger.quiet_to:
            ledger.crowded(key)
    except Exception as exc:  # noqa: BLE001 - a named border: the checkout
        ledger.faults.note("timing a checkout", exc)
    return record


def _caller(pool: QueuePool) -> int:
    return current_caller() if pool._is_asyncio else get_ident()


def _made(base: type[QueuePool]) -> type[QueuePool]:  # noqa: C901 - the methods of one class
    # Of what else a class of the host does in its methods nothing may be left out.
    is_short = _IS_AS_KNOWN and not base._is_asyncio

    class Layer(base):  # type: ignore[misc,valid-type] # the class is only known at run time
        # No default: an attribute of the class would be looked up at each reading of the pool's.
        _hhs_perf_ledger: Ledger
        _hhs_perf_is_layer = True

        # Each checkout runs through this: it is written out in one piece, for a call costs more
        # than what it would do.
        def _do_get(self) -> ConnectionPoolEntry:
            try:
                ledger = self._hhs_perf_ledger
            except AttributeError:  # lifted
                return base._do_get(self)
            # What the method does first, done here: to call it would cost as much as all the rest.
            if is_short and base._do_get is _GET and not ledger.waiters:
                try:
                    record: ConnectionPoolEntry = self._pool.get(False)
                except Empty:
                    pass
                else:
                    try:
                        # To call the one like a method would be to look it up each time.
                        now, out = ledger.now, ledger.out
                        out[id(record)] = (now(), get_ident(), copy_context(), None)
                        ledger.waits.append(0.0)
                        if len(out) > ledger.quiet_to:
                            ledger.crowded(id(record))
                    except Exception as exc:  # noqa: BLE001 - a named border: the checkout
                        ledger.faults.note("timing a checkout", exc)
                    return record
            return _get(self, ledger, base._do_get)

        def _create_connection(self) -> ConnectionPoolEntry:
            ledger = ledger_of(self)
            if ledger is None:
                return base._create_connection(self)
            begun = ledger.now()
            record = base._create_connection(self)
            try:
                ledger.made(record, ledger.now() - begun)
            except Exception as exc:  # noqa: BLE001 - a named border: the new connection
                ledger.faults.note("timing a new connection", exc)
            return record

        def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
            try:
                ledger = self._hhs_perf_ledger
            except AttributeError:  # lifted
                base._do_return_conn(self, record)
                return
            try:
                hold = ledger.out.pop(id(record), None)
                if hold is not None:
                    now, holds = ledger.now, ledger.holds
                    holds.append(now() - hold[0])
                    if len(holds) >= DRAIN_AT:
                        ledger.drain()
            except Exception as exc:  # noqa: BLE001 - a named border: the return
                ledger.faults.note("timing the return of a connection", exc)
            if is_short and base._do_return_conn is _RETURN:
                try:
                    self._pool.put(record, False)  # noqa: FBT003 - as SQLAlchemy calls it
                except Full:
                    pass
                else:
                    return
            base._do_return_conn(self, record)

        def recreate(self) -> QueuePool:
            new = base.recreate(self)
            ledger = ledger_of(self)
            if ledger is not None:
                try:
                    lay_over(new, ledger)
                except Exception as exc:  # noqa: BLE001 - a named border: the new pool
                    ledger.faults.note("timing a pool that was recreated", exc)
            return new

    # Loggers, and whoever looks, shall find the names of the class that it stands for.
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(Layer, name, getattr(base, name))
    return Layer


def _note_gone(ledger: Ledger, begun: float, error: BaseException) -> None:
    """Note who left without a connection, once: the outer calls see the same error."""
    try:
        if not hasattr(error, _NOTED):
            setattr(error, _NOTED, True)
            ledger.gone(begun, timed_out=isinstance(error, PoolTimeoutError))
    except Exception as exc:  # noqa: BLE001 - a named border: the checkout
        ledger.faults.note("timing a checkout", exc)
