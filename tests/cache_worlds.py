"""What tests of the cache share: caches that are closed, a bus that is told when to deliver."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import redis

from hhs_perf._clock import SystemClock
from hhs_perf.cache import TieredCache
from tests.servers import wait_until

__all__ = ["Bus", "Gate", "ShiftedClock", "in_thread", "link", "links_of", "open_cache"]

_sentinels = itertools.count(1)
PATIENCE = 20.0


class ShiftedClock:
    """The real clocks, which can be put forward."""

    def __init__(self, shift: float = 0.0, wall: float = 0.0) -> None:
        self.shift = shift
        self._real = SystemClock()
        self._wall = wall

    def monotonic(self) -> float:
        return self._real.monotonic() + self.shift

    def wall(self) -> float:
        return self._real.wall() + self.shift + self._wall

    def advance(self, seconds: float) -> None:
        self.shift += seconds


class Gate:
    """A loader that tells that it was called, and gives its value once it is let."""

    def __init__(self, value: Callable[[], Any]) -> None:
        self.value = value
        self.calls = 0
        self.was_called = threading.Event()
        self._let = threading.Event()

    def __call__(self) -> Any:
        self.calls += 1
        read = self.value()
        self.was_called.set()
        assert self._let.wait(PATIENCE), "nobody opened the gate"
        return read

    def wait(self) -> None:
        """Wait until it is called."""
        assert self.was_called.wait(PATIENCE), "nobody called the loader"

    def open(self) -> None:
        """Let it, and all calls to come, go on."""
        self._let.set()


def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
    """Call `function` in a thread of its own."""
    future: Future[Any] = Future()

    def work() -> None:
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as exc:
            future.set_exception(exc)

    threading.Thread(target=work, daemon=True).start()
    return future


def link(cache: TieredCache) -> TieredCache:
    """Wait until a cache hears the others."""
    cache.get("nothing")
    wait_until(lambda: cache.core.below.backplane.is_linked, "the link")
    return cache


def links_of(cache: TieredCache) -> int:
    """Give how often the link was lost."""
    return cache.core.below.backplane.losses


@contextlib.contextmanager
def open_cache(*args: Any, **kwargs: Any) -> Iterator[TieredCache]:
    """Make a cache and close it, without waiting for its thread to look up."""
    cache = TieredCache(*args, **kwargs)
    try:
        yield cache
    finally:
        if cache.has_l2:
            threading.Thread(target=cache.close).start()
        else:
            cache.close()


class Bus:
    """Stands in place of the backplane's threads: messages arrive when the test says so."""

    def __init__(self, url: str, namespace: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
        self._channel = f"hhs:{namespace}:bus1"
        self._pubsub.subscribe(self._channel)
        self._caches: list[TieredCache] = []

    def link(self, cache: TieredCache) -> TieredCache:
        """Let a cache hear what this bus delivers, instead of listening itself."""
        backplane = cache.core.below.backplane
        backplane.ensure_started = lambda: None
        assert cache.core.below.coherence.linked()
        backplane.is_linked = True
        backplane.first_try.set_result(None)
        self._caches.append(cache)
        return cache

    def deliver(self) -> None:
        """Let all caches hear what was published until now."""
        last = f"-{next(_sentinels)}".encode()
        self._client.publish(self._channel, last)
        while True:
            message = self._pubsub.get_message(timeout=PATIENCE)
            if message is None or message["type"] != "message":
                continue
            if message["data"] == last:
                return
            for cache in self._caches:
                cache.core.below.coherence.heard(message["data"].decode())

    def close(self) -> None:
        self._pubsub.close()
        self._client.close()
