"""Outcomes on their way to where they are kept: in batches, soon, and never lost."""

from __future__ import annotations

import asyncio
import logging
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ...exceptions import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ..storage.sink import Sink
    from ..values import Outcome

__all__ = ["Writer"]

T = TypeVar("T")
_LOG: Final = logging.getLogger("hhs_perf.scrapers")
_MOST: Final = 200
_WITHIN: Final = 1.0
_MOST_WAITING: Final = 10 * _MOST
_ATTEMPTS: Final = 6
_FIRST_PAUSE: Final = 0.25


class Writer:
    """Hands outcomes to a sink, on a thread of its own: at most 200 at a time, within a second.

    What the sink does not take is tried again for some seconds while the run goes on, then it goes
    to a JSON Lines file: `spilled_to` names it.
    """

    def __init__(self, sink: Sink, *, spill_in: Path | None, wall: Callable[[], float]) -> None:
        self.sink = sink
        self.written = 0
        self.unsaved = 0
        self.spilled_to: Path | None = None
        self.error: str | None = None
        self._spill: Sink | None = None
        self._spill_in = spill_in
        self._wall = wall
        self._buffer: list[Outcome] = []
        self._flushing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._executor: Executor = ThreadPoolExecutor(1, "hhs_perf-scrape-write")
        self._gave_up = False

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call something of the sink on the thread that it is used on."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, function, *arguments)

    async def add(self, outcome: Outcome) -> None:
        """Keep an outcome; waits only where the sink is far behind."""
        if outcome.snapshot is None and outcome.account_id is None:
            return
        self._buffer.append(outcome)
        if len(self._buffer) >= _MOST:
            self._start()
            flushing = self._flushing
            if len(self._buffer) >= _MOST_WAITING and flushing is not None:
                await asyncio.wait({flushing})
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WITHIN, self._start)

    async def finish(self) -> None:
        """Write what is left, and close the sink."""
        try:
            while self._buffer or self._flushing is not None:
                self._start()
                if self._flushing is not None:
                    await asyncio.wait({self._flushing})
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for sink in (self.sink, self._spill):
                if sink is not None:
                    try:
                        await self.call(sink.close)
                    except Exception as exc:  # noqa: BLE001 - a named border: storage
                        self._failed(exc)
            self._executor.shutdown(wait=False)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is None and self._buffer:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())
            self._flushing.add_done_callback(self._flushed)

    def _flushed(self, task: asyncio.Task[None]) -> None:
        self._flushing = None
        if not task.cancelled():
            task.exception()
        if len(self._buffer) >= _MOST:
            self._start()
        elif self._buffer and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WITHIN, self._start)

    async def _flush(self) -> None:
        batch = self._buffer[:_MOST]
        for attempt in range(1 if self._gave_up else _ATTEMPTS):
            try:
                await self.call(self.sink.write, batch)
            except Exception as exc:  # noqa: BLE001 - a named border: storage
                self._failed(exc)
                await asyncio.sleep(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            else:
                self._gave_up = False
                self.written += sum(each.snapshot is not None for each in batch)
                del self._buffer[: len(batch)]
                return
        self._gave_up = True
        await self._save_elsewhere(batch)
        del self._buffer[: len(batch)]

    async def _save_elsewhere(self, batch: list[Outcome]) -> None:
        snapshots = [each for each in batch if each.snapshot is not None]
        if not snapshots:
            return
        try:
            if self._spill is None:
                self._spill = await self.call(self._open_spill)
            await self.call(self._spill.write, snapshots)
        except Exception as exc:  # noqa: BLE001 - a named border: storage
            self._failed(exc)
        self.unsaved += len(snapshots)

    def _open_spill(self) -> Sink:
        from ..storage.files import JsonLinesSink  # noqa: PLC0415 - only where storage failed

        stamp = datetime.fromtimestamp(self._wall(), UTC).strftime("%Y%m%dT%H%M%S%fZ")
        path = (self._spill_in or Path.cwd()) / f"hhs-perf-unsaved-{stamp}.jsonl"
        spill = JsonLinesSink(path, mode=0o600)
        self.spilled_to = path
        return spill

    def _failed(self, error: Exception) -> None:
        first = self.error is None
        known = isinstance(error, StorageError)
        self.error = str(error) if known else f"{type(error).__name__}: {error}"
        if first:
            _LOG.warning("snapshots could not be written, trying again: %s", self.error)
