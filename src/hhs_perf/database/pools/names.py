"""What an engine is called in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..addresses import address_of

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["engine_name"]


def engine_name(engine: Engine) -> str:
    """Write its address, and the name that the host gave to the engine or its pool for logs."""
    name = address_of(engine)
    given = engine.logging_name or getattr(engine.pool, "logging_name", None)
    return f"{name} ({given})" if given else name
