"""Blocks and functions of all four kinds, timed from call to end."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest

from hhs_perf.metrics import LocalReader, Registry, Timer
from hhs_perf.testing import FakeClock


@pytest.fixture
def registry(clock: FakeClock) -> Registry:
    """A registry on the clock that is moved by hand."""
    return Registry(clock=clock)


@pytest.fixture
def timer(registry: Registry) -> Timer:
    """The timer under test."""
    return registry.timer("work")


@pytest.fixture
def taken(registry: Registry) -> Callable[[], list[float]]:
    """Give the durations taken so far, sorted."""
    reader = LocalReader(registry)
    return lambda: list(reader.read().timer("work").values or ())


Taken = Callable[[], list[float]]


def test_a_block_is_timed(timer: Timer, clock: FakeClock, taken: Taken) -> None:
    with timer.time():
        clock.advance(0.25)
    assert taken() == [0.25]


def test_a_block_that_raises_is_timed_and_its_error_passes(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    with pytest.raises(KeyError), timer.time():
        clock.advance(0.5)
        raise KeyError("x")
    assert taken() == [0.5]


def test_a_timing_can_be_entered_again(timer: Timer, clock: FakeClock, taken: Taken) -> None:
    timing = timer.time()
    for seconds in (1.0, 2.0):
        with timing:
            clock.advance(seconds)
    assert taken() == [1.0, 2.0]


def test_blocks_of_one_timer_may_nest(timer: Timer, clock: FakeClock, taken: Taken) -> None:
    with timer.time():
        clock.advance(1)
        with timer.time():
            clock.advance(2)
    assert taken() == [2.0, 3.0]


def test_a_function_is_timed(timer: Timer, clock: FakeClock, taken: Taken) -> None:
    @timer.timed
    def add(a: int, b: int = 1, *more: int, c: int) -> int:
        clock.advance(0.1)
        return a + b + sum(more) + c

    assert add(1, 2, 3, c=4) == 10
    assert taken() == [0.1]


def test_a_function_that_raises_is_timed(timer: Timer, clock: FakeClock, taken: Taken) -> None:
    @timer.timed
    def fail() -> None:
        clock.advance(0.1)
        raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert taken() == [0.1]


def test_recursive_calls_are_timed_each(timer: Timer, clock: FakeClock, taken: Taken) -> None:
    @timer.timed
    def count(n: int) -> None:
        clock.advance(1)
        if n > 1:
            count(n - 1)

    count(3)
    assert taken() == [1.0, 2.0, 3.0]


def test_methods_are_timed(timer: Timer, clock: FakeClock, taken: Taken) -> None:
    class Thing:
        @timer.timed
        def work(self, seconds: float) -> Thing:
            clock.advance(seconds)
            return self

        @classmethod
        @timer.timed
        def make(cls) -> Thing:
            clock.advance(3)
            return cls()

    thing = Thing.make()
    assert thing.work(2) is thing
    assert taken() == [2.0, 3.0]


async def sleep(clock: FakeClock, seconds: float) -> None:
    """Let the loop go round once while `seconds` pass."""
    await asyncio.sleep(0)
    clock.advance(seconds)


async def test_a_coroutine_is_timed_while_it_is_awaited(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    """Not the time that it takes to create it."""

    @timer.timed
    async def work(seconds: float) -> str:
        await sleep(clock, seconds)
        return "done"

    awaitable = work(0.2)
    clock.advance(100)
    assert taken() == []
    assert await awaitable == "done"
    assert taken() == [pytest.approx(0.2)]


async def test_a_coroutine_that_raises_is_timed(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    @timer.timed
    async def fail() -> None:
        await sleep(clock, 0.2)
        raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert taken() == [pytest.approx(0.2)]


async def test_a_cancelled_coroutine_is_timed_and_stays_cancelled(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    @timer.timed
    async def hang() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await asyncio.sleep(0)
    clock.advance(4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert taken() == [4.0]


async def test_coroutines_side_by_side_are_timed_apart(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    gates = [asyncio.Event(), asyncio.Event()]

    @timer.timed
    async def wait(gate: asyncio.Event) -> None:
        await gate.wait()

    tasks = [asyncio.create_task(wait(gate)) for gate in gates]
    await asyncio.sleep(0)
    for gate, task in zip(gates, tasks, strict=True):
        clock.advance(1)
        gate.set()
        await task
    assert taken() == [1.0, 2.0]


def test_a_generator_is_timed_from_its_first_step_to_its_end(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    @timer.timed
    def count(n: int) -> Generator[int]:
        for i in range(n):
            clock.advance(1)
            yield i

    items = count(3)
    clock.advance(100)
    assert next(items) == 0
    clock.advance(10)
    assert list(items) == [1, 2]
    assert taken() == [13.0]


def test_a_generator_is_driven_as_if_it_were_bare(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    log: list[object] = []

    @timer.timed
    def echo() -> Generator[object, object, str]:
        item: object = "first"
        while True:
            try:
                item = yield item
            except KeyError as error:
                item = error
            if item == "stop":
                return "result"
            log.append(item)

    echoing = echo()
    assert next(echoing) == "first"
    assert echoing.send(1) == 1
    error = KeyError("x")
    assert echoing.throw(error) is error
    clock.advance(2)
    with pytest.raises(StopIteration) as stopped:
        echoing.send("stop")
    assert stopped.value.value == "result"
    assert log == [1, error]
    assert taken() == [2.0]


def test_a_generator_left_early_is_closed_and_timed(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    closed = []

    @timer.timed
    def forever() -> Generator[int]:
        try:
            while True:
                clock.advance(1)
                yield 1
        finally:
            closed.append(True)

    items = forever()
    for _ in items:
        break
    items.close()
    assert (closed, taken()) == ([True], [1.0])


def test_a_generator_never_started_is_not_timed(timer: Timer, taken: Taken) -> None:
    @timer.timed
    def nothing() -> Generator[int]:
        yield 1

    nothing().close()
    assert taken() == []


async def test_an_async_generator_is_timed_from_its_first_step_to_its_end(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    @timer.timed
    async def count(n: int) -> AsyncGenerator[int]:
        for i in range(n):
            await sleep(clock, 1)
            yield i

    items = count(3)
    clock.advance(100)
    got = []
    async for item in items:
        got.append(item)
        clock.advance(10)
    assert got == [0, 1, 2]
    assert taken() == [33.0]


async def test_an_async_generator_is_driven_as_if_it_were_bare(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    @timer.timed
    async def echo() -> AsyncGenerator[object, object]:
        item: object = "first"
        while item != "stop":
            try:
                item = yield item
            except KeyError as error:
                item = error

    echoing = echo()
    assert await anext(echoing) == "first"
    assert await echoing.asend(1) == 1
    error = KeyError("x")
    assert await echoing.athrow(error) is error
    clock.advance(2)
    with pytest.raises(StopAsyncIteration):
        await echoing.asend("stop")
    assert taken() == [2.0]


async def test_an_error_thrown_into_an_async_generator_comes_back_out(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    @timer.timed
    async def once() -> AsyncGenerator[int]:
        clock.advance(3)
        yield 1

    items = once()
    await anext(items)
    with pytest.raises(LookupError, match="from outside"):
        await items.athrow(LookupError("from outside"))
    assert taken() == [3.0]


async def test_an_async_generator_that_raises_is_timed(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    @timer.timed
    async def fail() -> AsyncGenerator[int]:
        yield 1
        clock.advance(5)
        raise LookupError

    with pytest.raises(LookupError):
        assert [item async for item in fail()] == [1]
    assert taken() == [5.0]


async def test_an_async_generator_left_early_is_closed_and_timed(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    closed = []

    @timer.timed
    async def forever() -> AsyncGenerator[int]:
        try:
            while True:
                clock.advance(1)
                yield 1
        finally:
            await sleep(clock, 0.5)
            closed.append(True)

    items = forever()
    async for _ in items:
        break
    await items.aclose()
    assert (closed, taken()) == ([True], [1.5])


async def test_an_async_generator_whose_closing_fails_is_timed(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    @timer.timed
    async def stubborn() -> AsyncGenerator[int]:
        try:
            clock.advance(1)
            yield 1
        finally:
            raise LookupError

    items = stubborn()
    await anext(items)
    with pytest.raises(LookupError):
        await items.aclose()
    assert taken() == [1.0]


def functions(timer: Timer) -> list[Callable[..., Any]]:
    """Give one timed function of each kind, all alike from outside."""

    @timer.timed
    def plain(a: int, *, b: str = "x") -> str:
        """Say what it does."""
        return b * a

    @timer.timed
    async def coroutine(a: int, *, b: str = "x") -> str:
        """Say what it does."""
        return b * a

    @timer.timed
    def generator(a: int, *, b: str = "x") -> Generator[str]:
        """Say what it does."""
        yield b * a

    @timer.timed
    async def async_generator(a: int, *, b: str = "x") -> AsyncGenerator[str]:
        """Say what it does."""
        yield b * a

    return [plain, coroutine, generator, async_generator]


@pytest.mark.parametrize("kind", range(4), ids=["plain", "coroutine", "generator", "async gen"])
def test_a_timed_function_looks_like_itself(timer: Timer, kind: int) -> None:
    """Frameworks look at names, signatures and kinds of the functions that they are given."""
    function = functions(timer)[kind]
    name = ("plain", "coroutine", "generator", "async_generator")[kind]
    assert function.__name__ == name
    assert function.__doc__ == "Say what it does."
    assert function.__module__ == __name__
    assert list(inspect.signature(function).parameters) == ["a", "b"]
    assert inspect.unwrap(function) is not function
    asked = (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    )
    assert [ask(function) for ask in asked] == [kind == 1, kind == 2, kind == 3]


async def test_a_partial_of_a_coroutine_function_is_timed_while_awaited(
    timer: Timer, clock: FakeClock, taken: Taken
) -> None:
    async def work(seconds: float) -> None:
        await sleep(clock, seconds)

    await timer.timed(functools.partial(work, 2.0))()
    assert taken() == [2.0]


def test_a_decorated_function_follows_the_tick(registry: Registry, timer: Timer) -> None:
    """It is decorated at import, long before the monitor starts to tick."""

    @timer.timed
    def work() -> None: ...

    work()
    registry.use_ticks(ticking=True)
    for _ in range(2000):
        work()
    assert LocalReader(registry).read().timer("work").count == 2001
