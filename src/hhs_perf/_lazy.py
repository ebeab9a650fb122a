"""Packages whose public names are imported when they are first asked for (PEP 562)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

__all__ = ["importer"]


def importer(
    package: str, homes: Mapping[str, str], namespace: MutableMapping[str, object]
) -> Callable[[str], object]:
    """Make the `__getattr__` of `package`: `homes` tells the module that each name comes from."""

    def __getattr__(name: str) -> object:  # noqa: N807 - it becomes one
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = namespace[name] = getattr(import_module(f".{home}", package), name)
        return value

    return __getattr__
