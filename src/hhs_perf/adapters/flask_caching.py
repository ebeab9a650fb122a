"""The tiered cache as a backend of Flask-Caching.

`CACHE_TYPE = "hhs_perf.adapters.flask_caching.TieredCache"` is all that an application changes.
"""

from __future__ import annotations

import datetime as dt
import math
from functools import wraps
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import attrs

from .._scope import request_scope
from ..cache import tiered as tiered_cache
from ..cache.drive import run
from ..cache.naming.own import FLASK_CACHING, tell_views
from ..cache.policy import LONGEST_TTL, Loaded
from ..exceptions import CacheError, ConfigurationError
from ..web.cached_view import note_cached

try:
    from flask import g, has_app_context, has_request_context, request
    from flask_caching.backends.base import BaseCache

    from ._flask_caching_home import GivenHome, Home, says_timeout
    from ._flask_values import fold, unfold
except ImportError as exc:
    raise ConfigurationError.missing_extra(
        "hhs_perf.adapters.flask_caching", "flask-caching"
    ) from exc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Flask, Response

__all__ = ["TieredCache"]

_BORDER: Final = "Flask-Caching value"
_PREFIX: Final = "flask_cache_"
_HIT: Final = "_hhs_perf_hit"
_MARKED: Final = "hhs_perf_flask_caching"
_MISSING: Final = object()

Timeout = int | float | dt.timedelta | None


class TieredCache(BaseCache):
    """A backend of Flask-Caching whose values are in memory and in Redis, alike in all processes.

    The contract is cachelib's: a timeout is in seconds or a timedelta, None for the default, and
    0 for as long as can be, which is 30 days. Flask-Caching makes the backend by `factory`; made
    by hand, `cache` is the tiered cache to use. Its other entries are left alone, also by `clear`.
    What takes and gives values never raises for a failing Redis.
    """

    def __init__(
        self,
        default_timeout: Timeout = None,
        *,
        cache: tiered_cache.TieredCache | None = None,
        key_prefix: str | Callable[[], str] = _PREFIX,
        home: Home | None = None,
    ) -> None:
        self._home = home or GivenHome(cache or tiered_cache.TieredCache())
        self._key_prefix = key_prefix
        super().__init__()
        self._default_timeout = None if default_timeout is None else _seconds(default_timeout)

    @classmethod
    def factory(
        cls, app: Flask, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> TieredCache:
        """Make the backend of an application, as Flask-Caching does.

        The cache is `CACHE_OPTIONS["cache"]`, or that of the application's monitor, or one that is
        made of the settings; where CACHE_REDIS_URL or CACHE_REDIS_HOST names a Redis, it is there.
        CACHE_THRESHOLD means nothing here, CACHE_L1_MAXSIZE bounds the memory.

        Raises ConfigurationError for options that mean nothing here, and for a Redis that is not
        named by a URL.
        """
        options = dict(kwargs)
        timeout = options.pop("default_timeout", None)
        options.pop("ignore_delete_many_errors", None)  # nothing that is deleted stays
        cache = options.pop("cache", None)
        if options or args:
            raise ConfigurationError(
                "CACHE_ARGS, CACHE_OPTIONS: the tiered cache knows the option cache alone, got "
                f"{[*args, *options]}"
            )
        _mark_cached_answers(app)
        return cls(
            timeout if timeout is not None and says_timeout(app, timeout) else None,
            cache=cache,
            key_prefix=config.get("CACHE_KEY_PREFIX") or "",
            home=Home(app, config) if cache is None else None,
        )

    @property
    def tiered(self) -> tiered_cache.TieredCache:
        """The tiered cache that holds the values."""
        return self._home.tiered

    @property  # type: ignore[override]  # cachelib has an attribute of whole seconds
    def default_timeout(self) -> float:
        """Seconds that a value is kept where the call says nothing; 0 for as long as can be."""
        held = self._default_timeout
        return self._home.default_timeout if held is None else held

    @default_timeout.setter
    def default_timeout(self, timeout: Timeout) -> None:
        self._default_timeout = None if timeout is None else _seconds(timeout)

    def get(self, key: str) -> Any:  # noqa: ANN401 - values are anything
        """Give the value of `key`, a copy of its own; None where there is none."""
        cache = self.tiered
        kept = cache.get(self._full(key), _MISSING)
        if kept is _MISSING or kept is None:
            return None
        value = self._unfolded(cache, kept)
        if value is not None and request_scope() is not None and has_app_context():
            setattr(g, _HIT, value)
        return value

    def get_many(self, *keys: str) -> list[Any]:
        """Give the values of `keys` in their order, None for those that are not there."""
        cache = self.tiered
        full = [self._full(key) for key in keys]
        kept = cache.get_many(full)
        return [self._unfolded(cache, kept.get(key)) for key in full]

    def set(self, key: str, value: Any, timeout: Timeout = None) -> bool:  # noqa: ANN401 - likewise
        """Keep a copy of `value`; raises CacheCodecError for a stream."""
        return bool(self.set_many({key: value}, timeout))

    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout = None) -> list[str]:
        """Keep copies of several values; give the keys."""
        ttl = self._ttl(timeout)
        if ttl is None:
            self.tiered.delete(*map(self._full, mapping))
            return list(mapping)
        folded = {self._full(key): fold(value) for key, value in mapping.items()}
        try:
            self.tiered.set_many(folded, ttl=ttl)
        except CacheError as exc:
            self._note(exc)
            return []
        return list(mapping)

    def add(self, key: str, value: Any, timeout: Timeout = None) -> bool:  # noqa: ANN401 - likewise
        """Keep `value` if there is none yet; True if it was kept. One of many succeeds."""
        ttl = self._ttl(timeout)
        folded, kept = fold(value), False

        def load() -> object:
            nonlocal kept
            kept = True
            return folded

        if ttl is None:
            return not self.has(key)
        self.tiered.get_or_load(self._full(key), load, ttl=ttl)
        return kept

    def delete(self, key: str) -> bool:
        """Remove `key` everywhere; True if it was there."""
        full = self._full(key)
        was_there = self.tiered.contains(full)
        self.tiered.delete(full)
        return was_there

    def delete_many(self, *keys: str) -> list[str]:
        """Remove `keys` everywhere; give them."""
        self.tiered.delete(*map(self._full, keys))
        return list(keys)

    def unlink(self, *keys: str) -> list[str]:
        """Do as `delete_many`."""
        return self.delete_many(*keys)

    def has(self, key: str) -> bool:
        """Tell whether there is a value, which may be None."""
        return self.tiered.contains(self._full(key))

    def clear(self) -> bool:
        """Make void what was kept with this prefix, in all processes, and nothing else."""
        self.tiered.invalidate(prefix=self._full(""))
        return True

    def inc(self, key: str, delta: int = 1) -> int:
        """Add `delta` to a number, or begin with it; none of many additions is lost.

        The number lives on for as long as it would have. Without Redis each process counts for
        itself.
        """
        cache, full = self.tiered, self._full(key)
        made: list[int] = []

        def load() -> Loaded[int]:
            held, ttl = self._number(cache, full)
            made.append(held + delta)
            return Loaded(made[-1], ttl=ttl)

        # Unlike a refresh, which takes the place of a load under way, this waits for the addition
        # of another one, whose sum it is given then; ours is still due.
        request = attrs.evolve(cache.core.request(full, load, is_forced=True), since=math.inf)
        while not made:
            run(cache.core.loading(request), cache.core.link)
        return made[-1]

    def dec(self, key: str, delta: int = 1) -> int:
        """Take `delta` off a number, as `inc` adds."""
        return self.inc(key, -delta)

    def _number(self, cache: tiered_cache.TieredCache, full: str) -> tuple[int, float]:
        """Give a number and how long it lives on: from L2, where others write, if there is one."""
        core = cache.core
        frame, _ = run(core.lookup.fetch(full, None), core.link)
        if frame is not None and core.below is not None:
            left = frame.expires - core.below.level2.now()
            if left > 0:
                return frame.value or 0, left  # type: ignore[return-value]  # or it cannot be added
        left_here = cache.ttl(full)
        if left_here is None:
            return 0, self._ttl(None) or LONGEST_TTL
        return cache.get(full) or 0, left_here

    def _full(self, key: str) -> str:
        prefix = self._key_prefix() if callable(self._key_prefix) else self._key_prefix
        # Quoted, so that no prefix begins another one.
        return f"{FLASK_CACHING}{quote(prefix, safe='')}:{key}"

    def _ttl(self, timeout: Timeout) -> float | None:
        """Give the seconds to keep a value, None for a time that is over."""
        seconds = self.default_timeout if timeout is None else _seconds(timeout)
        if seconds < 0:
            return None
        return min(seconds or LONGEST_TTL, LONGEST_TTL)

    def _unfolded(self, cache: tiered_cache.TieredCache, kept: object) -> object:
        try:
            return unfold(kept)
        except Exception as exc:  # noqa: BLE001 - a border: bytes in Redis may be anybody's
            cache.core.faults.note(_BORDER, exc)
            return None

    def _note(self, error: Exception) -> None:
        self.tiered.core.faults.note(_BORDER, error)


def _seconds(timeout: float | dt.timedelta) -> float:
    # Up to whole seconds, as cachelib does: 0 would be for ever.
    if isinstance(timeout, dt.timedelta):
        return math.ceil(timeout.total_seconds())
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be seconds or a timedelta, got {timeout!r}")
    return timeout


def _route_of(path: str) -> str | None:
    """Give the template of a path's route, where it is that of the request under way."""
    if not has_request_context() or request.path != path or request.url_rule is None:
        return None
    return request.url_rule.rule


tell_views(_route_of)


def _mark_cached_answers(app: Flask) -> None:
    """Let a request whose answer is a value that the cache gave be of kind `cached`."""
    if _MARKED in app.extensions:
        return
    app.extensions[_MARKED] = True
    make = app.make_response

    @wraps(make)
    def make_response(rv: Any) -> Response:  # noqa: ANN401 - whatever a view returns
        # Of memoized functions many may be hits: it is the answer itself that counts.
        if request_scope() is not None and rv is g.get(_HIT, _MISSING):
            note_cached()
        return make(rv)

    app.make_response = make_response  # type: ignore[method-assign]  # as a subclass would
