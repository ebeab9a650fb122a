"""Forks of processes whose cache is in use: the child begins anew and hangs nowhere."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
import redis

from hhs_perf.cache import TieredCache
from tests.cache_worlds import Gate, in_thread, link, open_cache
from tests.servers import wait_until

# Python 3.12 and newer warn of what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
FORKS = [
    pytest.param(15, id="15"),
    pytest.param(300, id="300", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
]
CHILD_DEADLINE = 15


def in_child(check: Callable[[], object]) -> int:
    """Fork; give 0 when `check` holds in the child, 1 when not, else how the child ended.

    A child that hangs is ended by its own alarm, and shows as the negative signal number.
    """
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CHILD_DEADLINE)
        code = 2
        try:
            code = 0 if check() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def use(cache: TieredCache) -> bool:
    """Use a cache from threads and from tasks."""
    cache.set("child", 1)
    found = [in_thread(cache.get_or_load, "threads", lambda: 2) for _ in range(5)]

    async def tasks() -> list[int]:
        async def loader() -> int:
            return 3

        many = await asyncio.gather(*(cache.aio.get_or_load("tasks", loader) for _ in range(5)))
        await cache.aio.delete("tasks")
        await cache.aio.close()
        return many

    return (
        cache.get("child") == 1
        and [each.result(5) for each in found] == [2] * 5
        and asyncio.run(tasks()) == [3] * 5
        and cache.get_or_load("last", lambda: 4) == 4
    )


def test_a_child_uses_the_cache_of_its_parent(cache: TieredCache) -> None:
    cache.set("parent", 1)
    asyncio.run(_read(cache, "parent"))
    assert in_child(lambda: use(cache)) == 0
    assert use(cache)


async def _read(cache: TieredCache, key: str) -> None:
    await cache.aio.get(key)
    await cache.aio.close()


def test_a_child_counts_from_nothing(cache: TieredCache) -> None:
    cache.get_or_load("k", lambda: 1)
    cache.get("k")

    def check() -> bool:
        counts = cache.core.memory.counts
        return (counts.loads, counts.misses, counts.l1_hits) == (0, 0, 0)

    assert in_child(check) == 0


def test_a_child_forked_in_the_midst_of_a_load_loads_itself(cache: TieredCache) -> None:
    """The thread that loads does not exist in the child."""
    gate = Gate(lambda: "parent's")
    load = in_thread(cache.get_or_load, "k", gate)
    gate.wait()

    def check() -> bool:
        began = time.monotonic()
        found = cache.get_or_load("k" if not cache.has_l2 else "j", lambda: "child's")
        return found == "child's" and time.monotonic() - began < 5

    assert in_child(check) == 0
    gate.open()
    assert load.result(5) == "parent's"
    assert cache.get("k") == "parent's"


def test_a_child_waits_for_the_parents_load_as_any_process(below: TieredCache) -> None:
    gate = Gate(lambda: "parent's")
    load = in_thread(below.get_or_load, "k", gate)
    gate.wait()
    opener = threading.Timer(0.5, gate.open)
    opener.start()
    assert in_child(lambda: below.get_or_load("k", lambda: "child's") == "parent's") == 0
    assert load.result(5) == "parent's"
    opener.join()


def test_a_loader_may_fork(cache: TieredCache) -> None:
    codes: list[int] = []

    def loader() -> int:
        codes.append(in_child(lambda: cache.get_or_load("inner", lambda: 1) == 1))
        return 1

    assert cache.get_or_load("k", loader) == 1
    assert codes == [0]


@pytest.mark.parametrize("forks", FORKS)
def test_no_lock_is_inherited_held(cache: TieredCache, forks: int) -> None:
    """Threads do everything all the time, and so hold every lock at some fork."""
    stop = threading.Event()

    def work(mark: str) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            key = f"{mark}{number % 50}"
            cache.get_or_load(key, lambda: 1, tags=["t"])
            cache.set(key, 2)
            cache.delete(key)
            cache.invalidate(tags=["t"])
            if cache.has_l2:
                cache.core.below.breaker.report()

    workers = [in_thread(work, mark) for mark in "abc"]
    try:
        codes = [in_child(lambda: use(cache)) for _ in range(forks)]
    finally:
        stop.set()
    for each in workers:
        each.result(10)
    assert codes == [0] * forks


def test_a_breaker_held_at_the_fork_is_renewed(below: TieredCache) -> None:
    breaker = below.core.below.breaker
    with breaker._lock:
        code = in_child(lambda: breaker.failed(OSError()) or not breaker.is_closed)
    assert code == 0


def test_preloaded_workers_hear_each_other(valkey_url: str, namespace: str) -> None:
    """As gunicorn with --preload: the application is imported once, and then forked."""
    with (
        open_cache(valkey_url, namespace=namespace, l2_timeout=2.0) as cache,
        redis.Redis.from_url(valkey_url) as client,
    ):
        cache.set("a", "old")
        said, heard = f"{namespace}-said", f"{namespace}-heard"

        def listener() -> bool:
            link(cache)
            cache.get("a")
            wait_until(lambda: cache.core.quick("a") is not None or cache.get("a") is None, "L1")
            client.set(heard, 1)
            wait_until(lambda: cache.get("a") == "new", "the other worker's word", 10)
            return True

        def speaker() -> bool:
            wait_until(lambda: client.exists(heard) == 1, "the listener", 10)
            cache.set("a", "new")
            client.set(said, 1)
            return cache.get("a") == "new"

        results = [in_thread(in_child, listener), in_thread(in_child, speaker)]
        assert [each.result(20) for each in results] == [0, 0]
        assert client.exists(said) == 1


def test_the_parent_goes_on_as_before(below: TieredCache) -> None:
    """Its connections and its link are its own: a child that ends does not close them."""
    below.set("k", 1)
    losses = below.core.below.backplane.losses
    for _ in range(3):
        assert in_child(lambda: use(below)) == 0
    assert below.core.below.backplane.losses == losses
    assert below.core.below.backplane.is_linked
    assert below.core.below.breaker.report().openings == 0
    assert below.get("k") == 1
