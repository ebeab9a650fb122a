"""The errors of hhs_perf.

```text
HhsPerfError
├─ ConfigurationError(ValueError)    bad settings, all of them in one message
├─ MetricKindError(TypeError)        the name already is another kind of instrument
├─ UnknownSlaError(LookupError)
├─ UnknownWindowError(LookupError)
└─ PluginError
```

Private errors of `cli/` and `demo/` derive from HhsPerfError directly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ConfigurationError",
    "HhsPerfError",
    "MetricKindError",
    "PluginError",
    "UnknownSlaError",
    "UnknownWindowError",
]


class HhsPerfError(Exception):
    """Base of all errors that hhs_perf raises on purpose."""


class ConfigurationError(HhsPerfError, ValueError):
    """The configuration cannot be used; `problems` lists every mistake, not only the first."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("; ".join(self.problems))

    @classmethod
    def missing_extra(cls, what: str, extra: str) -> ConfigurationError:
        """Say that `what` needs the extra `extra`, and the command that installs it."""
        return cls(f"{what} needs an extra that is not installed: pip install 'hhs-perf[{extra}]'")


class MetricKindError(HhsPerfError, TypeError):
    """The instrument `name` already exists as `kind` and was asked for as `wanted`."""

    def __init__(self, name: str, kind: str, wanted: str) -> None:
        self.name = name
        self.kind = kind
        self.wanted = wanted
        super().__init__(f"{name!r} is a {kind}, not a {wanted}")


class UnknownSlaError(HhsPerfError, LookupError):
    """No SLA has that name; `known` lists those that exist."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(known)
        super().__init__(f"unknown SLA {name!r}; known are {', '.join(self.known) or 'none'}")


class UnknownWindowError(HhsPerfError, LookupError):
    """No window has that name; `known` lists those that exist."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(known)
        super().__init__(f"unknown window {name!r}; allowed are {', '.join(self.known)}")


class PluginError(HhsPerfError):
    """A plugin broke a rule of its hooks; `plugin` names it."""

    def __init__(self, plugin: str, reason: str) -> None:
        self.plugin = plugin
        super().__init__(f"plugin {plugin!r}: {reason}")
