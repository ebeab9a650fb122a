"""What tasks of one event loop ask for at a time, asked for together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

__all__ = ["Together"]

Q = TypeVar("Q")
A = TypeVar("A")
T = TypeVar("T")


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
        # Questions with who waits for their answers, a list of them or the only one.
        self._queue: list[tuple[Sequence[Q], bool, asyncio.Future[Any]]] = []

    async def ask(self, question: Q) -> A:
        """Give the answer to a question."""
        if self._is_busy:
            return await self._wait((question,), is_one=True)  # type: ignore[no-any-return]  # a future is untyped
        return await self._go_first(self._one(question))

    async def ask_many(self, questions: Sequence[Q]) -> Sequence[A]:
        """Give the answers to several questions, in their order."""
        if self._is_busy:
            return await self._wait(questions, is_one=False)  # type: ignore[no-any-return]  # a future is untyped
        return await self._go_first(self._many(questions))

    def _wait(self, questions: Sequence[Q], *, is_one: bool) -> asyncio.Future[Any]:
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append((questions, is_one, waiter))
        return waiter

    async def _go_first(self, answer: Awaitable[T]) -> T:
        self._is_busy = True
        try:
            return await answer
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
                    answers = await self._many([each for asked, _, _ in queue for each in asked])
                except BaseException as exc:
                    self._queue += queue
                    self._fail(exc)
                    if not isinstance(exc, Exception):
                        raise
                else:
                    begin = 0
                    for asked, is_one, waiter in queue:
                        end = begin + len(asked)
                        if not waiter.done():
                            waiter.set_result(answers[begin] if is_one else answers[begin:end])
                        begin = end
        finally:
            self._is_busy = False

    def _fail(self, error: BaseException) -> None:
        queue, self._queue = self._queue, []
        for _, _, waiter in queue:
            if not waiter.done():
                waiter.set_exception(error)
