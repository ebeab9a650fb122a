"""The database: what engines of SQLAlchemy execute, N+1 queries, pools, indexes, replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._lazy import importer
from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from .database import Database
    from .engines import create_async_engine_from_env, create_engine_from_env
    from .n_plus_one.watch import NPlusOneWarning
    from .replicas import (
        AsyncRoutingSession,
        ReplicaRouter,
        RoutingSession,
        async_routing_sessionmaker,
        primary,
        read_only,
        routing_sessionmaker,
    )
    from .scopes import QueryScope

__all__ = [
    "AsyncRoutingSession",
    "Database",
    "NPlusOneWarning",
    "QueryScope",
    "ReplicaRouter",
    "RoutingSession",
    "async_routing_sessionmaker",
    "create_async_engine_from_env",
    "create_engine_from_env",
    "primary",
    "read_only",
    "routing_sessionmaker",
]

_HOMES: Final = {
    "AsyncRoutingSession": "replicas",
    "Database": "database",
    "NPlusOneWarning": "n_plus_one.watch",
    "QueryScope": "scopes",
    "ReplicaRouter": "replicas",
    "RoutingSession": "replicas",
    "async_routing_sessionmaker": "replicas",
    "create_async_engine_from_env": "engines",
    "create_engine_from_env": "engines",
    "primary": "replicas",
    "read_only": "replicas",
    "routing_sessionmaker": "replicas",
}

_import: Final = importer(__name__, _HOMES, globals())


def __getattr__(name: str) -> object:
    """Import what is asked for; raises ConfigurationError where the extra `sql` is missing."""
    try:
        return _import(name)
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] != "sqlalchemy":
            raise
        raise ConfigurationError.missing_extra("hhs_perf.database", "sql") from exc


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted({*globals(), *__all__})
