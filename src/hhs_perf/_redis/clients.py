"""Clients that wait as long as they are told and never try again by themselves.

What redis-py does by default (ten retries with growing pauses, 5 s for every answer) would make
a request of the host wait for seconds where Redis is away; a breaker above decides instead.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from ..exceptions import ConfigurationError
from .cluster import LazyCluster, async_cluster, sync_cluster
from .options import connection_options, sentinel_options

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from .address import Address

__all__ = [
    "answered_errors",
    "async_client",
    "backend_errors",
    "close_async_client",
    "subscriber_client",
    "sync_client",
]

# Redis and Valkey both speak it without a greeting, so a new connection costs no round trip.
_PROTOCOL: Final = 2
# redis-py 8 stops at 100 where nothing is said, with an error that is no fault of the server's.
_UNBOUNDED: Final = 2**31


def sync_client(address: Address, *, timeout: float, protocol: int | None = None) -> redis.Redis:
    """Build a client for any number of threads; nothing is connected before the first command.

    `timeout` seconds bound the connecting, and then each answer. `protocol` (2 or 3) wins over
    the URL's; it is 2 where both say nothing. Raises ConfigurationError without redis-py.
    """
    _require_redis()
    options = connection_options(address, timeout, protocol or address.protocol or _PROTOCOL)
    if address.kind == "cluster":
        return cast("redis.Redis", LazyCluster(lambda: sync_cluster(address, options)))
    return cast("redis.Redis", _client("redis", address, options))


def async_client(
    address: Address, *, timeout: float, protocol: int | None = None
) -> redis.asyncio.Redis:
    """Build a client for the tasks of one event loop; otherwise as `sync_client`."""
    _require_redis()
    options = connection_options(
        address, timeout, protocol or address.protocol or _PROTOCOL, is_async=True
    )
    if address.kind == "cluster":
        return cast("redis.asyncio.Redis", async_cluster(address, options))
    return cast("redis.asyncio.Redis", _client("redis.asyncio", address, options))


def subscriber_client(
    address: Address, *, timeout: float, protocol: int | None = None
) -> redis.Redis:
    """Build a client whose `pubsub()` one thread reads with `get_message(timeout=…)`.

    That time-out bounds the wait for a message; `timeout` seconds bound connecting, subscribing
    and the rest of a message that has begun. A peer that falls silent is noticed by `ping()` only.
    """
    return sync_client(address, timeout=timeout, protocol=protocol)


async def close_async_client(client: redis.asyncio.Redis) -> None:
    """Close what `async_client` built, in the event loop that it served."""
    # With Sentinels, redis-py leaves the connections to them open.
    pool = getattr(client, "connection_pool", None)
    sentinels = getattr(getattr(pool, "sentinel_manager", None), "sentinels", [])
    for each in (client, *sentinels):
        await each.aclose()


def backend_errors() -> tuple[type[BaseException], ...]:
    """Give what counts as a failure of Redis, of the network, or of the time they may take.

    Raises ConfigurationError without redis-py.
    """
    _require_redis()
    from redis import exceptions  # noqa: PLC0415 - optional, and slow to import

    # Time-outs, asyncio's too, are OSError; what a cluster raises is no RedisError.
    return (exceptions.RedisError, exceptions.RedisClusterException, OSError)


def answered_errors() -> tuple[type[BaseException], ...]:
    """Give those of `backend_errors` that a server sends as the answer to one command."""
    _require_redis()
    from redis.exceptions import ResponseError  # noqa: PLC0415 - optional

    return (ResponseError,)


def _require_redis() -> None:
    try:
        import_module("redis")
    except ImportError as exc:
        raise ConfigurationError.missing_extra("Redis or Valkey", "redis") from exc


def _client(library: str, address: Address, options: dict[str, Any]) -> Any:
    """Build a client of one server or of Sentinels; `library` is `redis` or `redis.asyncio`."""
    classes = import_module(library)
    options = options | {"db": address.db, "max_connections": _UNBOUNDED}
    if address.path is not None:
        del options["socket_keepalive"]
        return classes.Redis(unix_socket_path=address.path, **options)
    if address.kind == "single":
        [(host, port)] = address.nodes
        return classes.Redis(host=host, port=port, **options)
    sentinel = import_module(f"{library}.sentinel").Sentinel(
        address.nodes, sentinel_kwargs=sentinel_options(address, options), **options
    )
    return sentinel.master_for(address.service)
