"""Outcomes on their way to where they are kept: in batches, soon, and never lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ...exceptions import StorageError
from ..storage.passing import can_pass

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
_LONGEST: Final = 10.0


class Writer:
    """Hands outcomes to a sink, on a thread of its own: at most 200 at a time, within a second.

    What the sink does not take is tried again for about ten seconds while the run goes on, unless
    its error cannot pass; then it goes to a JSON Lines file that its owner alone can read, in
    `spill_in`, else the current folder, else a temporary one. `spilled_to` names it, and `error`
    says what the sink said first of what it never took.
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
        self._has_told = False

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
            self._executor.shutdown()  # nothing is under way any more

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
        error = await self._tried(batch)
        self._gave_up = error is not None
        if error is None:
            self.written += sum(each.snapshot is not None for each in batch)
        else:
            await self._save_elsewhere(batch, error)
        del self._buffer[: len(batch)]

    async def _tried(self, batch: list[Outcome]) -> Exception | None:
        """Have the sink write a batch; gives its first error where it does not in the end."""
        now = asyncio.get_running_loop().time
        until = now() + _LONGEST
        last = 0 if self._gave_up else _ATTEMPTS - 1
        first: Exception | None = None
        attempt = 0
        while True:
            try:
                await self.call(self.sink.write, batch)
            except Exception as exc:  # noqa: BLE001 - a named border: storage
                first = first or exc
                pause = _FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                if attempt >= last or now() + pause >= until or not can_pass(exc):
                    return first
                self._tell(exc)
            else:
                return None
            await asyncio.sleep(pause)
            attempt += 1

    async def _save_elsewhere(self, batch: list[Outcome], error: Exception) -> None:
        self._failed(error)
        snapshots = [each for each in batch if each.snapshot is not None]
        if not snapshots:
            return
        self.unsaved += len(snapshots)
        try:
            await self.call(self._put, snapshots)
        except Exception as exc:  # noqa: BLE001 - a named border: storage
            self._add(f"not kept in a file either: {_said(exc)}")

    def _put(self, snapshots: list[Outcome]) -> None:
        """Append them to the file there is, else to a new one wherever one can be made."""
        problems: list[str] = []
        if self._spill is not None:
            try:
                self._spill.write(snapshots)
            except Exception as exc:  # noqa: BLE001 - the same border: another folder may take it
                problems.append(_said(exc))
                with contextlib.suppress(Exception):  # it is given up, whatever it says to that
                    self._spill.close()
                self._spill = None
            else:
                return
        for folder in (self._asked_for, Path.cwd, _temporary):
            try:
                self._spill, path = self._begun(folder(), snapshots)
            except Exception as exc:  # noqa: BLE001 - likewise
                problems.append(_said(exc))
                continue
            _LOG.warning("snapshots that could not be written are in %s", path)
            if self.spilled_to is None:
                self.spilled_to = path
            else:
                self._add(f"more of them are in {path}")
            return
        raise StorageError(", ".join(dict.fromkeys(problems)))

    def _asked_for(self) -> Path:
        folder = Path.cwd() if self._spill_in is None else self._spill_in
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _begun(self, folder: Path, snapshots: list[Outcome]) -> tuple[Sink, Path]:
        from ..storage.files import JsonLinesSink  # noqa: PLC0415 - only where storage failed

        stamp = datetime.fromtimestamp(self._wall(), UTC).strftime("%Y%m%dT%H%M%S%fZ")
        path = folder.absolute() / f"hhs-perf-unsaved-{stamp}.jsonl"
        spill = JsonLinesSink(path, mode=0o600)
        try:
            spill.write(snapshots)
        except BaseException:
            with contextlib.suppress(Exception):  # what it raised first is told
                spill.close()
                path.unlink()
            raise
        return spill, path

    def _failed(self, error: Exception) -> None:
        """Keep what the storage said first: what follows from it is no help."""
        if self.error is None:
            self.error = _said(error)
        self._tell(error)

    def _add(self, note: str) -> None:
        if self.error is not None and note not in self.error:
            self.error = f"{self.error}; {note}"

    def _tell(self, error: Exception) -> None:
        if not self._has_told:
            self._has_told = True
            _LOG.warning("snapshots could not be written, trying again: %s", _said(error))


def _temporary() -> Path:
    # A folder of one's own: in the common one, somebody else could have made the file before.
    return Path(tempfile.mkdtemp(prefix="hhs-perf-"))


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, StorageError) else f"{type(error).__name__}: {error}"
