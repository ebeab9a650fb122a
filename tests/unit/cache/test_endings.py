"""Loads that end neither with a value nor with an Exception: nobody waits or calls for ever."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hhs_perf.cache import Policy, TieredCache
from hhs_perf.cache.remote import thread_link
from hhs_perf.exceptions import CacheCodecError, CacheTimeoutError
from hhs_perf.testing import FakeClock
from tests.cache_worlds import Gate, in_thread, open_cache
from tests.servers import wait_until

SOON = 10


@pytest.fixture
def cache(clock: FakeClock) -> Iterator[TieredCache]:
    with open_cache(clock=clock, l1_ttl=60.0) as made:
        yield made


class Unusual(BaseException):
    """Neither an Exception nor one of Python's own."""


class Ending:
    """A loader that counts its calls, and ends with an exception."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error
        self.calls = 0

    def __call__(self) -> object:
        self.calls += 1
        assert self.calls < 100, "called for ever"
        raise self.error

    async def awaited(self) -> object:
        await asyncio.sleep(0)
        return self()


ENDS = [asyncio.CancelledError, SystemExit, KeyboardInterrupt, GeneratorExit, Unusual]
POLICIES = [
    Policy(),
    Policy(hard_timeout=5),
    Policy(soft_timeout=5),
    Policy(fail_safe_for=10, soft_timeout=5, hard_timeout=8),
]


# -- what is no Exception


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("error", ENDS)
def test_the_caller_whose_loader_ended_so_gets_it_after_one_call(
    cache: TieredCache, error: type[BaseException], policy: Policy
) -> None:
    loader = Ending(error)
    with pytest.raises(error):
        in_thread(cache.get_or_load, "k", loader, policy=policy).result(SOON)
    assert loader.calls == 1
    assert cache.get_or_load("k", lambda: "value") == "value"


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("error", [asyncio.CancelledError, Unusual])
async def test_a_task_whose_loader_ended_so_gets_it_after_one_call(
    cache: TieredCache, error: type[BaseException], policy: Policy
) -> None:
    loader = Ending(error)
    with pytest.raises(error):
        async with asyncio.timeout(SOON):
            await cache.aio.get_or_load("k", loader.awaited, policy=policy)
    assert loader.calls == 1
    assert await cache.aio.get_or_load("k", lambda: "value") == "value"
    gc.collect()


async def test_who_leads_a_load_whose_task_is_cancelled_is_cancelled(cache: TieredCache) -> None:
    began = asyncio.Event()

    async def loader() -> None:
        began.set()
        await asyncio.Event().wait()

    asked = asyncio.create_task(cache.aio.get_or_load("k", loader))
    await began.wait()
    await cache.aio.close()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(asked), SOON)


def ended_in_the_midst(cache: TieredCache) -> tuple[Gate, Any]:
    """A load under way that will end in an unusual way."""

    def end() -> None:
        raise Unusual

    gate = Gate(lambda: None)

    def loader() -> None:
        gate()
        end()

    leading = in_thread(cache.get_or_load, "k", loader)
    gate.wait()
    return gate, leading


def test_who_waited_for_somebody_elses_load_loads(cache: TieredCache) -> None:
    gate, leading = ended_in_the_midst(cache)
    waiting = [in_thread(cache.get_or_load, "k", lambda: "value") for _ in range(5)]
    gate.open()
    assert [each.result(SOON) for each in waiting] == ["value"] * 5
    with pytest.raises(Unusual):
        leading.result(SOON)


def test_where_every_load_ends_so_every_caller_is_called_once(cache: TieredCache) -> None:
    gate, leading = ended_in_the_midst(cache)
    loaders = [Ending(Unusual) for _ in range(8)]
    waiting = [in_thread(cache.get_or_load, "k", each) for each in loaders]
    gate.open()
    for each in (leading, *waiting):
        with pytest.raises(Unusual):
            each.result(SOON)
    assert [each.calls for each in loaders] == [1] * 8
    assert len(cache.core.flights) == 0


def test_a_hard_timeout_is_for_the_call_and_not_for_each_load(
    cache: TieredCache, clock: FakeClock
) -> None:
    gate, leading = ended_in_the_midst(cache)
    waiting = in_thread(cache.get_or_load, "k", Gate(lambda: 1), policy=Policy(hard_timeout=60))
    flight = cache.core.flights.under_way("k")
    assert flight is not None
    wait_until(lambda: bool(flight.outcome._done_callbacks) or has_waiters(flight), "the waiter")
    clock.advance(60)
    gate.open()
    with pytest.raises(CacheTimeoutError, match="60 s"):
        waiting.result(SOON)
    with pytest.raises(Unusual):
        leading.result(SOON)


def has_waiters(flight: Any) -> bool:
    """Tell whether a thread waits for a flight."""
    return bool(flight.outcome._condition._waiters)


# -- event loops that stand still


def left_behind(
    cache: TieredCache, policy: Policy | None = None
) -> tuple[asyncio.AbstractEventLoop, asyncio.Event]:
    """An event loop that stopped in the midst of a load of "k", and what lets that go on."""
    let = asyncio.Event()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)

    async def serve() -> None:
        began = asyncio.Event()

        async def loader() -> str:
            began.set()
            await let.wait()
            return "late"

        task = asyncio.ensure_future(cache.aio.get_or_load("k", loader, policy=policy))
        await began.wait()
        if policy is not None:
            await task

    loop.run_until_complete(serve())
    return loop, let


def resumed(loop: asyncio.AbstractEventLoop, let: asyncio.Event) -> None:
    """Let the loop come to the end of what it left."""

    async def rest() -> None:
        let.set()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others)

    loop.run_until_complete(rest())
    loop.close()


def test_a_load_left_in_a_resting_loop_is_given_up(cache: TieredCache) -> None:
    left = left_behind(cache)
    assert in_thread(cache.get_or_load, "k", lambda: "value").result(SOON) == "value"
    resumed(*left)
    assert cache.get("k") == "value", "what was given up replaces nothing"


def test_so_is_a_refresh_that_was_left_there(cache: TieredCache, clock: FakeClock) -> None:
    policy = Policy(ttl=10, stale_for=20)
    cache.get_or_load("k", lambda: "old", policy=policy)
    clock.advance(15)
    left = left_behind(cache, policy)
    assert cache.get_or_load("k", lambda: "new", policy=policy) == "old"
    clock.advance(20)
    assert in_thread(cache.get_or_load, "k", lambda: "new", policy=policy).result(SOON) == "new"
    resumed(*left)
    assert cache.get("k") == "new"


def test_a_task_of_another_loop_gives_it_up_as_well(cache: TieredCache) -> None:
    left = left_behind(cache)
    found = in_thread(lambda: asyncio.run(cache.aio.get_or_load("k", lambda: "value")))
    assert found.result(SOON) == "value"
    resumed(*left)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("rudely", [False, True])
def test_a_loop_that_is_collected_in_the_midst_of_a_load_says_nothing(
    cache: TieredCache, caplog: pytest.LogCaptureFixture, rudely: bool
) -> None:
    """Its task ends in another context, and can await nothing any more."""
    unraisable: list[Any] = []
    before, sys.unraisablehook = sys.unraisablehook, unraisable.append

    async def loader() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            if rudely:
                raise LookupError("too late")

    async def serve() -> None:
        asked = asyncio.ensure_future(cache.aio.get_or_load("k", loader))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not asked.done()

    def live() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(serve())
        loop.close()
        cache.core.links.renew()

    try:
        live()
        assert in_thread(cache.get_or_load, "k", lambda: "value").result(SOON) == "value"
        contextvars.Context().run(gc.collect)
    finally:
        sys.unraisablehook = before
    assert "Task was destroyed" in caplog.text, "it was collected"
    assert not unraisable
    assert "Context" not in caplog.text
    assert cache.get("k") == "value"
    assert cache.report().errors == 0


# -- no thread for a load


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> Iterator[tuple[Any, Gate]]:
    """A cache both of whose threads are stuck, and what lets them go on."""
    monkeypatch.setattr(thread_link, "_MOST_THREADS", 2)
    with open_cache(clock=clock, l1_ttl=60.0) as cache:
        gate = Gate(lambda: "stuck")
        for number in range(2):
            with pytest.raises(CacheTimeoutError):
                cache.get_or_load(f"s{number}", gate, policy=Policy(hard_timeout=0.001))
        wait_until(lambda: gate.calls == 2, "both")
        yield cache, gate
        gate.open()


def test_a_hard_timeout_holds_where_no_thread_is_free(crowded: tuple[Any, Gate]) -> None:
    cache, _ = crowded
    loader = Gate(lambda: 1)
    with pytest.raises(CacheTimeoutError, match=r"0\.01 s"):
        in_thread(cache.get_or_load, "k", loader, policy=Policy(hard_timeout=0.01)).result(SOON)
    assert loader.calls == 0
    report = cache.report()
    assert report.recent_errors[0].where == "threads of loads"
    assert report.errors == 1
    assert len(cache.core.flights) == 2


def test_a_thread_that_becomes_free_in_time_is_used(crowded: tuple[Any, Gate]) -> None:
    cache, gate = crowded
    asked = in_thread(cache.get_or_load, "k", lambda: 1, policy=Policy(hard_timeout=SOON))
    gate.open()
    assert asked.result(SOON) == 1
    assert cache.report().errors == 0


def test_a_stale_value_does_past_the_soft_timeout(
    crowded: tuple[Any, Gate], clock: FakeClock
) -> None:
    cache, _ = crowded
    policy = Policy(ttl=10, fail_safe_for=60, soft_timeout=0.01)
    cache.set("k", "old", policy=policy)
    clock.advance(15)
    loader = Gate(lambda: 1)
    assert in_thread(cache.get_or_load, "k", loader, policy=policy).result(SOON) == "old"
    assert loader.calls == 0


def test_who_waits_for_ever_needs_no_thread(crowded: tuple[Any, Gate]) -> None:
    cache, _ = crowded
    assert cache.get_or_load("k", lambda: 1, policy=Policy(soft_timeout=0.01)) == 1


def test_at_the_end_of_the_interpreter_no_thread_is_started(
    cache: TieredCache, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    policy = Policy(ttl=10, stale_for=20, hard_timeout=5)
    with monkeypatch.context() as at_the_end:
        at_the_end.setattr(sys, "is_finalizing", lambda: True)
        at_the_end.setattr(threading.Thread, "start", threads.append)
        assert cache.get_or_load("k", lambda: "old", policy=policy) == "old"
        clock.advance(15)
        assert cache.get_or_load("k", lambda: "new", policy=policy) == "old"
    assert not threads


# -- refreshes that fail


def test_a_refresh_of_a_stale_value_that_fails_is_put_off(
    cache: TieredCache, clock: FakeClock
) -> None:
    policy = Policy(ttl=10, stale_for=60, negative_ttl=5)
    cache.get_or_load("k", lambda: "old", policy=policy)
    clock.advance(15)
    loader = Ending(LookupError)
    for calls in (1, 1, 1):
        assert cache.get_or_load("k", loader, policy=policy) == "old"
        wait_until(lambda: len(cache.core.flights) == 0, "the load")
        assert loader.calls == calls
    clock.advance(5)
    assert cache.get_or_load("k", loader, policy=policy) == "old"
    wait_until(lambda: len(cache.core.flights) == 0, "the load")
    assert loader.calls == 2


# -- what can be read once


def rows() -> Iterator[int]:
    yield 1


async def pages() -> Any:
    yield 1


ONCE: list[Callable[[], object]] = [rows, pages, lambda: iter([1]), lambda: map(str, [1])]


@pytest.mark.parametrize("loader", ONCE)
async def test_what_can_be_read_once_is_refused(
    cache: TieredCache, loader: Callable[[], object]
) -> None:
    kind = type(loader()).__name__
    with pytest.raises(CacheCodecError, match=f"'k': a {kind} can be read once"):
        cache.get_or_load("k", loader)
    with pytest.raises(CacheCodecError, match=f"'k': a {kind} can be read once"):
        await cache.aio.get_or_load("k", loader)
    with pytest.raises(CacheCodecError, match=f"'k': a {kind} can be read once"):
        cache.set("k", loader())
    assert not cache.contains("k")
