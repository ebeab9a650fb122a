"""What tasks of one event loop ask for at a time, asked for together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

__all__ = ["Together"]

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Asks one question at once; those that come while it is under way are asked in one go.

    `one` answers a question, `many` several, in their order; `start` runs a task that nobody
    waits for. What either raises reaches all who wait: they would only find out the same, one
    after the other.
    """

    __slots__ = ("_is_busy", "_many", "_one", "_queue", "_start")

    def __init__(
        self,
        one: Callable[[Q], Awaitable[A]],
        many: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._one = one
        self._many = many
        self._start = start
        self._is_busy = False
        self._queue: list[tuple[Q, asyncio.Future[A]]] = []

    async def ask(self, question: Q) -> A:
        """Give the answer to `question`."""
        if self._is_busy:
            waiter: asyncio.Future[A] = asyncio.get_running_loop().create_future()
            self._queue.append((question, waiter))
            return await waiter
        self._is_busy = True
        try:
            return await self._one(question)
        except Exception as exc:
            self._fail(exc)
            raise
        finally:
            if self._queue:
                self._start(self._ask_queued())
            else:
                self._is_busy = False

    async def _ask_queued(self) -> None:
        try:
            while self._queue:
                queue, self._queue = self._queue, []
                try:
                    answers = await self._many([question for question, _ in queue])
                except BaseException as exc:
                    self._queue += queue
                    self._fail(exc)
                    if not isinstance(exc, Exception):
                        raise
                else:
                    for (_, waiter), answer in zip(queue, answers, strict=True):
                        if not waiter.done():
                            waiter.set_result(answer)
        finally:
            self._is_busy = False

    def _fail(self, error: BaseException) -> None:
        queue, self._queue = self._queue, []
        for _, waiter in queue:
            if not waiter.done():
                waiter.set_exception(error)
