"""Clients of a cluster."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from .address import Address

__all__ = ["LazyCluster", "async_cluster", "sync_cluster"]

_SAYS_RETRY: Final = 6


class LazyCluster:
    """A cluster's client that is made when it is first used.

    redis-py's asks the cluster for its members while it is being made, so making it can fail and
    take time like any command; whoever uses this one meets both at the first command, as with
    the other kinds.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        # Guards the client.
        self._lock = threading.Lock()
        self._client: Any = None

    def __getattr__(self, name: str) -> Any:
        client = self._client
        if client is None:
            with self._lock:
                client = self._client = self._client or self._make()
        return getattr(client, name)

    def close(self) -> None:
        """Close the client if there is one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()


def sync_cluster(address: Address, options: dict[str, Any]) -> Any:
    """Connect to a cluster; raises what redis-py raises."""
    module = import_module("redis.cluster")
    nodes = [module.ClusterNode(host, port) for host, port in address.nodes]
    return module.RedisCluster(startup_nodes=nodes, **_once(options))


def async_cluster(address: Address, options: dict[str, Any]) -> Any:
    """Build a client that connects at its first command."""
    module = import_module("redis.asyncio.cluster")
    nodes = [module.ClusterNode(host, port) for host, port in address.nodes]
    return module.RedisCluster(startup_nodes=nodes, **_once(options))


def _once(options: dict[str, Any]) -> dict[str, Any]:
    """Add what keeps redis-py 5 from trying again; from 6 on its argument `retry` says it."""
    major = int(import_module("redis").__version__.partition(".")[0])
    return options | ({"cluster_error_retry_attempts": 0} if major < _SAYS_RETRY else {})
