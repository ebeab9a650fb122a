"""What is asked for at a time is asked for together, and what fails fails for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from hhs_perf.cache.remote.together import Together


class Oracle:
    """Answers with doubles when it is let; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.together: Together[int, int] = Together(self.one, self.many, self.start)
        self._gates: list[asyncio.Future[None]] = []

    async def one(self, question: int) -> int:
        await self._wait(question)
        return 2 * question

    async def many(self, questions: Sequence[int]) -> list[int]:
        await self._wait(list(questions))
        return [2 * question for question in questions]

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def begin(self, *questions: int | list[int]) -> list[asyncio.Task[Any]]:
        """Have each asked by a task of its own, up to where they wait."""
        ask, ask_many = self.together.ask, self.together.ask_many
        tasks = [
            asyncio.create_task(ask_many(each) if isinstance(each, list) else ask(each))
            for each in questions
        ]
        await settle()
        return tasks

    async def let(self, error: Exception | None = None) -> None:
        """Let it answer, or fail at, what it was asked last."""
        gate = self._gates.pop()
        if error is None:
            gate.set_result(None)
        else:
            gate.set_exception(error)
        await settle()

    async def _wait(self, asked: object) -> None:
        self.asked.append(asked)
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gates.append(gate)
        await gate


async def settle() -> None:
    """Let all tasks go on to where they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_first_goes_alone_and_those_that_come_meanwhile_together() -> None:
    oracle = Oracle()
    tasks = await oracle.begin(1, 2, [3, 4], 5, [])
    await oracle.let()
    await oracle.let()
    assert [await task for task in tasks] == [2, 4, [6, 8], 10, []]
    assert oracle.asked == [1, [2, 3, 4, 5]]


async def test_what_comes_while_several_are_asked_is_asked_after_them() -> None:
    oracle = Oracle()
    tasks = await oracle.begin([1, 2], 3)
    await oracle.let()
    tasks += await oracle.begin(4, 5)
    assert oracle.asked == [[1, 2], [3]]
    await oracle.let()
    await oracle.let()
    assert [await task for task in tasks] == [[2, 4], 6, 8, 10]
    assert oracle.asked == [[1, 2], [3], [4, 5]]
    (last,) = await oracle.begin(6)
    await oracle.let()
    assert (await last, oracle.asked[-1]) == (12, 6)


@pytest.mark.parametrize("answered", [0, 1])
async def test_a_failure_reaches_all_who_wait_and_is_over_then(answered: int) -> None:
    oracle = Oracle()
    tasks = await oracle.begin(1, 2, [3, 4])
    for _ in range(answered):
        await oracle.let()
        assert await tasks.pop(0) == 2
    error = OSError("down")
    await oracle.let(error)
    assert await asyncio.gather(*tasks, return_exceptions=True) == [error] * len(tasks)
    (next_one,) = await oracle.begin(5)
    await oracle.let()
    assert await next_one == 10


async def test_who_is_cancelled_leaves_the_others_waiting_for_their_answers() -> None:
    oracle = Oracle()
    tasks = await oracle.begin(1, 2, [3, 4], 5)
    tasks[0].cancel()
    tasks[2].cancel()
    await settle()
    await oracle.let()
    assert (await tasks[1], await tasks[3]) == (4, 10)
    assert [task.cancelled() for task in tasks] == [True, False, True, False]


async def test_where_the_work_is_cancelled_nobody_waits_for_ever() -> None:
    oracle = Oracle()
    first, second = await oracle.begin(1, 2)
    await oracle.let()
    assert await first == 2
    (third,) = await oracle.begin(3)
    for work in oracle.tasks:
        work.cancel()
    await settle()
    assert second.cancelled()
    assert third.cancelled()
    (fourth,) = await oracle.begin(4)
    await oracle.let()
    assert await fourth == 8
