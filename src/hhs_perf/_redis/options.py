"""Arguments of redis-py's clients, from the oldest version supported to the newest."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .address import Address

__all__ = ["connection_options", "sentinel_options"]


def connection_options(
    address: Address, timeout: float, protocol: int, *, is_async: bool = False
) -> dict[str, Any]:
    """Give the arguments that all kinds of clients share: time-outs, no retries, who, TLS."""
    library = "redis.asyncio" if is_async else "redis"
    retry = import_module(f"{library}.retry").Retry
    no_pause = import_module("redis.backoff").NoBackoff
    options: dict[str, Any] = {
        "protocol": protocol,
        "username": address.username,
        "password": address.password,
        "client_name": address.client_name,
        "decode_responses": False,
        "health_check_interval": 0,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "socket_keepalive": True,
        "retry": retry(no_pause(), 0),
    }
    known = frozenset(inspect.signature(import_module(library).Redis).parameters)
    if "maint_notifications_config" in known:
        module = import_module("redis.maint_notifications")
        options["maint_notifications_config"] = module.MaintNotificationsConfig(enabled=False)
    # With TLS 1.3 a server's session tickets arrive after the handshake. redis-py takes them for
    # an answer to nobody and gives the connection up, unless it has read one answer before.
    return options | (_tls(address) if address.tls else _nameless(known))


def sentinel_options(address: Address, options: dict[str, Any]) -> dict[str, Any]:
    """Give the arguments of the clients that ask the Sentinels, which have a login of their own."""
    own = {"username": address.sentinel_username, "password": address.sentinel_password, "db": 0}
    return options | own


def _nameless(known: frozenset[str]) -> dict[str, Any]:
    """Keep connections from telling the server their library's name, which takes round trips."""
    if "driver_info" in known:
        return {"driver_info": None}
    return {"lib_name": None, "lib_version": None}


def _tls(address: Address) -> dict[str, Any]:
    options: dict[str, Any] = {"ssl": True, **dict(address.tls_options)}
    # redis-py 5 checked no names unless told; without a certificate there is none to check.
    options.setdefault("ssl_check_hostname", options.get("ssl_cert_reqs", "required") != "none")
    return options
