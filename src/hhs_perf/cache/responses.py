"""Values that no cache may share: web responses, and what can be read once."""

from __future__ import annotations

from typing import Final

from ..exceptions import CacheCodecError

__all__ = ["refuse_unshareable"]

_PACKAGES: Final = frozenset({"werkzeug", "flask", "starlette", "fastapi", "django", "hhs_perf"})


def refuse_unshareable(key: str, value: object) -> None:
    """Raise CacheCodecError for an iterator, or a response of a web framework."""
    kind = type(value)
    if hasattr(kind, "__next__") or hasattr(kind, "__anext__"):
        raise CacheCodecError(
            "value",
            f"{key!r}: a {kind.__name__} can be read once and cannot be shared; "
            "cache a list of what it gives",
        )
    # Without importing a framework.
    for kind in type(value).__mro__:
        if kind.__name__.endswith("Response") and kind.__module__.partition(".")[0] in _PACKAGES:
            raise CacheCodecError(
                "value",
                f"{key!r}: a {type(value).__name__} belongs to one request and cannot be shared; "
                "cache what it is made of, or use the adapters' cached_response",
            )
