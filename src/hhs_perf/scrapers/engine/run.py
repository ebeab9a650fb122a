"""One run: every account of a list gets one outcome."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import attrs

from .desk import Desk
from .driver import Driver
from .lane import Lane
from .report import Tally
from .selection import Selector, day_of
from .writing import Writer

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Coroutine,
        Iterable,
        Mapping,
    )

    from ..accounts import Account
    from ..storage.sink import AccountKey, Sink
    from ..values import Outcome
    from .parts import RunParts
    from .report import RunReport
    from .selection import Wanted

__all__ = ["Run"]

# After so many accounts others in the event loop have their turn.
_AT_ONCE: Final = 500


class Run:
    """Asks the platforms for the figures of accounts; iterated over once, it gives the outcomes."""

    def __init__(
        self,
        accounts: Iterable[Account],
        parts: RunParts,
        wanted: Wanted,
        *,
        to: Sink | Callable[[], Sink] | None,
        resume: bool,
    ) -> None:
        self._accounts = accounts
        self._parts = parts
        self._wanted = wanted
        self._to = to
        self._resume = resume
        self._clock = parts.clock
        self._began = 0.0
        self._ended: float | None = None
        self._tally = Tally(parts.clock.wall())
        self._writer: Writer | None = None
        self._desk = Desk(parts, self._tally)
        self._lanes: list[Lane] = []

    @property
    def expected(self) -> Mapping[str, int]:
        """How many accounts are asked for, by platform; empty before the first outcome."""
        counts: dict[str, int] = {}
        for lane in self._lanes:
            counts[lane.platform.name] = counts.get(lane.platform.name, 0) + lane.total
        return counts

    @property
    def report(self) -> RunReport:
        """What the run did, so far or in all."""
        writer = self._writer
        ended = self._clock.monotonic() if self._ended is None else self._ended
        return self._tally.report(
            seconds=ended - self._began,
            written=writer.written if writer else 0,
            unsaved=writer.unsaved if writer else 0,
            spilled_to=writer.spilled_to if writer else None,
            storage_error=writer.error if writer and writer.unsaved else None,
            left=sum(lane.left for lane in self._lanes),
        )

    async def outcomes(self) -> AsyncIterator[Outcome]:
        """Go through the accounts; whoever stops early leaves nothing under way."""
        self._began = self._clock.monotonic()
        work: asyncio.Task[None] | None = None
        try:
            sink = self._to if not callable(self._to) else await asyncio.to_thread(self._to)
            if sink is not None:
                spill_in = self._parts.spill_in
                self._writer = Writer(sink, spill_in=spill_in, wall=self._clock.wall)
            skipped = await self._select(sink)
            for start in range(0, len(skipped), _AT_ONCE):
                batch = skipped[start : start + _AT_ONCE]
                await self._take(batch)
                for outcome in batch:
                    yield outcome
                await asyncio.sleep(0)
            for lane in self._lanes:
                factory = self._parts.transport_of(lane.platform)
                lane.transport = factory(lane.platform, self._parts.options)
            drivers = (Driver(lane, self._parts, self._desk).drive() for lane in self._lanes)
            work = asyncio.create_task(self._desk.work(drivers))
            while (found := await self._desk.take()) is not None:
                await self._take(found)
                for outcome in found:
                    yield outcome
            await work
        finally:
            await _to_the_end(self._wind_up(work))

    async def _wind_up(self, work: asyncio.Task[None] | None) -> None:
        self._desk.close()
        if work is not None and not work.done():
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
        # Fetched, and nobody asked any more: it is kept.
        await self._take(self._desk.rest())
        for lane in self._lanes:
            if lane.transport is not None:
                await self._border("closing a transport", lane.transport.close())
        await self._border("closing the limiter", self._parts.limiter.close())
        if self._writer is not None:
            await self._writer.finish()
        self._ended = self._clock.monotonic()

    async def _border(self, where: str, closing: Awaitable[None]) -> None:
        try:
            await closing
        except Exception as exc:  # noqa: BLE001 - a named border: what was fetched is still to be kept
            self._parts.on_fault(where, exc)

    async def _select(self, sink: Sink | None) -> list[Outcome]:
        now = self._clock.wall()
        wanted = self._wanted
        ids: Mapping[AccountKey, str] = {}
        if self._writer is not None and sink is not None:
            ids = await self._writer.call(sink.account_ids)
            if self._resume:
                done = await self._writer.call(sink.done_on, day_of(now))
                wanted = attrs.evolve(wanted, done=done)
        selector = Selector(self._parts.setups, wanted, ids=ids, now=now)
        for number, account in enumerate(self._accounts):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            selector.take((account,))
        begun = set()
        for selected in selector.selected.values():
            name = selected.setup.platform.name
            health = self._parts.health_of(name)
            if name not in begun:
                health.begin()
                begun.add(name)
            self._lanes.append(Lane(selected, health))
        return selector.skipped

    async def _take(self, outcomes: list[Outcome]) -> None:
        """Take outcomes in before any of them is handed out: who stops then loses none."""
        for outcome in outcomes:
            self._tally.take(outcome)
            try:
                self._parts.observer.outcome(outcome)
            except Exception as exc:  # noqa: BLE001 - a named border: measuring
                self._parts.on_fault("observing a scrape", exc)
        if self._writer is not None:
            for outcome in outcomes:
                await self._writer.add(outcome)


async def _to_the_end(last: Coroutine[Any, Any, None]) -> None:
    """Do what must not be cut off, however often this is cancelled meanwhile."""
    task = asyncio.create_task(last)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError
