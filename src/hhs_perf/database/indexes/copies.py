"""A copy of a SQLite database in memory of our own, where anything may be tried."""

from __future__ import annotations

import inspect
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from ..marks import OWN_POOL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

    from ..._clock import Clock

__all__ = ["LARGEST", "NotCopiedError", "copied", "engine_on"]

LARGEST: Final = 256 * 1024 * 1024
"""Bytes of the largest database that is copied."""

# Asked of a half-made copy for the size of its pages, SQLite says "locked".
_USUAL_PAGE: Final = 4096
_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_LONGEST: Final = 5.0


class NotCopiedError(Exception):
    """The database is too large, or too busy, to be copied: the text says which."""


@contextmanager
def copied(driver: Any, clock: Clock, *, patience: float = 2.0) -> Iterator[sqlite3.Connection]:
    """Copy the database of a driver's connection, whose transaction it leaves alone.

    Nothing that happens to the copy reaches the host: no lock, no index.

    Raises:
        NotCopiedError: It has more than `LARGEST` bytes, was locked for `patience` seconds, or took
            over five. While the host has written to a database in memory and not committed, it is
            locked.
    """
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    start = clock.monotonic()

    def look(status: int, _left: int, total: int) -> None:
        if total * _USUAL_PAGE > LARGEST:
            raise NotCopiedError(f"the database has over {LARGEST // 1024 // 1024} MB")
        took = clock.monotonic() - start
        if status in _LOCKED and took > patience:
            raise NotCopiedError("the database is locked")
        if took > _LONGEST:
            raise NotCopiedError("the database takes too long to copy")

    try:
        done = driver.backup(copy, pages=1000, progress=look, sleep=0.01)
        if inspect.isawaitable(done):
            from sqlalchemy.util import await_only  # noqa: PLC0415 - needs greenlet

            await_only(done)
        yield copy
    finally:
        copy.close()


def engine_on(copy: sqlite3.Connection) -> Engine:
    """Make an engine whose one connection is the copy; it is closed with the copy."""
    engine = create_engine("sqlite://", creator=lambda: copy, poolclass=StaticPool)
    setattr(engine.pool, OWN_POOL, True)
    return engine
