"""The methods for tasks: the same entries, the same rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hhs_perf.cache import Policy, TieredCache
from hhs_perf.exceptions import CacheReentrancyError, CacheTimeoutError
from hhs_perf.testing import FakeClock
from tests.cache_worlds import open_cache
from tests.servers import wait_until


@pytest.fixture
async def cache(clock: FakeClock) -> AsyncIterator[TieredCache]:
    with open_cache(clock=clock, l1_ttl=60.0) as made:
        yield made
        await made.aio.close()


async def test_both_faces_see_the_same_entries(cache: TieredCache) -> None:
    await cache.aio.set("a", 1, ttl=10, tags=["t"])
    cache.set("b", 2)
    assert cache.get("a") == 1
    assert await cache.aio.get("b") == 2
    assert await cache.aio.get("unknown", 3) == 3
    assert await cache.aio.get_many(["a", "b", "c"]) == {"a": 1, "b": 2}
    assert await cache.aio.contains("a")
    assert await cache.aio.ttl("a") == 10
    await cache.aio.set_many({"c": 3, "d": 4})
    await cache.aio.delete("b", "c")
    assert cache.get_many(list("abcd")) == {"a": 1, "d": 4}
    await cache.aio.invalidate(tags=["t"], prefix="d")
    assert cache.get_many(list("abcd")) == {}


async def test_a_loader_may_be_a_coroutine_function_or_a_plain_one(cache: TieredCache) -> None:
    async def loader() -> int:
        await asyncio.sleep(0)
        return 1

    assert await cache.aio.get_or_load("a", loader) == 1
    assert await cache.aio.get_or_load("b", lambda: 2) == 2
    assert await cache.aio.refresh("a", lambda: 3) == 3
    assert cache.get_many(["a", "b"]) == {"a": 3, "b": 2}


def test_a_thread_cannot_await_a_loader(clock: FakeClock) -> None:
    async def loader() -> int:
        return 1

    with open_cache(clock=clock) as cache, pytest.raises(TypeError, match="aio"):
        cache.get_or_load("k", loader)


async def test_tasks_share_one_load(cache: TieredCache) -> None:
    calls: list[int] = []
    let = asyncio.Event()

    async def loader() -> str:
        calls.append(1)
        await let.wait()
        return "value"

    asked = [asyncio.create_task(cache.aio.get_or_load("k", loader)) for _ in range(50)]
    await asyncio.sleep(0)
    let.set()
    assert set(await asyncio.gather(*asked)) == {"value"}
    assert len(calls) == 1


async def test_a_failing_load_tells_all(cache: TieredCache) -> None:
    calls: list[int] = []

    async def loader() -> None:
        calls.append(1)
        await asyncio.sleep(0)
        raise LookupError("no row")

    asked = [cache.aio.get_or_load("k", loader) for _ in range(50)]
    ends = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(end) for end in ends} == {LookupError}
    assert len(calls) == 1


async def test_stale_values_are_refreshed_by_a_task(cache: TieredCache, clock: FakeClock) -> None:
    policy = Policy(ttl=10, stale_for=20)
    await cache.aio.get_or_load("k", lambda: "old", policy=policy)
    clock.advance(15)
    let = asyncio.Event()

    async def loader() -> str:
        await let.wait()
        return "new"

    assert await cache.aio.get_or_load("k", loader, policy=policy) == "old"
    let.set()
    await asyncio.to_thread(wait_until, lambda: cache.get("k") == "new", "the refresh", 5)


async def test_a_caller_past_its_timeout_leaves_the_load_running(cache: TieredCache) -> None:
    let = asyncio.Event()

    async def loader() -> str:
        await let.wait()
        return "value"

    policy = Policy(hard_timeout=0.01)
    with pytest.raises(CacheTimeoutError):
        await cache.aio.get_or_load("k", loader, policy=policy)
    let.set()
    await asyncio.to_thread(wait_until, lambda: cache.get("k") == "value", "the load", 5)


async def test_a_load_within_itself_raises(cache: TieredCache) -> None:
    async def loader() -> int:
        return await cache.aio.get_or_load("k", loader)

    with pytest.raises(CacheReentrancyError):
        await cache.aio.get_or_load("k", loader)


async def test_tasks_that_would_wait_for_each_other_raise(cache: TieredCache) -> None:
    async def load(mine: str, its: str) -> str:
        async def loader() -> str:
            await asyncio.sleep(0)
            return "of " + await cache.aio.get_or_load(its, lambda: "plain")

        return await cache.aio.get_or_load(mine, loader)

    async with asyncio.timeout(5):
        ends = await asyncio.gather(load("a", "b"), load("b", "a"), return_exceptions=True)
    assert CacheReentrancyError in {type(end) for end in ends}


async def test_a_loader_that_gathers_may_ask_for_several_keys(cache: TieredCache) -> None:
    async def loader() -> list[str]:
        keys = ["a", "b", "a"]
        found = (cache.aio.get_or_load(key, lambda key=key: key) for key in keys)
        return list(await asyncio.gather(*found))

    assert await cache.aio.get_or_load("all", loader) == ["a", "b", "a"]


def test_each_event_loop_has_a_link_of_its_own(clock: FakeClock) -> None:
    with open_cache(clock=clock) as cache:

        async def use() -> object:
            return await cache.aio.get_or_load("k", lambda: 1)

        assert [asyncio.run(use()) for _ in range(3)] == [1, 1, 1]
        assert len(cache.core.links._links) <= 1
