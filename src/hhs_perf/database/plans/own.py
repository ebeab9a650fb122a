"""Connections of our own to a host's database: never from its pool, never in its transaction."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool, SingletonThreadPool, StaticPool

from ..marks import OURS, OWN_POOL

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

__all__ = [
    "has_shared_connection",
    "on_own_connection",
    "own_engine",
    "run",
]

T = TypeVar("T")


def has_shared_connection(engine: Engine) -> bool:
    """Tell whether the host's own connection is the only way in, as to SQLite's memory.

    A second connection would see another database, an empty one.
    """
    if engine.dialect.name != "sqlite":
        return isinstance(engine.pool, StaticPool)
    database = engine.url.database
    in_memory = not database or ":memory:" in database
    return in_memory or isinstance(engine.pool, SingletonThreadPool | StaticPool)


def own_engine(engine: Engine) -> Engine:
    """Make an engine that opens connections as the host's does, and keeps none.

    The host's listeners to its pool hear of them: those to `connect` may set the search path, the
    role or SQLite's functions, without which the plan would be another. All that is sent through
    it begins with `OURS`.
    """
    host = engine.pool
    pool = NullPool(
        host._creator,  # noqa: SLF001 - it alone knows the host's credentials and driver arguments
        dialect=engine.dialect,
        _dispatch=host.dispatch,
    )
    setattr(pool, OWN_POOL, True)
    own = Engine(pool, engine.dialect, engine.url, hide_parameters=True)
    event.listen(own, "before_cursor_execute", _mark, retval=True)
    return own


def _mark(
    _connection: object,
    _cursor: object,
    statement: str,
    parameters: object,
    _context: object,
    _many: bool,  # noqa: FBT001 - SQLAlchemy's signature
) -> tuple[str, Any]:
    return (statement if statement.startswith(OURS) else OURS + statement), parameters


def on_own_connection(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Open a connection of our own, do `work` in a transaction, roll it back and close it.

    The transaction is one even where the host's engine commits by itself. Call it inside `run`.
    Whatever the driver raises travels.
    """
    own = own_engine(engine)
    with own.connect() as connection:
        if engine.dialect.name != "sqlite":
            connection.execution_options(isolation_level="READ COMMITTED")
        try:
            return work(connection)
        finally:
            connection.rollback()


def run(engine: Engine, work: Callable[[], T]) -> T:
    """Do `work`, which talks to the database through `engine`'s driver, and give what it gives.

    A driver for asyncio gets an event loop of its own, in a thread of its own, for the host's loop
    may be the one that runs here. The caller waits: on an event loop, call it in a thread.
    """
    if not engine.dialect.is_async:
        return work()
    from sqlalchemy.util import greenlet_spawn  # noqa: PLC0415 - needs greenlet

    given: list[T] = []
    raised: list[BaseException] = []

    def drive() -> None:
        try:
            given.append(asyncio.run(greenlet_spawn(work)))
        except BaseException as error:  # noqa: BLE001 - it is raised again where it was asked for
            raised.append(error)

    thread = threading.Thread(target=drive, name="hhs-perf-plans", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return given[0]
