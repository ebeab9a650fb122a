"""Loads that race with deletes, with each other and with their own ends."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from hhs_perf.cache import NOT_MODIFIED, Loaded, TieredCache
from hhs_perf.cache.remote import coherence, l2
from hhs_perf.exceptions import CacheCodecError, CacheReentrancyError
from tests.cache_worlds import Gate, in_thread, link, open_cache
from tests.servers import wait_until

RUNS = [
    pytest.param(300, id="300"),
    pytest.param(10_000, id="10000", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
]
# Far below the five seconds of a lease: whoever takes longer has waited for one to end.
SOON = 2.0


@pytest.fixture
def other(valkey_url: str, namespace: str) -> Iterator[TieredCache]:
    """A second cache of the same namespace."""
    with open_cache(valkey_url, namespace=namespace, l2_timeout=2.0) as made:
        yield link(made)


def change(cache: TieredCache, how: str) -> None:
    """Tell a cache that the value of `k` has changed."""
    if how == "set":
        cache.set("k", "new")
    elif how == "delete":
        cache.delete("k")
    elif how == "tags":
        cache.invalidate(tags=["t"])
    elif how == "prefix":
        cache.invalidate(prefix="k")
    else:
        cache.invalidate(everything=True)


CHANGES = pytest.mark.parametrize("how", ["set", "delete", "tags", "prefix", "everything"])


def later(value: str, seconds: float = SOON) -> Any:
    """Give what a future holds that must be done soon."""
    return value.result(seconds) if isinstance(value, Future) else value


@CHANGES
def test_a_change_beats_a_load_under_way(cache: TieredCache, how: str) -> None:
    """Who asked before may get the old value; who asks after gets the new one, and at once."""
    gate = Gate(lambda: "old")
    first = in_thread(cache.get_or_load, "k", gate, tags=["t"])
    gate.wait()
    change(cache, how)
    second = in_thread(cache.get_or_load, "k", lambda: "new", tags=["t"])
    if how == "set" or not cache.has_l2:
        assert later(second) == "new"
    gate.open()
    assert later(first) == "old"
    assert later(second) == "new"
    assert cache.get_or_load("k", lambda: "newer", tags=["t"]) == "new"


@CHANGES
def test_a_change_by_another_cache_beats_a_load_under_way(
    below: TieredCache, other: TieredCache, how: str
) -> None:
    gate = Gate(lambda: "old")
    first = in_thread(below.get_or_load, "k", gate, tags=["t"])
    gate.wait()
    heard = below.core.memory.counts.messages
    change(other, how)
    wait_until(lambda: below.core.memory.counts.messages > heard, "the message")
    gate.open()
    assert later(first) == "old"
    for cache in (below, other, below, other):
        assert cache.get_or_load("k", lambda: "new", tags=["t"]) == "new"


def test_an_invalidation_of_other_tags_lets_a_load_be_shared(cache: TieredCache) -> None:
    """Invalidations are many; single flight has to survive those that do not concern it."""
    gate = Gate(lambda: "value")
    asked = [in_thread(cache.get_or_load, "k", gate, tags=["t"])]
    gate.wait()
    for number in range(5):
        cache.invalidate(tags=[f"other-{number}"], prefix=f"other-{number}")
        asked.append(in_thread(cache.get_or_load, "k", gate, tags=["t"]))
    gate.open()
    assert [later(each) for each in asked] == ["value"] * 6
    assert gate.calls == 1


def test_tags_that_only_the_loader_knows_count(cache: TieredCache) -> None:
    """Who asks after their invalidation does not get what was read before it."""
    gate = Gate(lambda: Loaded("old", tags=["dynamic"]))
    first = in_thread(cache.get_or_load, "k", gate)
    gate.wait()
    cache.invalidate(tags=["dynamic"])
    second = in_thread(cache.get_or_load, "k", lambda: Loaded("new", tags=["dynamic"]))
    gate.open()
    assert (later(first), later(second)) == ("old", "new")


def test_a_single_tag_of_the_loader_is_no_list_of_letters(cache: TieredCache) -> None:
    cache.get_or_load("k", lambda: Loaded("old", tags="accounts"))
    cache.invalidate(tags="accounts")
    assert cache.get("k") is None


def test_sets_at_once_leave_one_of_the_values(cache: TieredCache) -> None:
    for number in range(100):
        barrier = threading.Barrier(2)

        def put(value: int, key: str = f"k{number}", barrier: Any = barrier) -> None:
            barrier.wait()
            cache.set(key, value)

        for each in [in_thread(put, 1), in_thread(put, 2)]:
            each.result(10)
        assert cache.get(f"k{number}") in (1, 2)


def test_the_first_load_of_a_process_is_kept(valkey_url: str, namespace: str) -> None:
    with open_cache(valkey_url, namespace=namespace, l2_timeout=2.0) as cache:
        cache.get_or_load("k", lambda: 1)
        assert cache.get("k") == 1


def test_who_waited_for_another_process_keeps_the_value_in_l1(
    below: TieredCache, other: TieredCache
) -> None:
    gate = Gate(lambda: "value")
    first = in_thread(below.get_or_load, "k", gate)
    gate.wait()
    second = in_thread(other.get_or_load, "k", lambda: "loaded twice")
    wait_until(lambda: "k" in other.core.below.level2.waiting, "the waiting")
    gate.open()
    assert (later(first), later(second)) == ("value", "value")
    assert other.core.memory.find("k") is not None


# -- failing, interrupted, cancelled


def test_a_failing_loader_is_called_once_and_all_are_told(cache: TieredCache) -> None:
    failing = Gate(lambda: None)

    def loader() -> None:
        failing()
        raise LookupError("no row")

    asked = [in_thread(cache.get_or_load, "k", loader) for _ in range(50)]
    failing.wait()
    wait_until(lambda: len(threading.enumerate()) >= 50, "the callers")
    failing.open()
    for each in asked:
        with pytest.raises(LookupError, match="no row"):
            later(each)
    assert failing.calls == 1
    assert len(cache.core.flights) == 0
    began = time.perf_counter()
    assert cache.get_or_load("k", lambda: "value") == "value"
    assert time.perf_counter() - began < SOON


def test_a_failing_load_frees_the_other_processes_at_once(
    below: TieredCache, other: TieredCache
) -> None:
    gate = Gate(lambda: None)

    def loader() -> None:
        gate()
        raise LookupError("no row")

    first = in_thread(below.get_or_load, "k", loader)
    gate.wait()
    second = in_thread(other.get_or_load, "k", lambda: "value")
    wait_until(lambda: "k" in other.core.below.level2.waiting, "the waiting")
    gate.open()
    with pytest.raises(LookupError):
        later(first)
    assert later(second) == "value"


def test_the_lease_of_a_long_load_runs_on(
    below: TieredCache, other: TieredCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With leases of 300 ms in place of 5 s."""
    monkeypatch.setattr(l2, "_LEASE_MS", 300)
    monkeypatch.setattr(coherence, "_FIRST_EXTENSION", 0.15)
    gate = Gate(lambda: "value")
    load = in_thread(below.get_or_load, "k", gate)
    gate.wait()
    waiting = in_thread(other.get_or_load, "k", lambda: "loaded twice")
    with pytest.raises(TimeoutError):
        waiting.result(1.2)
    gate.open()
    assert (later(load), later(waiting)) == ("value", "value")


def test_a_lease_that_ran_out_keeps_the_late_value_out(
    below: TieredCache, other: TieredCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who took it over may have read something newer."""
    monkeypatch.setattr(l2, "_LEASE_MS", 50)
    below.core.below.coherence.keep_lease = None
    below.core._loader._leader._keep_lease = None
    gate = Gate(lambda: "old")
    load = in_thread(below.get_or_load, "k", gate)
    gate.wait()
    assert later(in_thread(other.get_or_load, "k", lambda: "new")) == "new"
    gate.open()
    assert later(load) == "old"
    for cache in (below, other):
        assert cache.get("k") == "new"


def test_not_modified_without_a_value_gives_the_lease_back(cache: TieredCache) -> None:
    with pytest.raises(ValueError, match="not modified"):
        cache.get_or_load("k", lambda: NOT_MODIFIED)
    assert later(in_thread(cache.get_or_load, "k", lambda: 1)) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupted_loader_is_no_dead_end(
    cache: TieredCache, error: type[BaseException]
) -> None:
    """Who waits loads itself, soon."""
    gate = Gate(lambda: None)

    def loader() -> None:
        gate()
        raise error

    first = in_thread(cache.get_or_load, "k", loader)
    gate.wait()
    second = in_thread(cache.get_or_load, "k", lambda: "value")
    gate.open()
    with pytest.raises(error):
        later(first)
    assert later(second) == "value"
    assert later(in_thread(cache.get_or_load, "k", lambda: "value")) == "value"


async def test_a_cancelled_leader_does_not_end_the_load(cache: TieredCache) -> None:
    began, let = asyncio.Event(), asyncio.Event()

    async def loader() -> str:
        began.set()
        await let.wait()
        return "value"

    leader = asyncio.create_task(cache.aio.get_or_load("k", loader))
    await asyncio.wait_for(began.wait(), SOON)
    waiter = asyncio.create_task(cache.aio.get_or_load("k", loader))
    thread = in_thread(cache.get_or_load, "k", lambda: "other")
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    let.set()
    assert await asyncio.wait_for(waiter, SOON) == "value"
    assert await asyncio.to_thread(later, thread) == "value"
    await cache.aio.close()


async def test_a_load_cancelled_itself_is_no_dead_end(cache: TieredCache) -> None:
    """As when an application's shutdown cancels all tasks."""
    began = asyncio.Event()

    async def loader() -> str:
        began.set()
        await asyncio.Event().wait()
        return "never"

    waiting = asyncio.create_task(cache.aio.get_or_load("k", loader))
    await asyncio.wait_for(began.wait(), SOON)
    thread = in_thread(cache.get_or_load, "k", lambda: "value")
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    assert await asyncio.to_thread(later, thread) == "value"
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await cache.aio.close()


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
def test_a_closed_event_loop_is_no_dead_end(cache: TieredCache) -> None:
    """A loop that is closed in the midst of a load takes its task along."""
    began = threading.Event()

    async def loader() -> str:
        began.set()
        await asyncio.Event().wait()
        return "never"

    loop = asyncio.new_event_loop()

    def serve() -> None:
        task = loop.create_task(cache.aio.get_or_load("k", loader))
        loop.call_soon(lambda: None)
        loop.run_forever()
        loop.close()
        del task

    thread = threading.Thread(target=serve)
    thread.start()
    assert began.wait(SOON)
    before = in_thread(cache.get_or_load, "k", lambda: "value")
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    after = in_thread(cache.get_or_load, "k", lambda: "value")
    assert later(after, 8) == "value"
    assert later(before, 8) == "value"
    # What the loop left behind is lost within this test, which may be warned of it.
    cache.core.links.renew()
    gc.collect()


async def test_a_cancelled_read_leaves_the_others(below: TieredCache) -> None:
    """Reads that meet travel together; the one that carries them may be given up."""
    await below.aio.set_many({f"k{number}": number for number in range(20)})
    for victim in range(5):
        below.core.memory.depart(f"k{number}" for number in range(20))
        reads = [asyncio.create_task(below.aio.get(f"k{number}")) for number in range(20)]
        for _ in range(victim):
            await asyncio.sleep(0)
        reads[0].cancel()
        reads[victim].cancel()
        found = await asyncio.wait_for(asyncio.gather(*reads, return_exceptions=True), SOON)
        for number, each in enumerate(found):
            assert each == number or isinstance(each, asyncio.CancelledError)
            assert each == number or number in (0, victim)
    await below.aio.close()


async def test_cancelled_at_any_step_nothing_is_left_behind(cache: TieredCache) -> None:
    """Each call is cancelled after each number of turns of the loop."""

    async def loader() -> int:
        await asyncio.sleep(0)
        return 1

    calls = [
        lambda: cache.aio.get("k"),
        lambda: cache.aio.set("k", 1),
        lambda: cache.aio.delete("k"),
        lambda: cache.aio.invalidate(tags=["t"]),
        lambda: cache.aio.get_or_load("k", loader),
        lambda: cache.aio.refresh("k", loader),
        lambda: cache.aio.get_many(["k", "j"]),
    ]
    for call in calls:
        for turns in range(8):
            cache.core.memory.depart(["k"])
            task = asyncio.create_task(call())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await asyncio.wait_for(cache.aio.get_or_load("k", loader), SOON) == 1
    assert cache.core.memory.departures.writing == 0
    await asyncio.to_thread(wait_until, lambda: len(cache.core.flights) == 0, "the loads", 5)
    await cache.aio.close()


# -- a loader that asks the cache


def test_a_loader_that_asks_for_its_own_key_raises(cache: TieredCache) -> None:
    with pytest.raises(CacheReentrancyError):
        cache.get_or_load("k", lambda: cache.get_or_load("k", lambda: 1))


def test_so_it_does_after_deleting_the_key(cache: TieredCache) -> None:
    def loader() -> int:
        cache.delete("k")
        return cache.get_or_load("k", loader)

    with pytest.raises(CacheReentrancyError):
        cache.get_or_load("k", loader)


def test_two_caches_may_use_one_key(cache: TieredCache) -> None:
    with open_cache() as inner:
        found = cache.get_or_load("k", lambda: inner.get_or_load("k", lambda: 1))
    assert found == 1


async def test_a_task_that_asks_for_the_key_it_loads_raises(cache: TieredCache) -> None:
    async def loader() -> int:
        return await cache.aio.get_or_load("k", loader)

    with pytest.raises(CacheReentrancyError):
        await cache.aio.get_or_load("k", loader)
    await cache.aio.close()


def test_a_task_begun_by_a_loader_may_ask_later(cache: TieredCache) -> None:
    async def scene() -> tuple[int, int]:
        ended = asyncio.Event()
        begun: list[asyncio.Task[int]] = []

        async def afterwards() -> int:
            await ended.wait()
            cache.delete("k")
            return await cache.aio.get_or_load("k", lambda: 2)

        async def loader() -> int:
            begun.append(asyncio.create_task(afterwards()))
            return 1

        first = await cache.aio.get_or_load("k", loader)
        ended.set()
        second = await begun[0]
        await cache.aio.close()
        return first, second

    assert asyncio.run(scene()) == (1, 2)


def test_two_loads_that_wait_for_each_other_raise(cache: TieredCache) -> None:
    barrier = threading.Barrier(2)

    def load(mine: str, its: str) -> str:
        def loader() -> str:
            barrier.wait(SOON)
            return "of " + cache.get_or_load(its, lambda: "plain")

        return cache.get_or_load(mine, loader)

    ends: list[str] = []
    for each in [in_thread(load, "a", "b"), in_thread(load, "b", "a")]:
        try:
            ends.append(later(each))
        except CacheReentrancyError:
            ends.append("raised")
    assert "raised" in ends


async def test_asking_by_the_loops_thread_for_what_its_task_loads_raises(
    cache: TieredCache,
) -> None:
    """The loop would stand still, and the load with it."""
    began, let = asyncio.Event(), asyncio.Event()

    async def loader() -> str:
        began.set()
        await let.wait()
        return "value"

    task = asyncio.create_task(cache.aio.get_or_load("k", loader))
    await asyncio.wait_for(began.wait(), SOON)
    with pytest.raises(CacheReentrancyError):
        cache.get_or_load("k", lambda: "other")
    let.set()
    assert await asyncio.wait_for(task, SOON) == "value"
    await cache.aio.close()


# -- single flight


async def test_fifty_threads_and_fifty_tasks_share_one_load(cache: TieredCache) -> None:
    gate = Gate(lambda: "value")
    threads = [in_thread(cache.get_or_load, "k", gate) for _ in range(50)]
    await asyncio.to_thread(gate.wait)
    tasks = [asyncio.create_task(cache.aio.get_or_load("k", gate)) for _ in range(50)]
    await asyncio.sleep(0)
    gate.open()
    assert set(await asyncio.wait_for(asyncio.gather(*tasks), SOON)) == {"value"}
    assert {later(each) for each in threads} == {"value"}
    assert gate.calls == 1
    await cache.aio.close()


async def test_fifty_tasks_and_fifty_threads_share_one_load(cache: TieredCache) -> None:
    """Likewise when a task leads."""
    began, let, calls = asyncio.Event(), asyncio.Event(), []

    async def loader() -> str:
        calls.append(1)
        began.set()
        await let.wait()
        return "value"

    tasks = [asyncio.create_task(cache.aio.get_or_load("k", loader)) for _ in range(50)]
    await asyncio.wait_for(began.wait(), SOON)
    threads = [in_thread(cache.get_or_load, "k", lambda: "other") for _ in range(50)]
    let.set()
    assert set(await asyncio.wait_for(asyncio.gather(*tasks), SOON)) == {"value"}
    for each in threads:
        assert await asyncio.to_thread(later, each) == "value"
    assert len(calls) == 1
    await cache.aio.close()


def test_a_response_of_a_framework_is_shared_with_nobody(cache: TieredCache) -> None:
    """It belongs to one request: whoever waits for it is told so."""
    from flask import Response

    gate = Gate(lambda: Response("hello"))
    asked = [in_thread(cache.get_or_load, "k", gate) for _ in range(5)]
    gate.wait()
    gate.open()
    for each in asked:
        with pytest.raises(CacheCodecError, match="belongs to one request"):
            later(each)
    assert later(in_thread(cache.get_or_load, "k", lambda: 1)) == 1


# -- campaigns


@pytest.fixture
def switching() -> Iterator[None]:
    """Let threads change places at almost every bytecode."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching")
@pytest.mark.parametrize("runs", RUNS)
def test_no_invalidation_during_a_load_leaves_an_old_value(cache: TieredCache, runs: int) -> None:
    """Two who load and one who changes, at random moments."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    stale = []
    for run in range(runs):
        key, row = f"{run}:k", ["old"]
        pauses = [chance.random() * 0.002 for _ in range(4)]
        how = chance.randrange(5)

        def load(pause: float, key: str = key, row: list[str] = row) -> str:
            def loader() -> str:
                read = row[0]
                time.sleep(pause)
                return read

            return cache.get_or_load(key, loader, tags=[key])

        asked = [in_thread(load, pauses[0])]
        time.sleep(pauses[1])
        asked.append(in_thread(load, pauses[2]))
        time.sleep(pauses[3])
        row[0] = "new"
        if how == 0:
            cache.delete(key)
        elif how == 1:
            cache.invalidate(tags=[key])
        elif how == 2:
            cache.invalidate(prefix=f"{run}:")
        elif how == 3:
            cache.set(key, "new", tags=[key])
        else:
            cache.invalidate(everything=True)
        at_once = load(0.0)
        for each in asked:
            each.result(10)
        if at_once != "new" or load(0.0) != "new":
            stale.append((run, how))
    assert stale == []
