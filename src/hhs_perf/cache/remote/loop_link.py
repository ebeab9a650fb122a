"""How an event loop answers what the slow path asks for."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..._redis import LoopReader, close_async_client
from ..drive import run_async
from ..flight import Outcome, loading
from .answering import Loading, by_hash, is_unknown_script, pauses, whole
from .together import Together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from concurrent.futures import Future

    import redis
    import redis.asyncio

    from ..drive import Steps
    from ..flight import Flight
    from ..policy import Previous
    from ..questions import Question
    from .scripts import Call

__all__ = ["AsyncLink", "AsyncLinks"]


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
            return await self.send(*by_hash(call))
        except Exception as exc:
            if not is_unknown_script(exc):
                raise
        return await self.send(*whole(call))

    async def scripts(self, calls: Sequence[Call]) -> list[Any]:
        """Run several scripts, in one round trip where they are on one server."""
        if len(calls) == 1 or hasattr(self.client, "mget_nonatomic"):
            return [await self.script(call) for call in calls]
        async with self.client.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.execute_command(*by_hash(call))
            answers = list(await pipeline.execute(raise_on_error=False))
        for place, answer in enumerate(answers):
            if is_unknown_script(answer):
                answers[place] = await self.script(calls[place])
            elif isinstance(answer, Exception):
                raise answer
        return answers

    async def call(
        self, loader: Callable[[], object], flight: Flight, previous: Previous | None
    ) -> object:
        """Call a loader, and await what it gives if that can be awaited."""
        with Loading(flight, previous):
            value = loader()
            if not inspect.isawaitable(value):
                return value
            loop = asyncio.get_running_loop()
            try:
                return await value
            except Exception:
                # Collected with its event loop, a loader may raise whatever it likes.
                if loop.is_closed() or not loop.is_running():
                    raise GeneratorExit from None
                raise

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
        for pause in pauses(seconds) if is_far else (seconds,):
            if isinstance(future, Outcome) and future.is_lost:
                break
            await asyncio.wait((waiter,), timeout=pause)
            if future.done():
                break
        return future.done()

    async def lead(self, steps: Callable[[], Steps[Any]]) -> None:
        """Do a load in a task: whoever waits for it may be cancelled without ending it."""
        self.keep_task(run_async(steps(), self))

    async def lead_apart(self, steps: Callable[[], Steps[Any]], _: float | None) -> bool:
        """Do likewise: a task is always to be had."""
        await self.lead(steps)
        return True

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
