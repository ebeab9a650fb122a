"""How a thread, and how an event loop, answers what the slow path asks for."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ..._redis import LoopReader, ThreadReader, close_async_client
from ...exceptions import CacheReentrancyError
from ..drive import run, run_async
from ..flight import Outcome, loading
from ..policy import replaced
from .together import Together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
    from concurrent.futures import Future

    import redis
    import redis.asyncio

    from ..drive import Steps
    from ..flight import Flight
    from ..policy import Previous
    from ..questions import Question
    from .scripts import Call

__all__ = ["AsyncLink", "AsyncLinks", "SyncLink"]

_MOST_THREADS: Final = 64
# While another event loop loads, it is seen so often whether that was closed, in seconds.
_LOOK_EVERY: Final = 1.0
_NO_SCRIPT: Final = "NOSCRIPT"

Command = tuple[object, ...]


def _by_hash(call: Call) -> Command:
    script, keys, arguments = call
    return ("EVALSHA", script.sha, len(keys), *keys, *arguments)


def _whole(call: Call) -> Command:
    script, keys, arguments = call
    return ("EVAL", script.text, len(keys), *keys, *arguments)


def _is_unknown_script(answer: object) -> bool:
    return isinstance(answer, Exception) and (
        type(answer).__name__ == "NoScriptError" or _NO_SCRIPT in str(answer)[:20]
    )


class _Loading:
    """Lets a loader, and the loads within it, know what they are part of."""

    __slots__ = ("_flight", "_previous", "_tokens")

    def __init__(self, flight: Flight, previous: Previous | None) -> None:
        self._flight = flight
        self._previous = previous

    def __enter__(self) -> None:
        self._tokens = (
            loading.set((*loading.get(), self._flight)),
            replaced.set(self._previous),
        )

    def __exit__(self, *_: object) -> None:
        part_of, before = self._tokens
        loading.reset(part_of)
        replaced.reset(before)


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
            return self.send(*_by_hash(call))
        except Exception as exc:
            if not _is_unknown_script(exc):
                raise
        return self.send(*_whole(call))

    def scripts(self, calls: Sequence[Call]) -> list[Any]:
        """Run several scripts, in one round trip where they are on one server."""
        if len(calls) == 1 or hasattr(self.client, "mget_nonatomic"):
            return [self.script(call) for call in calls]
        with self.client.pipeline(transaction=False) as pipeline:
            add: Callable[..., Any] = pipeline.execute_command
            for call in calls:
                add(*_by_hash(call))
            answers = list(pipeline.execute(raise_on_error=False))
        for place, answer in enumerate(answers):
            if _is_unknown_script(answer):
                answers[place] = self.script(calls[place])
            elif isinstance(answer, Exception):
                raise answer
        return answers

    def call(
        self, loader: Callable[[], object], flight: Flight, previous: Previous | None
    ) -> object:
        """Call a loader."""
        with _Loading(flight, previous):
            value = loader()
        if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise TypeError("the loader gave something to await: use the methods of cache.aio")
        return value

    def wait(self, future: Future[Any], seconds: float | None) -> bool:
        """Wait until `future` is done; False when it is not within `seconds`.

        Raises CacheReentrancyError where waiting would stop the event loop that has to do it.
        Ends early where that loop is closed.
        """
        if isinstance(future, Outcome) and future.home is not None:
            if future.home is _running_loop():
                raise CacheReentrancyError(future.key)
            for pause in _pauses(seconds):
                if future.is_lost or _is_done(future, pause):
                    break
            return future.done()
        return _is_done(future, seconds)

    def lead(self, steps: Callable[[], Steps[Any]]) -> None:
        """Do a load that the caller waits for."""
        run(steps(), self)

    def lead_apart(self, steps: Callable[[], Steps[Any]]) -> None:
        """Do a load in a thread, so that the caller can wait for it with an end."""
        if not self._start(steps, contextvars.copy_context()):
            run(steps(), self)

    def spawn(self, steps: Callable[[], Steps[Any]]) -> bool:
        """Do a load in a thread, for nobody who waits; False when there are too many already."""
        context = contextvars.copy_context()
        context.run(loading.set, ())  # what nobody waits for is part of no other load
        return self._start(steps, context)

    def _start(self, steps: Callable[[], Steps[Any]], context: contextvars.Context) -> bool:
        if not self._free.acquire(blocking=False):
            return False
        thread = threading.Thread(
            target=context.run, args=(self._run, steps), name="hhs_perf-load", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no thread to be had, or the interpreter ends
            self._free.release()
            return False
        return True

    def _run(self, steps: Callable[[], Steps[Any]]) -> None:
        try:
            run(steps(), self)
        finally:
            self._free.release()

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


def _pauses(seconds: float | None) -> Iterator[float]:
    """Cut a wait into pieces, between which to look whether it is in vain."""
    while seconds is None or seconds > 0:
        pause = _LOOK_EVERY if seconds is None else min(seconds, _LOOK_EVERY)
        yield pause
        seconds = None if seconds is None else seconds - pause


class AsyncLink:
    """Answers in one event loop; background work becomes tasks of that loop."""

    def __init__(
        self, make_client: Callable[[], redis.asyncio.Redis] | None, *, is_one_server: bool
    ) -> None:
        self._make_client = make_client
        self._is_one_server = is_one_server
        self._tasks: set[asyncio.Task[Any]] = set()
        self.lookups: Together[Question, Any] | None = None
        """Plain look-ups that L2 has to answer."""

    @cached_property
    def client(self) -> redis.asyncio.Redis:
        """The client of redis-py, made when it is first needed."""
        if self._make_client is None:
            raise RuntimeError("there is no L2")
        return self._make_client()

    @cached_property
    def send(self) -> Callable[..., Awaitable[Any]]:
        """Send one command."""
        return self.client.execute_command

    @cached_property
    def _reader(self) -> LoopReader | None:
        return LoopReader(self.client) if self._is_one_server else None

    @cached_property
    def _reads(self) -> Together[str, Any]:
        if self._reader is not None:
            return Together(self._reader.get, self._reader.get_many, self.keep_task)
        many = getattr(self.client, "mget_nonatomic", self.client.mget)
        return Together(self.client.get, many, self.keep_task)

    @cached_property
    def fetch(self) -> Callable[[str], Awaitable[Any]]:
        """Read one value; what is asked for while one is under way is read together."""
        return self._reads.ask

    @cached_property
    def fetch_many(self) -> Callable[[Sequence[str]], Awaitable[Sequence[Any]]]:
        """Read several values, likewise."""
        return self._reads.ask_many

    async def script(self, call: Call) -> Any:
        """Run a script."""
        try:
            return await self.send(*_by_hash(call))
        except Exception as exc:
            if not _is_unknown_script(exc):
                raise
        return await self.send(*_whole(call))

    async def scripts(self, calls: Sequence[Call]) -> list[Any]:
        """Run several scripts, in one round trip where they are on one server."""
        if len(calls) == 1 or hasattr(self.client, "mget_nonatomic"):
            return [await self.script(call) for call in calls]
        async with self.client.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.execute_command(*_by_hash(call))
            answers = list(await pipeline.execute(raise_on_error=False))
        for place, answer in enumerate(answers):
            if _is_unknown_script(answer):
                answers[place] = await self.script(calls[place])
            elif isinstance(answer, Exception):
                raise answer
        return answers

    async def call(
        self, loader: Callable[[], object], flight: Flight, previous: Previous | None
    ) -> object:
        """Call a loader, and await what it gives if that can be awaited."""
        with _Loading(flight, previous):
            value = loader()
            return await value if inspect.isawaitable(value) else value

    async def wait(self, future: Future[Any], seconds: float | None) -> bool:
        """Wait until `future` is done; False when it is not within `seconds`."""
        if future.done():
            return True
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def wake(_: object) -> None:
            try:
                loop.call_soon_threadsafe(_set, waiter)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

        future.add_done_callback(wake)
        is_far = isinstance(future, Outcome) and future.home not in (None, loop)
        for pause in _pauses(seconds) if is_far else (seconds,):
            if isinstance(future, Outcome) and future.is_lost:
                break
            await asyncio.wait((waiter,), timeout=pause)
            if future.done():
                break
        return future.done()

    async def lead(self, steps: Callable[[], Steps[Any]]) -> None:
        """Do a load in a task: whoever waits for it may be cancelled without ending it."""
        self.keep_task(run_async(steps(), self))

    lead_apart = lead

    async def spawn(self, steps: Callable[[], Steps[Any]]) -> bool:
        """Do a load in a task, for nobody who waits."""
        context = contextvars.copy_context()
        context.run(loading.set, ())  # what nobody waits for is part of no other load
        self.keep_task(run_async(steps(), self), context)
        return True

    def keep_task(
        self, work: Coroutine[Any, Any, Any], context: contextvars.Context | None = None
    ) -> None:
        """Run a task that nobody waits for."""
        # The loop itself holds tasks weakly.
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the background work and the connections."""
        for task in list(self._tasks):
            task.cancel()
        reader = self.__dict__.pop("_reader", None)
        if reader is not None:
            await reader.close()
        for made in ("_reads", "fetch", "fetch_many"):
            self.__dict__.pop(made, None)
        if "client" in self.__dict__:
            client = self.__dict__.pop("client")
            self.__dict__.pop("send", None)
            await close_async_client(client)


def _set(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class AsyncLinks:
    """One link for each event loop that uses the cache."""

    def __init__(
        self,
        make_client: Callable[[], redis.asyncio.Redis] | None,
        *,
        is_one_server: bool = False,
    ) -> None:
        self._make_client = make_client
        self._is_one_server = is_one_server
        self._links: dict[asyncio.AbstractEventLoop, AsyncLink] = {}

    def current(self) -> AsyncLink:
        """Give the link of the running loop."""
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            # Connections hold their loop, so that no weak reference would let go of one.
            for held in list(self._links):
                if held.is_closed():
                    self._links.pop(held, None)
            link = self._links[loop] = AsyncLink(
                self._make_client, is_one_server=self._is_one_server
            )
        return link

    async def close(self) -> None:
        """Close what belongs to the running loop."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        if link is not None:
            await link.close()

    def renew(self) -> None:
        """Let go of what belongs to the parent of a forked process."""
        self._links = {}
