"""What an engine is called in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import URL

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["engine_name"]


def engine_name(engine: Engine) -> str:
    """Write where an engine leads, without user, password, driver and options.

    The name that the host gave to the engine or its pool for logs follows.
    """
    url = engine.url
    shown = URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database)
    name = shown.render_as_string(hide_password=True)
    given = engine.logging_name or getattr(engine.pool, "logging_name", None)
    return f"{name} ({given})" if given else name
