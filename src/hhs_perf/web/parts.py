"""What the routes show of the cache, databases and scrapers, each imported when somebody asks.

The classes of their bodies take longer to make than all other routes take to mount.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .build import summary_body
from .page import dashboard_page

if TYPE_CHECKING:
    from .._monitor import Monitor

__all__ = [
    "cache",
    "cache_state",
    "cache_type",
    "dashboard",
    "dashboard_state",
    "database",
    "database_state",
    "database_type",
    "profile",
    "profile_type",
    "scrapers",
    "scrapers_state",
    "scrapers_type",
]

# ruff: noqa: PLC0415 - see above


def cache_type() -> type:
    """Give the type of the cache's body."""
    from .cache_body import CacheBody

    return CacheBody


def cache(monitor: Monitor, window: str) -> object:
    """Build the cache's body."""
    from .cache_body import cache_body

    return cache_body(monitor, window)


def cache_state(monitor: Monitor) -> object:
    """Tell what the cache's body shows besides the metrics."""
    if not monitor.has_cache:
        return None
    from .cache_body import cache_state as state

    return state(monitor)


def database_type() -> type:
    """Give the type of the databases' body."""
    from .database_body import DatabaseBody

    return DatabaseBody


def database(monitor: Monitor, window: str) -> object:
    """Build the databases' body."""
    from .database_body import database_body

    return database_body(monitor, window)


def database_state(monitor: Monitor) -> object:
    """Tell what the databases' bodies show besides the metrics."""
    if not monitor.has_database:
        return None
    from .database_body import database_state as state

    return state(monitor)


def profile_type() -> type:
    """Give the type of the profile's body."""
    from .database_body import ProfileBody

    return ProfileBody


def profile(monitor: Monitor) -> object:
    """Build the profile's body."""
    from .database_body import profile_body

    return profile_body(monitor)


def scrapers_type() -> type:
    """Give the type of the scrapers' body."""
    from .scrapers_body import ScrapersBody

    return ScrapersBody


def scrapers(monitor: Monitor, window: str) -> object:
    """Build the scrapers' body."""
    from .scrapers_body import scrapers_body

    return scrapers_body(monitor, window)


def scrapers_state(monitor: Monitor) -> object:
    """Tell what the scrapers' body shows besides the metrics."""
    if not monitor.has_scrapers:
        return None
    from .scrapers_body import scrapers_state as state

    return state(monitor)


def dashboard(monitor: Monitor, window: str) -> str:
    """Write the page, with a section of each part that there is."""
    summary, more = summary_body(monitor, window), ""
    if summary.database.observed or monitor.has_database:
        from .database_body import database_body
        from .database_page import database_section

        more = database_section(database_body(monitor, window))
    if summary.cache.observed or monitor.has_cache:
        from .cache_body import cache_body
        from .cache_page import cache_section

        more += cache_section(cache_body(monitor, window))
    if summary.scrapers.observed or monitor.has_scrapers:
        from .scrapers_body import scrapers_body
        from .scrapers_page import scrapers_section

        more += scrapers_section(scrapers_body(monitor, window))
    return dashboard_page(summary, more)


def dashboard_state(monitor: Monitor) -> object:
    """Tell what the page shows besides the metrics."""
    return cache_state(monitor), database_state(monitor), scrapers_state(monitor)
