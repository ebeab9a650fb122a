"""Web responses: they belong to one request, so no cache may share one."""

from __future__ import annotations

from typing import Final

from ..exceptions import CacheCodecError

__all__ = ["refuse_response"]

_PACKAGES: Final = frozenset({"werkzeug", "flask", "starlette", "fastapi", "django", "hhs_perf"})


def refuse_response(key: str, value: object) -> None:
    """Raise CacheCodecError for a response of a web framework, without importing one."""
    for kind in type(value).__mro__:
        if kind.__name__.endswith("Response") and kind.__module__.partition(".")[0] in _PACKAGES:
            raise CacheCodecError(
                "value",
                f"{key!r}: a {type(value).__name__} belongs to one request and cannot be shared; "
                "cache what it is made of, or use the adapters' cached_response",
            )
