"""Where L2 is: servers of each kind, with each protocol, and clients that are closed in the end."""

from __future__ import annotations

import asyncio
import itertools
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from benchmarks._cache_peers import TIMEOUT, bare_redis, bare_redis_async
from hhs_perf.cache import TieredCache
from tests.servers import Server, redis_binary, valkey_binary, wait_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator
    from typing import TypeVar

    import redis
    import redis.asyncio

    T = TypeVar("T")

SERVERS: Final = {"Valkey 9": valkey_binary, "Redis 7": redis_binary}
PLACES: Final = [(server, protocol) for server in SERVERS for protocol in (2, 3)]

_names = itertools.count()


def run_servers() -> Iterator[dict[str, Server]]:
    """Yield a server of each kind while they run."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(Server(binary())) for name, binary in SERVERS.items()}


class Place:
    """A server and a protocol; what is made of it is closed with it."""

    def __init__(self, server: str, url: str, protocol: int, *, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self.name = f"{server}, RESP{protocol}"
        self.parts = urlsplit(url)
        self.protocol = protocol
        self.is_first = (server, protocol) == PLACES[0]
        """Whether the peers are shown here: once is enough."""
        self.loop = asyncio.new_event_loop()
        self._stack = ExitStack()
        self._stack.callback(self.loop.close)

    @property
    def url(self) -> str:
        """The URL for hhs_perf."""
        return f"{self.parts.geturl()}?protocol={self.protocol}"

    def new_name(self) -> str:
        """Return a namespace that nobody used before."""
        return f"b{os.getpid()}-{next(_names)}"

    def cache(self, maxsize: int = 1_000, namespace: str | None = None) -> TieredCache:
        """Return a cache that hears of invalidations."""
        cache = TieredCache(
            self.url,
            namespace=namespace or self.new_name(),
            l1_maxsize=maxsize,
            l2_timeout=self._timeout,
        )
        self._stack.callback(cache.close)
        self._stack.callback(lambda: self.run(cache.aio.close()))
        cache.get("begin to listen")
        below = cache.core.below
        assert below is not None
        wait_until(lambda: below.backplane.is_linked, "the backplane")
        return cache

    def bare(self) -> redis.Redis:
        """Return redis-py's client."""
        client = bare_redis(self.parts, self.protocol)
        self._stack.callback(client.close)
        return client

    def bare_async(self) -> redis.asyncio.Redis:
        """Return redis-py's client for the event loop."""
        client = bare_redis_async(self.parts, self.protocol)
        self._stack.callback(lambda: self.run(client.aclose()))
        return client

    def run(self, work: Awaitable[T]) -> T:
        """Run work in the event loop."""
        return self.loop.run_until_complete(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
