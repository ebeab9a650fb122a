"""Metrics: instruments that take observations, and snapshots of what they took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._lazy import importer

if TYPE_CHECKING:
    from .digest import load_engine
    from .distribution import Distribution, Holding, Threshold, nearest_rank
    from .instruments import Counter, Gauge, Tags, Timer
    from .local import LocalReader
    from .registry import OTHER, Registry
    from .snapshot import Reader, Scope, Snapshot
    from .window import DAY, FIVE_MINUTES, HOUR, WINDOWS, Window, window_named

__all__ = [
    "DAY",
    "FIVE_MINUTES",
    "HOUR",
    "OTHER",
    "WINDOWS",
    "Counter",
    "Distribution",
    "Gauge",
    "Holding",
    "LocalReader",
    "Reader",
    "Registry",
    "Scope",
    "Snapshot",
    "Tags",
    "Threshold",
    "Timer",
    "Window",
    "load_engine",
    "nearest_rank",
    "window_named",
]

_HOMES: Final = {
    "Counter": "instruments",
    "DAY": "window",
    "Distribution": "distribution",
    "FIVE_MINUTES": "window",
    "Gauge": "instruments",
    "HOUR": "window",
    "Holding": "distribution",
    "LocalReader": "local",
    "OTHER": "registry",
    "Reader": "snapshot",
    "Registry": "registry",
    "Scope": "snapshot",
    "Snapshot": "snapshot",
    "Tags": "instruments",
    "Threshold": "distribution",
    "Timer": "instruments",
    "WINDOWS": "window",
    "Window": "window",
    "load_engine": "digest",
    "nearest_rank": "distribution",
    "window_named": "window",
}

__getattr__ = importer(__name__, _HOMES, globals())
