"""Which library speaks HTTP."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal

from ..._clock import SystemClock
from ..._fork import renew_after_fork
from ...exceptions import ConfigurationError
from .guard import Guard
from .tls import make_context

if TYPE_CHECKING:
    import ssl

    from ..._clock import Clock
    from ..platform import Platform
    from ..transport import Transport, TransportFactory, TransportOptions

__all__ = ["TRANSPORTS", "TransportName", "factory_of"]

TransportName = Literal["auto", "httpx", "httpx2", "aiohttp"]

TRANSPORTS: Final[tuple[TransportName, ...]] = ("aiohttp", "httpx2", "httpx")
"""The libraries, those that cost least first: `auto` takes the first that is installed."""


def factory_of(
    name: TransportName = "auto", *, clock: Clock | None = None, guard: Guard | None = None
) -> TransportFactory:
    """Give what makes the transport of a platform with the library `name`.

    All transports of one factory share a TLS context, which is made with the first of them.
    Raises ConfigurationError where the library is not installed.
    """
    chosen = next((each for each in TRANSPORTS if find_spec(each) is not None), None)
    if name != "auto":
        chosen = name if find_spec(name) is not None else None
    if chosen is None:
        what = "the scraper engine" if name == "auto" else f"HHS_PERF_SCRAPE_TRANSPORT={name}"
        if name == "httpx2":  # no extra brings it
            raise ConfigurationError(f"{what} needs httpx2, which is not installed")
        extra = "aiohttp" if name == "aiohttp" else "scrapers"
        raise ConfigurationError.missing_extra(what, extra)
    return _Factory(chosen, clock or SystemClock(), guard or Guard()).make


class _Factory:
    """Makes transports that share one TLS context."""

    def __init__(self, name: TransportName, clock: Clock, guard: Guard) -> None:
        self._name = name
        self._clock = clock
        self._guard = guard
        # Guards `_tls`: event loops of several threads may ask at once.
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        renew_after_fork(self)

    def make(self, platform: Platform, options: TransportOptions) -> Transport:
        """Make the transport of one platform."""
        with self._lock:
            if self._tls is None:
                self._tls = make_context()
            tls = self._tls
        wall = self._clock.wall
        if self._name == "aiohttp":
            from .by_aiohttp import AiohttpTransport  # noqa: PLC0415 - optional and slow

            return AiohttpTransport(platform.base_url, options, tls, self._guard, wall)
        from .by_httpcore import HttpcoreTransport, core_of  # noqa: PLC0415 - likewise

        core = core_of(self._name)
        return HttpcoreTransport(core, platform.base_url, options, tls, self._guard, wall)

    def after_fork_in_child(self) -> None:
        """Take a new lock: a thread that is not here any more may have held the old one."""
        self._lock = threading.Lock()
