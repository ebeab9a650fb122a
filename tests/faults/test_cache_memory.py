"""What a cache holds stays bounded, whatever passes through it."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator

import pytest

from hhs_perf.cache import Policy, TieredCache
from tests.cache_worlds import Gate, in_thread, link, open_cache
from tests.servers import wait_until

MANY = [
    pytest.param(24_000, id="24000"),
    pytest.param(100_000, id="100000", marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
]


@pytest.fixture(params=["l1", "l2"])
def cache(request: pytest.FixtureRequest, namespace: str) -> Iterator[TieredCache]:
    if request.param == "l1":
        with open_cache() as made:
            yield made
        return
    url = request.getfixturevalue("valkey_url")
    with open_cache(url, namespace=namespace, l2_timeout=2.0) as made:
        yield link(made)


def sizes(cache: TieredCache) -> dict[str, int]:
    """Count what could grow."""
    memory = cache.core.memory
    marks = memory.marks
    found = {
        "departed": len(memory.departures),
        "writing": memory.departures.writing,
        "groups": len(memory._groups),
        "patterns": len(memory.patterns.all()),
        "hot": len(memory.hot._counts),
        "tags": len(marks._tags),
        "prefixes": len(marks._prefixes),
        "flights": len(cache.core.flights),
        "calls": len(cache.core.calls._calls),
        "errors": len(memory.counts.recent_errors),
        "unreadable": len(memory.counts.unreadable),
    }
    if cache.core.below is not None:
        level2 = cache.core.below.level2
        found |= {
            "waiters": len(level2.waiting),
            "unsent": len(level2._unsent),
            "leases": len(cache.core.below.coherence._leases),
        }
    return found


@pytest.mark.parametrize("many", MANY)
def test_keys_that_pass_through_leave_bounded_traces(many: int) -> None:
    """Loaded, hit, tagged each with a tag of its own, set, deleted, invalidated."""
    with open_cache(l1_maxsize=1000) as cache:
        policy = Policy(ttl=30, stale_for=10)

        def pass_through(begin: int, end: int) -> None:
            for number in range(begin, end):
                key = f"kind{number % 300}:{number}"
                cache.get_or_load(key, int, tags=[f"tag{number}"], policy=policy)
                cache.get(key)
                if number % 4 == 0:
                    cache.delete(key)
                elif number % 4 == 1:
                    cache.set(key, 1)
                elif number % 100 == 2:
                    tags = [f"tag{each}" for each in range(number, number + 100)]
                    cache.invalidate(tags=tags, prefix=f"kind{number % 300}:{number}")

        pass_through(0, many // 2)
        cache.core.memory.tally.walk()
        gc.collect()
        before = sys.getallocatedblocks()
        pass_through(many // 2, many)
        cache.core.memory.tally.walk()
        gc.collect()
        grown = sys.getallocatedblocks() - before
        held = sizes(cache)
        assert len(cache.core.memory.store) <= 1000
        assert held["departed"] <= 8_192
        assert held["groups"] <= 2_000
        assert held["patterns"] <= 101
        assert held["hot"] <= 500
        assert held["tags"] <= 10_000
        assert held["prefixes"] <= 200
        assert held["flights"] == held["writing"] == 0
        # What the second half adds takes the place of what the first half left.
        assert grown < 50_000


def test_loads_leave_nothing_behind(cache: TieredCache) -> None:
    """Those that succeed, fail, are waited for and are interrupted."""

    def fail() -> None:
        raise LookupError

    for number in range(50):
        key = f"k{number}"
        gate = Gate(lambda: 1)
        asked = [in_thread(cache.get_or_load, key, gate) for _ in range(3)]
        gate.wait()
        if number % 3 == 0:
            cache.delete(key)
        if number % 3 == 1:
            cache.invalidate(prefix=key)
        gate.open()
        for each in asked:
            assert each.result(5) == 1
        with pytest.raises(LookupError):
            cache.refresh(key, fail)
    wait_until(lambda: not sizes(cache).get("leases"), "the leases to be forgotten", 10)
    held = sizes(cache)
    assert held["flights"] == held["writing"] == held.get("waiters", 0) == 0
    assert held.get("unsent", 0) == 0


def test_event_loops_that_end_leave_nothing_behind(cache: TieredCache) -> None:
    async def use(number: int) -> None:
        await cache.aio.get_or_load(f"k{number}", lambda: 1)
        await cache.aio.close()

    for number in range(20):
        asyncio.run(use(number))
    assert len(cache.core.links._links) <= 1


def test_caches_that_are_dropped_end_their_threads(valkey_url: str, namespace: str) -> None:
    before = threading.active_count()
    for _ in range(3):
        link(TieredCache(valkey_url, namespace=namespace)).core.link.close()

    def have_ended() -> bool:
        gc.collect()  # at a moment at which such a thread looks whether it is still needed
        return threading.active_count() <= before

    wait_until(have_ended, "the threads to end", 5)


def test_many_marks_of_others_are_bounded_too(valkey_url: str, namespace: str) -> None:
    settings = {"namespace": namespace, "l2_timeout": 2.0}
    with open_cache(valkey_url, **settings) as one, open_cache(valkey_url, **settings) as two:
        link(one)
        link(two)
        two.set("kept", 1, tags=["kept"])
        for begin in range(0, 12_000, 500):
            one.invalidate(tags=[f"t{number}" for number in range(begin, begin + 500)])
        for number in range(250):
            one.invalidate(prefix=f"p{number}:")
        last = one.core.memory.marks.latest
        wait_until(lambda: two.core.memory.marks.latest >= last, "the messages")
        for cache in (one, two):
            assert len(cache.core.memory.marks._tags) <= 10_000
            assert len(cache.core.memory.marks._prefixes) <= 200
        two.set("after", 1, tags=["t1"])
        assert one.get("after") == 1
        one.invalidate(tags=["t1"])
        assert one.get("after") is None
