"""Reads on replicas: routing sessions, lag and health, own writes read back, a way to fall back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..._lazy import importer

if TYPE_CHECKING:
    from .report import FallbackCount, ReplicaReport, ReplicaState
    from .router import ReplicaRouter
    from .scopes import primary, read_only
    from .sessions import (
        AsyncRoutingSession,
        RoutingSession,
        async_routing_sessionmaker,
        routing_sessionmaker,
    )

__all__ = [
    "AsyncRoutingSession",
    "FallbackCount",
    "ReplicaReport",
    "ReplicaRouter",
    "ReplicaState",
    "RoutingSession",
    "async_routing_sessionmaker",
    "primary",
    "read_only",
    "routing_sessionmaker",
]

# What is shown is known without SQLAlchemy.
_HOMES: Final = {
    "AsyncRoutingSession": "sessions",
    "FallbackCount": "report",
    "ReplicaReport": "report",
    "ReplicaRouter": "router",
    "ReplicaState": "report",
    "RoutingSession": "sessions",
    "async_routing_sessionmaker": "sessions",
    "primary": "scopes",
    "read_only": "scopes",
    "routing_sessionmaker": "sessions",
}

__getattr__ = importer(__name__, _HOMES, globals())


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted({*globals(), *__all__})
