"""Metrics: instruments that take observations, and snapshots of what they took."""

from __future__ import annotations

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
