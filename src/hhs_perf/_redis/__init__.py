"""Clients of Redis and Valkey: the only place that builds them. redis-py is loaded on first use."""

from __future__ import annotations

from .address import Address, masked
from .backplane import Backplane, Listener
from .clients import (
    answered_errors,
    async_client,
    backend_errors,
    close_async_client,
    subscriber_client,
    sync_client,
)
from .reading import LoopReader, ThreadReader

__all__ = [
    "Address",
    "Backplane",
    "Listener",
    "LoopReader",
    "ThreadReader",
    "answered_errors",
    "async_client",
    "backend_errors",
    "close_async_client",
    "masked",
    "subscriber_client",
    "sync_client",
]
