"""Limiters that allow one start in an interval: ours and its peers', here and over Redis."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from hhs_perf._clock import SystemClock
from hhs_perf.scrapers.limits.local import LocalLimiter
from hhs_perf.scrapers.limits.shared import SharedLimiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Acquire = Callable[[], Awaitable[object]]

__all__ = ["LOCAL", "SHARED"]


def _ours(interval: float) -> Acquire:
    limiter = LocalLimiter(SystemClock())
    return lambda: limiter.acquire("x", interval)


def _aiolimiter(interval: float) -> Acquire:
    from aiolimiter import AsyncLimiter

    return AsyncLimiter(1, interval).acquire


def _pyrate(interval: float) -> Acquire:
    from pyrate_limiter import InMemoryBucket, Limiter, Rate

    limiter = Limiter(InMemoryBucket([Rate(1, round(interval * 1000))]))
    return lambda: limiter.try_acquire_async("x")


def _limits(interval: float) -> Acquire:
    """Take the library's moving window, of two in two intervals as its seconds are whole."""
    from limits import RateLimitItemPerSecond
    from limits.aio.storage import MemoryStorage
    from limits.aio.strategies import MovingWindowRateLimiter

    limiter = MovingWindowRateLimiter(MemoryStorage())
    item = RateLimitItemPerSecond(2, max(1, round(2 * interval)))

    async def acquire() -> None:
        # It tells whether, and leaves the waiting to the caller.
        while not await limiter.hit(item):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)

    return acquire


LOCAL: Final[dict[str, Callable[[float], Acquire]]] = {
    "ours": _ours,
    "aiolimiter": _aiolimiter,
    "pyrate-limiter": _pyrate,
    "limits": _limits,
}


class _Skewed:
    """Clocks that are wrong by so many seconds."""

    def __init__(self, skew: float) -> None:
        self._skew = skew

    def monotonic(self) -> float:
        return time.perf_counter() + self._skew

    def wall(self) -> float:
        return time.time() + self._skew


class Ours:
    """Our limiter over Redis."""

    def __init__(self, url: str, namespace: str, skew: float, interval: float) -> None:
        self._limiter = SharedLimiter(url, _Skewed(skew), namespace=namespace)
        self._interval = interval

    async def open(self) -> None:
        await self._limiter.acquire("warm-up", 0)

    async def acquire(self) -> None:
        await self._limiter.acquire("x", self._interval)

    async def close(self) -> None:
        await self._limiter.close()


class Pyrate:
    """Pyrate's asynchronous bucket in Redis; its times are the client's."""

    def __init__(self, url: str, namespace: str, skew: float, interval: float) -> None:
        import redis.asyncio

        self._client = redis.asyncio.Redis.from_url(url)
        self._name = namespace
        self._skew = round(skew * 1000)
        self._interval = interval
        self._limiter: Any = None

    async def open(self) -> None:
        from pyrate_limiter import Limiter, Rate, RedisBucket

        rates = [Rate(1, round(self._interval * 1000))]
        bucket: Any = await RedisBucket.init(rates, self._client, self._name)
        told, skew = bucket.now, self._skew
        bucket.now = lambda: told() + skew
        self._limiter = Limiter(bucket)

    async def acquire(self) -> None:
        await self._limiter.try_acquire_async("x")

    async def close(self) -> None:
        self._limiter.close()
        await self._client.aclose()


SHARED: Final[dict[str, type[Ours | Pyrate]]] = {"ours": Ours, "pyrate-limiter": Pyrate}
