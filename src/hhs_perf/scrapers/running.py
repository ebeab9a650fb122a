"""A run as its caller goes through it: in the caller's event loop, or on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

import attrs

from .storage.sink import Sink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping

    from .engine.report import RunReport
    from .engine.run import Run
    from .storage.sink import Destination
    from .values import Outcome

__all__ = ["ScrapeRun", "opener", "refuse_in_loop", "report_of"]

_MOST_AHEAD: Final = 1000
_RETURNED_AT_ONCE: Final = 100
# Windows hears Ctrl-C between waits only, and after a fork there is nobody to wait for.
_CHECKED_EVERY: Final = 1.0


class ScrapeRun:
    """A run: iterated over once, with `for` or `async for`, it gives the outcome of each account.

    Whoever stops early leaves nothing under way, and what was fetched is kept. `report` tells what
    the run did, at any time. With `for` the requests go on in a thread of their own while the
    caller works, up to 1,000 outcomes ahead of it; inside of a running event loop it raises
    RuntimeError. What the place of the snapshots raises when it is opened comes from the
    iteration: StorageError, ConfigurationError. A second iteration raises RuntimeError.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._is_taken = False

    @property
    def expected(self) -> Mapping[str, int]:
        """How many accounts are asked for, by platform; empty before the first outcome."""
        return self._run.expected

    @property
    def report(self) -> RunReport:
        """What the run did, so far or in all."""
        return self._run.report

    def __aiter__(self) -> AsyncIterator[Outcome]:
        """Go through the outcomes."""
        self._take()
        return self._run.outcomes()

    def __iter__(self) -> Iterator[Outcome]:
        """Go through the outcomes."""
        refuse_in_loop("iterate with `async for`")
        self._take()
        return _steps(self._run)

    def _take(self) -> None:
        if self._is_taken:
            raise RuntimeError(
                "a run is iterated over once: keep its outcomes, or prepare another run"
            )
        self._is_taken = True


def opener(to: Destination | None) -> Sink | Callable[[], Sink] | None:
    """Give what a run writes to; a place that is named is opened when the run begins."""
    if to is None or isinstance(to, Sink):
        return to
    from .storage.opening import open_sink  # noqa: PLC0415 - only who names a place needs it

    return partial(open_sink, to)


async def report_of(run: ScrapeRun) -> RunReport:
    """Do a run to its end, or until this is cancelled, and report."""
    outcomes = aiter(run)
    try:
        async for _ in outcomes:
            pass
    finally:
        await _close(outcomes)
    return run.report


async def _close(outcomes: AsyncIterator[Outcome]) -> None:
    close = getattr(outcomes, "aclose", None)
    if close is not None:
        await close()


def refuse_in_loop(instead: str) -> None:
    """Raise RuntimeError inside of a running event loop; `instead` says what to use there."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(f"this would stop the running event loop: {instead}")


def _steps(run: Run) -> Generator[Outcome]:
    threaded = _Threaded(run)
    try:
        while (outcome := threaded.take()) is not None:
            yield outcome
    except GeneratorExit:
        error = threaded.end()
        if error is not None:
            raise error from None
        raise
    finally:
        threaded.end()


@attrs.frozen
class _Ended:
    """The last thing that a thread hands over."""

    error: BaseException | None


class _Threaded:
    """A run in an event loop on a thread of its own, from which one caller takes outcomes."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._handed: SimpleQueue[Outcome | _Ended] = SimpleQueue()
        self._ended: _Ended | None = None
        self._taken = 0
        self._taker = threading.get_ident()
        # The following belong to the thread; the caller reaches them through the loop.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Semaphore(_MOST_AHEAD)
        self._has_begun = False
        self._is_over = threading.Event()
        # Daemonic: an iterator that is kept to the end of the process must not keep it alive.
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._live,), name="hhs_perf-scrape", daemon=True
        )
        self._thread.start()

    def take(self) -> Outcome | None:
        """Wait for the next outcome; None after the last. Raises what the run raised."""
        self._taker = threading.get_ident()
        handed = self._next()
        if isinstance(handed, _Ended):
            self._ended = handed
            if handed.error is not None:
                raise handed.error
            return None
        self._taken += 1
        if self._taken == _RETURNED_AT_ONCE:
            self._taken = 0
            self._tell(self._make_room)
        return handed

    def end(self) -> BaseException | None:
        """Have the run wind up, and wait for it; gives what that raised, if it is not known yet.

        Only who took the outcomes waits. Another thread is here when the garbage collection of an
        iterator happens on it, and the run may need just that thread to wind up.
        """
        if self._ended is not None:
            return None
        if not self._is_over.is_set():
            self._is_over.set()
            self._tell(self._wind_up)
        if threading.get_ident() != self._taker:
            return None
        while self._thread.is_alive():
            self._thread.join(_CHECKED_EVERY)
        while self._ended is None:
            try:
                handed = self._handed.get_nowait()
            except Empty:  # a forked child: the run is its parent's
                self._ended = _Ended(None)
            else:
                self._ended = handed if isinstance(handed, _Ended) else None
        return self._ended.error

    def _next(self) -> Outcome | _Ended:
        while True:
            is_alive = self._thread.is_alive()
            try:
                return self._handed.get(timeout=_CHECKED_EVERY if is_alive else 0)
            except Empty:
                if not is_alive:
                    raise RuntimeError("the run goes on in the process that began it") from None

    def _tell(self, what: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # it has closed just now
                loop.call_soon_threadsafe(what)

    def _live(self) -> None:
        error: BaseException | None = None
        try:
            asyncio.run(self._hand_over())
        except asyncio.CancelledError as exc:
            error = None if self._is_over.is_set() else exc
        except BaseException as exc:  # noqa: BLE001 - it is raised in the caller
            error = exc
        self._handed.put(_Ended(error))

    async def _hand_over(self) -> None:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        if self._is_over.is_set():  # before there was a loop to tell of it
            self._wind_up()
        outcomes = self._run.outcomes()
        try:
            async for outcome in outcomes:
                self._has_begun = True
                if self._is_over.is_set():
                    continue
                await self._room.acquire()
                self._handed.put(outcome)
        finally:
            await _close(outcomes)

    def _make_room(self) -> None:
        for _ in range(_RETURNED_AT_ONCE):
            self._room.release()

    def _wind_up(self) -> None:
        # With nobody left to ask for, the run is over anyhow or writes what it has: a cancellation
        # would cut that short.
        is_all_there = self._has_begun or self._run.expected
        if is_all_there and not self._run.report.left:
            self._room.release()
        elif self._task is not None:
            self._task.cancel()
            self._task = None
