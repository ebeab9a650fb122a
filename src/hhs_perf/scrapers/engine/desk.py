"""Where the drivers of a run meet: workers, tasks under way, outcomes on their way out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from ..values import FailureKind, Outcome
    from .parts import RunParts
    from .report import Tally

__all__ = ["Desk"]

_MOST_WAITING: Final = 2000


class Desk:
    """Lends workers, keeps the tasks of a run, and hands its outcomes out in batches."""

    def __init__(self, parts: RunParts, tally: Tally) -> None:
        self.workers = asyncio.Semaphore(parts.max_workers)
        self._parts = parts
        self._tally = tally
        self._waiting: asyncio.Queue[list[Outcome] | None] = asyncio.Queue(_MOST_WAITING)
        self._late: list[Outcome] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a task of the run."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def work(self, drivers: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Do all there is to do; whatever ends it, no task goes on."""
        driving = [asyncio.get_running_loop().create_task(each) for each in drivers]
        try:
            await asyncio.gather(*driving)
        finally:
            left = {*driving, *self._tasks}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            if not self._is_closed:
                await self._waiting.put(None)

    async def give(self, outcomes: list[Outcome]) -> None:
        """Hand outcomes out; waits where nobody takes them for long."""
        if not outcomes:
            return
        try:
            await self._waiting.put(outcomes)
        except asyncio.CancelledError:
            self._late += outcomes
            raise

    async def take(self) -> list[Outcome] | None:
        """Take the next outcomes; None at the end."""
        return await self._waiting.get()

    def close(self) -> None:
        """Say that nobody takes outcomes any more."""
        self._is_closed = True

    def rest(self) -> list[Outcome]:
        """Take what nobody has taken, once the work has ended."""
        while not self._waiting.empty():
            self._late += self._waiting.get_nowait() or ()
        rest, self._late = self._late, []
        return rest

    def request(
        self,
        platform: str,
        *,
        seconds: float,
        waited: float,
        failure: FailureKind | None,
        cost: float,
        unit: str | None,
    ) -> None:
        """Take a request into the report, and tell who observes."""
        held = self._tally.request(platform, unit, seconds=seconds, waited=waited, failure=failure)
        held.cost += cost
        try:
            self._parts.observer.request(
                platform, seconds=seconds, waited=waited, failure=failure, cost=cost, unit=unit
            )
        except Exception as exc:  # noqa: BLE001 - a named border: measuring
            self._parts.on_fault("observing a request", exc)
