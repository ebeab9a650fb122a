"""Clients of Redis and Valkey: the only place that builds them. redis-py is loaded on first use."""

from __future__ import annotations

from .address import Address, masked
from .clients import (
    async_client,
    backend_errors,
    close_async_client,
    subscriber_client,
    sync_client,
)

__all__ = [
    "Address",
    "async_client",
    "backend_errors",
    "close_async_client",
    "masked",
    "subscriber_client",
    "sync_client",
]
