"""Where the Flask-Caching backend keeps its values: whose cache, with which settings."""

from __future__ import annotations

import logging
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from weakref import finalize

import attrs

from .._setting_fields import as_redis_url, spellings
from .._settings import CacheSettings, Settings, setting_fields
from ..cache.observed.feed import Feed
from ..cache.tiered import TieredCache
from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from .._monitor import Monitor

__all__ = ["GivenHome", "Home", "says_timeout"]

_LOG: Final = logging.getLogger("hhs_perf")
_TIMEOUT: Final = "CACHE_DEFAULT_TIMEOUT"
_THEIR_DEFAULT: Final = 300
_OF_A_URL: Final = "CACHE_REDIS_HOST, CACHE_REDIS_PORT, CACHE_REDIS_DB"


@attrs.frozen
class GivenHome:
    """A cache that the caller chose."""

    tiered: TieredCache
    default_timeout: float = CacheSettings().default_timeout


class Home:
    """Finds the cache: that of the application's monitor, unless the configuration names a Redis.

    `init_app` may mount the monitor before or after Flask-Caching is set up; it is looked for
    when a value is. Without a monitor the cache is made of the settings in the environment and,
    before them, in Flask's configuration.

    Raises ConfigurationError for a Redis that is not named by a URL.
    """

    def __init__(self, app: Flask, config: Mapping[str, Any]) -> None:
        self._app = app
        self._config = config
        self._url = _redis_url(config)

    @property
    def _monitor(self) -> Monitor | None:
        monitor: Monitor | None = self._app.extensions.get("hhs_perf")
        return monitor

    @property
    def tiered(self) -> TieredCache:
        """The cache."""
        monitor = self._monitor
        if monitor is None or (self._url and self._url != monitor.settings.redis.url):
            return self._own
        return monitor.cache

    @cached_property
    def _own(self) -> TieredCache:
        monitor = self._monitor
        cache = TieredCache.from_settings(self._settings)
        finalize(self._app, cache.close)
        if monitor is not None:
            _LOG.warning(
                "Flask-Caching names another Redis than REDIS_URL, so it has a cache of its own; "
                "where both are to be one cache, set REDIS_URL alone"
            )
            monitor.metrics.feed_from(Feed(cache.core, monitor.collectors.cache))
        return cache

    @cached_property
    def _settings(self) -> Settings:
        known = {
            name for _, field in setting_fields() for name in spellings(field.metadata["variable"])
        }
        environ = dict(os.environ)
        for name in known - {_TIMEOUT}:
            if self._config.get(name) is not None:
                environ[name] = str(self._config[name])
        if self._url:
            environ["HHS_PERF_REDIS_URL"] = self._url
        return Settings.from_env(environ)

    @property
    def default_timeout(self) -> float:
        """Seconds that a value is kept where nobody says: CACHE_DEFAULT_TIMEOUT."""
        monitor = self._monitor
        return (self._settings if monitor is None else monitor.settings).cache.default_timeout


def says_timeout(app: Flask, timeout: float) -> bool:
    """Tell whether the configuration names the timeout: Flask-Caching fills in 300 otherwise."""
    return _TIMEOUT in app.config or timeout != _THEIR_DEFAULT


def _redis_url(config: Mapping[str, Any]) -> str | None:
    url: str | None = config.get("CACHE_REDIS_URL")
    if url:
        return _checked(url, "CACHE_REDIS_URL")
    for name in ("CACHE_REDIS_SENTINELS", "CACHE_REDIS_CLUSTER"):
        if config.get(name):
            kind = name.removeprefix("CACHE_REDIS_").removesuffix("S").lower()
            raise ConfigurationError(f"{name}: write it as CACHE_REDIS_URL = 'redis+{kind}://…'")
    host = config.get("CACHE_REDIS_HOST")
    if not host:
        return None
    if not isinstance(host, str):
        raise ConfigurationError("CACHE_REDIS_HOST: must be a name; clients cannot be handed over")
    password = config.get("CACHE_REDIS_PASSWORD")
    login = f":{quote(password, safe='')}@" if password else ""
    port, number = config.get("CACHE_REDIS_PORT", 6379), config.get("CACHE_REDIS_DB", 0)
    if ":" in host and not host.startswith("["):  # as a URL writes an address of IPv6
        host = f"[{host}]"
    return _checked(f"redis://{login}{host}:{port}/{number}", _OF_A_URL)


def _checked(url: object, name: str) -> str:
    if not isinstance(url, str):
        raise ConfigurationError(f"{name}: must be a URL, got a {type(url).__name__}")
    try:
        return as_redis_url(url)
    except ValueError as exc:
        # Without what it came of, which may hold a password.
        raise ConfigurationError(f"{name}: {exc}") from None
