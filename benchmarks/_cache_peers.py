"""The caches that Python has, made ready for the benchmarks, each with its own defaults."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping
    from urllib.parse import SplitResult

    import redis
    import redis.asyncio
    from aiocache.base import BaseCache
    from cashews import Cache as Cashews
    from dogpile.cache import CacheRegion
    from flask_caching import Cache as FlaskCache

TTL: Final = 3_600.0
# A stall of the machine is no outage: hhs_perf is given as much.
TIMEOUT: Final = 2.0


def locked_ttl_cache(values: Mapping[str, object]) -> Callable[[str], object]:
    """Return how cachetools says that threads read: `c[k]` under a lock of theirs.

    `get` of a TTLCache would take three times as long.
    """
    import cachetools

    held: MutableMapping[str, object] = cachetools.TTLCache(2 * len(values), TTL)
    held.update(values)
    lock = threading.Lock()

    def get(key: str) -> object:
        with lock:
            return held[key]

    return get


def theine_get(values: Mapping[str, object]) -> Callable[[str], object]:
    """Return how theine reads."""
    from datetime import timedelta

    from theine import Cache

    held: Cache[str, object] = Cache(2 * len(values))
    for key, value in values.items():
        held.set(key, value, timedelta(seconds=TTL))
    return held.get


def dogpile_memory() -> CacheRegion:
    """Return a region of dogpile.cache in memory."""
    from dogpile.cache import make_region

    return make_region().configure("dogpile.cache.memory", expiration_time=TTL)


def dogpile_redis(parts: SplitResult, *, lock: bool = False) -> CacheRegion:
    """Return a region of dogpile.cache on Redis."""
    from dogpile.cache import make_region

    arguments = {"host": parts.hostname, "port": parts.port, "distributed_lock": lock}
    if lock:
        arguments["thread_local_lock"] = False
    return make_region().configure("dogpile.cache.redis", expiration_time=TTL, arguments=arguments)


def cashews(url: str = "mem://") -> Cashews:
    """Return a cache of cashews."""
    from cashews import Cache

    held = Cache()
    held.setup(url)
    return held


def flask_caching(url: str | None = None) -> FlaskCache:
    """Return a cache of Flask-Caching, within the context of an application."""
    from flask import Flask
    from flask_caching import Cache

    app = Flask("bench")
    config: dict[str, Any] = {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 10_000}
    if url is not None:
        config = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url}
    held = Cache(app, config=config)
    app.app_context().push()
    return held


def aiocache_memory() -> BaseCache:
    """Return a cache of aiocache in memory."""
    from aiocache import Cache

    return Cache(Cache.MEMORY)


def aiocache_redis(parts: SplitResult) -> BaseCache:
    """Return a cache of aiocache on Redis, whose values are pickled as elsewhere."""
    from aiocache import Cache
    from aiocache.serializers import PickleSerializer

    return Cache(
        Cache.REDIS, endpoint=parts.hostname, port=parts.port, serializer=PickleSerializer()
    )


def aiocache_stampede(parts: SplitResult, key: str) -> Callable[[Any], Any]:
    """Return aiocache's decorator against stampedes, for one key on Redis."""
    from aiocache import Cache, cached_stampede
    from aiocache.serializers import PickleSerializer

    return cached_stampede(
        lease=10,
        ttl=int(TTL),
        key_builder=lambda *_, **__: key,
        cache=Cache.REDIS,
        endpoint=parts.hostname,
        port=parts.port,
        serializer=PickleSerializer(),
    )


def bare_redis(parts: SplitResult, protocol: int) -> redis.Redis:
    """Return redis-py's client, with the time-outs and retries that hhs_perf gives it."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis(
        host=parts.hostname or "",
        port=parts.port or 0,
        protocol=protocol,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


def bare_redis_async(parts: SplitResult, protocol: int) -> redis.asyncio.Redis:
    """Return redis-py's client for asyncio, likewise."""
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Redis(
        host=parts.hostname or "",
        port=parts.port or 0,
        protocol=protocol,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


def in_turn(function: Callable[[Any], object], arguments: list[Any]) -> Callable[[], None]:
    """Return what calls the function with each argument."""

    def run() -> None:
        for argument in arguments:
            function(argument)

    return run


def awaited_in_turn(
    loop: Any,  # noqa: ANN401 - an event loop
    function: Callable[[Any], Awaitable[object]],
    arguments: list[Any],
) -> Callable[[], None]:
    """Return what awaits the function with each argument."""

    async def ask() -> None:
        for argument in arguments:
            await function(argument)

    return lambda: loop.run_until_complete(ask())
