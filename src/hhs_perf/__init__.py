"""hhs_perf: know how a Python web application performs, and prove it against its SLAs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ._monitor import Monitor
    from ._scope import RequestScope, request_scope
    from ._settings import Settings
    from .exceptions import ConfigurationError, HhsPerfError
    from .hookspecs import hookimpl
    from .sla import AlertRule, QuantileObjective, RatioObjective, Selector, Sla

__all__ = [
    "AlertRule",
    "ConfigurationError",
    "HhsPerfError",
    "Monitor",
    "QuantileObjective",
    "RatioObjective",
    "RequestScope",
    "Selector",
    "Settings",
    "Sla",
    "hookimpl",
    "request_scope",
]

_HOMES: Final = {
    "AlertRule": ".sla",
    "ConfigurationError": ".exceptions",
    "HhsPerfError": ".exceptions",
    "Monitor": "._monitor",
    "QuantileObjective": ".sla",
    "RatioObjective": ".sla",
    "RequestScope": "._scope",
    "Selector": ".sla",
    "Settings": "._settings",
    "Sla": ".sla",
    "hookimpl": ".hookspecs",
    "request_scope": "._scope",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted({*globals(), *__all__})
