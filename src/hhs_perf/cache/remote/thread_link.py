"""How a thread answers what the slow path asks for."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ..._redis import ThreadReader
from ...exceptions import CacheReentrancyError
from ..drive import run
from ..flight import Outcome, loading
from .answering import Loading, by_hash, is_unknown_script, pauses, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    import redis
    import redis.asyncio

    from ..drive import Steps
    from ..flight import Flight
    from ..policy import Previous
    from .scripts import Call

__all__ = ["SyncLink"]

_MOST_THREADS: Final = 64


class SyncLink:
    """Answers in the calling thread; background work goes to threads of its own."""

    def __init__(
        self, make_client: Callable[[], redis.Redis] | None, *, is_one_server: bool = False
    ) -> None:
        self._make_client = make_client
        self._is_one_server = is_one_server
        self._free = threading.BoundedSemaphore(_MOST_THREADS)

    @cached_property
    def client(self) -> redis.Redis:
        """The client of redis-py, made when it is first needed."""
        if self._make_client is None:
            raise RuntimeError("there is no L2")
        return self._make_client()

    @cached_property
    def send(self) -> Callable[..., Any]:
        """Send one command."""
        return self.client.execute_command

    @cached_property
    def _reader(self) -> ThreadReader | None:
        return ThreadReader(self.client) if self._is_one_server else None

    @cached_property
    def fetch(self) -> Callable[[str], Any]:
        """Read one value."""
        return self.client.get if self._reader is None else self._reader.get

    @cached_property
    def fetch_many(self) -> Callable[[Sequence[str]], list[Any]]:
        """Read several values."""
        if self._reader is not None:
            return self._reader.get_many
        many: Callable[[Sequence[str]], list[Any]]
        many = getattr(self.client, "mget_nonatomic", self.client.mget)
        return many

    def script(self, call: Call) -> Any:
        """Run a script."""
        try:
            return self.send(*by_hash(call))
        except Exception as exc:
            if not is_unknown_script(exc):
                raise
        return self.send(*whole(call))

    def scripts(self, calls: Sequence[Call]) -> list[Any]:
        """Run several scripts, in one round trip where they are on one server."""
        if len(calls) == 1 or hasattr(self.client, "mget_nonatomic"):
            return [self.script(call) for call in calls]
        with self.client.pipeline(transaction=False) as pipeline:
            add: Callable[..., Any] = pipeline.execute_command
            for call in calls:
                add(*by_hash(call))
            answers = list(pipeline.execute(raise_on_error=False))
        for place, answer in enumerate(answers):
            if is_unknown_script(answer):
                answers[place] = self.script(calls[place])
            elif isinstance(answer, Exception):
                raise answer
        return answers

    def call(
        self, loader: Callable[[], object], flight: Flight, previous: Previous | None
    ) -> object:
        """Call a loader."""
        with Loading(flight, previous):
            value = loader()
        if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise TypeError("the loader gave something to await: use the methods of cache.aio")
        return value

    def wait(self, future: Future[Any], seconds: float | None) -> bool:
        """Wait until `future` is done; False when it is not within `seconds`.

        Raises CacheReentrancyError where waiting would stop the event loop that has to do it.
        Ends early where that loop was closed, or rests.
        """
        if isinstance(future, Outcome) and future.home is not None:
            if future.home is _running_loop():
                raise CacheReentrancyError(future.key)
            for pause in pauses(seconds):
                if future.is_lost or _is_done(future, pause):
                    break
            return future.done()
        return _is_done(future, seconds)

    def lead(self, steps: Callable[[], Steps[Any]]) -> None:
        """Do a load that the caller waits for."""
        run(steps(), self)

    def lead_apart(self, steps: Callable[[], Steps[Any]], patience: float | None) -> bool:
        """Do a load in a thread, so that the caller can wait for it with an end.

        False when no thread became free within `patience` seconds. Where the caller waits for
        ever, or the interpreter ends, its own thread will do.
        """
        if not sys.is_finalizing():
            if self._start(steps, contextvars.copy_context(), patience or 0.0):
                return True
            if patience is not None:
                return False
        run(steps(), self)
        return True

    def spawn(self, steps: Callable[[], Steps[Any]]) -> bool:
        """Do a load in a thread, for nobody who waits; False when there are too many already."""
        context = contextvars.copy_context()
        context.run(loading.set, ())  # what nobody waits for is part of no other load
        return not sys.is_finalizing() and self._start(steps, context, 0.0)

    def _start(
        self, steps: Callable[[], Steps[Any]], context: contextvars.Context, patience: float
    ) -> bool:
        free = self._free
        if not free.acquire(timeout=patience):
            return False
        thread = threading.Thread(
            target=context.run, args=(self._run, steps, free), name="hhs_perf-load", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no thread to be had, or the interpreter ends
            free.release()
            return False
        return True

    def _run(self, steps: Callable[[], Steps[Any]], free: threading.BoundedSemaphore) -> None:
        try:
            run(steps(), self)
        except Exception:
            raise
        except BaseException:  # noqa: BLE001 - who leads raises it, and else it was counted
            return
        finally:
            free.release()

    def close(self) -> None:
        """Close the connections; they open again where they are needed."""
        reader = self.__dict__.get("_reader")
        if reader is not None:
            reader.close()
        if "client" in self.__dict__:
            self.client.close()

    def renew(self) -> None:
        """Let go of what belongs to the parent of a forked process."""
        self._free = threading.BoundedSemaphore(_MOST_THREADS)
        for made in ("client", "send", "_reader", "fetch", "fetch_many"):
            self.__dict__.pop(made, None)


def _is_done(future: Future[Any], seconds: float | None) -> bool:
    try:
        future.exception(seconds)
    except TimeoutError:
        return future.done()
    return True


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
