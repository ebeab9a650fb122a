"""hhs_perf: know how a Python web application performs, and prove it against its SLAs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ._lazy import importer

if TYPE_CHECKING:
    from ._monitor import Monitor
    from ._scope import RequestScope, request_scope
    from ._settings import Settings
    from .exceptions import ConfigurationError, HhsPerfError
    from .hookspecs import hookimpl
    from .sla import (
        AlertRule,
        Quantile,
        QuantileObjective,
        Ratio,
        RatioObjective,
        Selector,
        Sla,
    )

__all__ = [
    "AlertRule",
    "ConfigurationError",
    "HhsPerfError",
    "Monitor",
    "Quantile",
    "QuantileObjective",
    "Ratio",
    "RatioObjective",
    "RequestScope",
    "Selector",
    "Settings",
    "Sla",
    "hookimpl",
    "request_scope",
]

_HOMES: Final = {
    "AlertRule": "sla",
    "ConfigurationError": "exceptions",
    "HhsPerfError": "exceptions",
    "Monitor": "_monitor",
    "Quantile": "sla",
    "QuantileObjective": "sla",
    "Ratio": "sla",
    "RatioObjective": "sla",
    "RequestScope": "_scope",
    "Selector": "sla",
    "Settings": "_settings",
    "Sla": "sla",
    "hookimpl": "hookspecs",
    "request_scope": "_scope",
}

__getattr__ = importer(__name__, _HOMES, globals())


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted({*globals(), *__all__})
