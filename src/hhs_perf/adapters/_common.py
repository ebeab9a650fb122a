"""What the adapters of all frameworks share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl
from weakref import finalize

from .._settings import CacheSettings
from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from .._monitor import Monitor
    from ..cache import TieredCache

__all__ = ["OWN", "cache_for", "close_with", "read_prefix", "read_query", "refuse_second"]

OWN: Final = "hhs_perf"
"""What stands for the template of a request that one of our views answers.

No host's template is equal to it, since those begin with a slash; one of ours may be.
"""
_PREFIX: Final = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")


def read_prefix(url_prefix: str) -> str:
    """Check the prefix of our routes and drop a slash at its end.

    Raises ConfigurationError for one that is no literal path: `.` and `..` are none, since
    clients resolve them before they ask.
    """
    if not isinstance(url_prefix, str) or not _PREFIX.fullmatch(url_prefix.removesuffix("/")):
        raise ConfigurationError(
            f"url_prefix: must be a path such as '/api/performance', got {url_prefix!r}"
        )
    return url_prefix.removesuffix("/")


def read_query(query: str) -> tuple[tuple[str, str], ...]:
    """Split a query string into its decoded pairs, empty values included."""
    return tuple(parse_qsl(query, keep_blank_values=True))


def refuse_second(monitor: object) -> None:
    """Raise ConfigurationError if the application already has a monitor."""
    if monitor is not None:
        raise ConfigurationError("init_app: this application already has a monitor")


def close_with(app: object, monitor: Monitor) -> None:
    """Close the monitor when the application goes, at the latest with the interpreter."""
    finalize(app, monitor.close)


def cache_for(monitor: Monitor | None, cache: TieredCache | None) -> tuple[TieredCache, float]:
    """Give the cache for responses, and the seconds that it keeps one by default.

    Raises ConfigurationError where there is neither a cache nor a monitor that has one.
    """
    if monitor is None:
        if cache is None:
            raise ConfigurationError(
                "cached_response: the application has no monitor: call init_app, or give "
                "cached_response(cache=…). An application that is mounted in another one does not "
                "see its monitor: give it the other's, cache=monitor.cache"
            )
        return cache, CacheSettings().default_timeout
    return cache or monitor.cache, monitor.settings.cache.default_timeout
