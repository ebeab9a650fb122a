"""Web responses: they belong to one request, so no cache may share one."""

from __future__ import annotations

from typing import Final

__all__ = ["is_response"]

_PACKAGES: Final = frozenset({"werkzeug", "flask", "starlette", "fastapi", "django", "hhs_perf"})


def is_response(value: object) -> bool:
    """Tell whether `value` is a response of a web framework, without importing one."""
    return any(
        kind.__name__.endswith("Response") and kind.__module__.partition(".")[0] in _PACKAGES
        for kind in type(value).__mro__
    )
