"""What comes in the midst: finalizers, signal handlers, strangers on the cache's names in Redis."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
import redis

from hhs_perf.cache import TieredCache
from hhs_perf.cache.remote.scripts import Names
from tests.cache_worlds import link, open_cache
from tests.servers import wait_until

PATIENCE = 20.0


@pytest.fixture
def cache(valkey_url: str, namespace: str) -> Iterator[TieredCache]:
    with open_cache(valkey_url, namespace=namespace, l2_timeout=2.0) as made:
        yield link(made)


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as made:
        yield made


class Finalized:
    """A value that calls the cache when it goes."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self.deed = deed

    def __del__(self) -> None:
        self.deed()


@pytest.mark.parametrize("drop", ["delete", "set", "flush"])
def test_a_finalizer_may_write_and_read_in_both_levels(
    cache: TieredCache, drop: str, caplog: pytest.LogCaptureFixture
) -> None:
    # What is told of the value would keep it alive.
    caplog.set_level(logging.CRITICAL, "hhs_perf.cache")
    found: list[object] = []

    def deed() -> None:
        cache.set("other", 1)
        cache.core.memory.depart(("other",))
        found.append(cache.get("other"))
        cache.invalidate(tags=["u"])

    def work() -> None:
        cache.set("a", Finalized(deed))
        if drop == "delete":
            cache.delete("a")
        elif drop == "set":
            cache.set("a", 2)
        else:
            cache.core.memory.flush()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert found == [1]


def test_a_signal_handler_may_call_the_cache_in_the_midst_of_a_call(cache: TieredCache) -> None:
    """Neither side gets an answer of Redis that the other one asked for."""
    wrong: list[object] = []
    handled = 0
    is_within = False

    def use(who: str, number: int) -> None:
        cache.set(who, f"{who}{number}", tags=["t"])
        cache.core.memory.depart((who,))
        found = cache.get(who), cache.get_or_load(f"{who}:{number}", lambda: f"{who}!{number}")
        if found not in [(f"{who}{number}", f"{who}!{number}"), (None, f"{who}!{number}")]:
            wrong.append(found)
        cache.delete(who)
        if number % 7 == 0:
            cache.invalidate(tags=["t"])

    def handle(*_: object) -> None:
        nonlocal handled, is_within
        if not is_within:
            is_within = True
            try:
                handled += 1
                use("handler", handled)
            finally:
                is_within = False

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    number = 0
    try:
        while handled < 300:
            number += 1
            use("caller", number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert wrong == []
    assert cache.core.memory.departures.writing == 0
    assert len(cache.core.flights) == 0
    assert cache.report().errors == 0


@pytest.mark.parametrize(
    "message",
    ["", "x", "w", "?" + "0" * 40, "t" + "0" * 16 + "later", "e" + "0" * 16 + "9" * 15, "ü"],
)
def test_a_message_that_no_cache_sends_is_counted_and_told_once(
    cache: TieredCache,
    client: redis.Redis,
    namespace: str,
    message: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache.set("a", 1)
    counts, below = cache.core.memory.counts, cache.core.below
    errors, losses = counts.errors, below.backplane.losses
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            client.publish(Names(namespace).channel, message)
        wait_until(lambda: counts.errors == errors + 3, "the messages")
    told = [each for each in caplog.records if "message" in each.getMessage()]
    assert len(told) == 1
    assert told[0].exc_info[2] is None
    assert sum(cache.core.faults.counts.values()) == 3
    assert below.backplane.is_linked
    assert below.backplane.losses == losses
    assert cache.core.quick("a").value == 1


@pytest.mark.parametrize("kind", ["string", "list"])
def test_a_stranger_in_the_place_of_the_marks_makes_everything_void_and_no_more(
    valkey_url: str, namespace: str, client: redis.Redis, kind: str
) -> None:
    name = Names(namespace).marks
    with open_cache(valkey_url, namespace=namespace, l2_timeout=2.0) as first:
        link(first).set("a", "old")
    if kind == "string":
        client.set(name, "mine")
    else:
        client.rpush(name, "mine")
    with open_cache(valkey_url, namespace=namespace, l2_timeout=2.0) as cache:
        link(cache)
        assert cache.get("a") is None
        cache.set("a", "new")
        cache.core.memory.depart(("a",))
        assert cache.get("a") == "new"
        client.delete(name)
        client.set(name, "mine")
        cache.invalidate(prefix="a")
        assert client.hkeys(name) == [b"*", b"pa"]
        assert cache.get("a") is None
        assert cache.core.below.breaker.is_closed
        assert cache.core.memory.counts.errors == 0


def test_what_a_stranger_wrote_among_the_marks_is_no_mark(
    cache: TieredCache, client: redis.Redis, namespace: str
) -> None:
    client.hset(Names(namespace).marks, "pb", "soon")
    cache.set("a", 1)
    cache.invalidate(prefix="c")
    assert client.hkeys(Names(namespace).marks) == [b"pc"]
    assert cache.get("a") == 1
