"""Which engine does the work, and how it is called where it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import URL, Engine

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["address_of", "root_of", "sync_engine_of"]


def sync_engine_of(engine: Engine | AsyncEngine) -> Engine:
    """Give the engine that does the work of an AsyncEngine; another engine as it is."""
    return engine if isinstance(engine, Engine) else engine.sync_engine


def root_of(engine: Engine) -> Engine:
    """Give the engine that `engine` with its options was made from."""
    while True:
        made_from: Engine | None = getattr(engine, "_proxied", None)
        if made_from is None:
            return engine
        engine = made_from


def address_of(engine: Engine) -> str:
    """Write where an engine leads, `postgresql://host:5432/db`.

    It is without user, password, driver and options, but for a host that is given as one.
    """
    url = engine.url
    host = url.host or url.query.get("host")
    if host is not None and not isinstance(host, str):
        host = ",".join(host)
    shown = URL.create(url.get_backend_name(), host=host, port=url.port, database=url.database)
    return shown.render_as_string(hide_password=True)
