"""The advisor: which indexes a database lacks, and which it could do without."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ..._clock import SystemClock
from ..addresses import address_of, sync_engine_of
from ..plans.explaining import shared_connection
from ..plans.own import has_shared_connection, on_own_connection, run
from ..telling import tell
from .copies import NotCopiedError, copied, engine_on
from .proofs import ProofBook
from .report import IndexReport
from .search import Search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ..._clock import Clock
    from ..._faults import Faults
    from ..seen.slow import SlowStatement

__all__ = ["IndexAdvisor"]

_BUDGET: Final = 10.0
# Whoever writes to it is most likely this very thread, which does not go on meanwhile.
_SHARED_PATIENCE: Final = 0.2


class IndexAdvisor:
    """Reads statements, plans, statistics and catalogues, and names indexes.

    It works on a connection of its own, in a transaction that is rolled back. A database in
    SQLite's memory is copied first, for there the host's connection is the only one.
    """

    def __init__(self, *, faults: Faults, clock: Clock | None = None) -> None:
        self._faults = faults
        self._clock = clock or SystemClock()
        self._proofs = ProofBook(self._clock)

    def find(
        self,
        engine: Engine | AsyncEngine,
        slow: Sequence[SlowStatement] = (),
        *,
        prove: bool,
        seconds: float = _BUDGET,
    ) -> IndexReport:
        """Look for indexes that `slow` statements and foreign keys lack, and for needless ones.

        With `prove`, which is for development, each index is tried out: on PostgreSQL it is built
        in a transaction that is rolled back, and the tables take no writes meanwhile; on SQLite on
        a copy in memory. Only what makes a statement a third cheaper is advised then. What came of
        it is remembered by statement and columns: for ten minutes, a failure for one. Without it,
        the advice rests on plan and statistics, and nothing is built.

        Of `slow`, those that `engine` ran are looked at. It waits, for about `seconds` at most; on
        an event loop use `find_async`. Nothing is raised: what failed is counted among the faults
        and said in the report's notes.
        """
        sync = sync_engine_of(engine)
        name = address_of(sync)
        if sync.dialect.name not in {"sqlite", "postgresql"}:
            return IndexReport(
                database=name, notes=(f"indexes of {sync.dialect.name} are not looked at",)
            )
        mine = [one for one in slow if one.engine is not None and one.engine.pool is sync.pool]
        try:
            return run(sync, lambda: self._find(sync, name, mine, prove=prove, seconds=seconds))
        except Exception as error:  # noqa: BLE001 - a border: advice must never break the host
            self._faults.note("index advice", error)
            return IndexReport(database=name, notes=(f"no advice: {tell(error)}",))

    async def find_async(
        self,
        engine: Engine | AsyncEngine,
        slow: Sequence[SlowStatement] = (),
        *,
        prove: bool,
        seconds: float = _BUDGET,
    ) -> IndexReport:
        """Do what `find` does in a thread, while the event loop goes on.

        A database in SQLite's memory belongs to the thread of its connection: such an engine is
        asked where it is.
        """
        if has_shared_connection(sync_engine_of(engine)):
            return self.find(engine, slow, prove=prove, seconds=seconds)
        return await asyncio.to_thread(self.find, engine, slow, prove=prove, seconds=seconds)

    def _find(
        self,
        engine: Engine,
        name: str,
        slow: Sequence[SlowStatement],
        *,
        prove: bool,
        seconds: float,
    ) -> IndexReport:
        until = self._clock.monotonic() + seconds

        def search(connection: Connection, *, is_copy: bool = False) -> IndexReport:
            made = Search(
                connection=connection,
                engine=engine,
                clock=self._clock,
                faults=self._faults,
                until=until,
                is_copy=is_copy,
                name=name,
                proofs=self._proofs if prove else None,
            )
            return made.report(slow)

        if not has_shared_connection(engine):
            return on_own_connection(engine, search)
        shared = shared_connection(engine)
        if shared is None:
            reason = "the database lives in the memory of another thread's connection"
            return IndexReport(database=name, notes=(reason,))
        driver = engine.dialect.get_driver_connection(shared)
        try:
            with copied(driver, self._clock, patience=_SHARED_PATIENCE) as copy:
                own = engine_on(copy)
                with own.connect() as connection:
                    return search(connection, is_copy=True)
        except NotCopiedError as error:
            return IndexReport(database=name, notes=(f"no advice: {error}",))
