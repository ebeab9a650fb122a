"""The tiered cache: memory in front of Redis or Valkey, for threads and tasks alike."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Never, TypeVar, cast, overload

from .._clock import SystemClock
from .._faults import Faults
from ..exceptions import ConfigurationError
from .core import Core
from .decorator import decorate
from .drive import run
from .options import Options
from .store.entry import HIT
from .store.l1 import l1_store
from .store.s3fifo import S3FIFOCache
from .store.sizes import size_of
from .warm.warming import Warming
from .wire.codec import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from os import PathLike

    import cachetools

    from .._clock import Clock
    from .._settings import Settings
    from .aio import AsyncFace
    from .decorator import Decorator
    from .drive import Steps
    from .observed.report import CacheReport
    from .policy import Policy
    from .warm.warm_ups import WarmResult

__all__ = ["TieredCache"]

D = TypeVar("D")
T = TypeVar("T")


class TieredCache:
    """A cache of two levels: L1 in memory, L2 in Redis or Valkey; without `redis`, L1 alone.

    The methods answer in the calling thread; `aio` has the same ones to be awaited, over the same
    entries. Values go to L2 as MessagePack: they must be made of what that holds, or of what
    `type` names, else they stay in L1, and the log says why. A value found in L1 is the one
    object that all callers share, unless the policy says `copy="on_read"`.

    A failing Redis is not the caller's: lookups load, deletes are repeated later. With
    `on_l2_error="raise"` CacheBackendError is raised instead.

    Args:
        redis: The URL of L2: `redis://`, `rediss://`, `unix://`, `redis+sentinel://` or
            `redis+cluster://`; None for L1 alone.
        namespace: What the names in Redis begin with; caches of one namespace share entries.
        l1: Any empty `cachetools.Cache`; by default an S3FIFOCache.
        l1_maxsize: Most entries in L1, where `l1` is not given.
        l1_maxbytes: Most bytes of keys and values in L1, in place of `l1_maxsize`.
        l1_ttl: Seconds that an entry lives in L1 where its call says nothing.
        l2_ttl: Seconds that an entry lives in L2 where its call says nothing.
        l2_timeout: Seconds to wait for Redis, for a connection and for each answer.
        codec: How values become bytes.
        on_l2_error: What a failing Redis means to callers.
        clock: Where durations and stamps come from.
        faults: Where faults that are kept from the host are counted.
        warm_workers: How many warm-ups run at a time.
        state_dir: The folder that the keys hit most are kept in where there is no Redis.

    Raises ConfigurationError for arguments out of range, and for a URL without the extra `redis`.
    """

    def __init__(  # noqa: PLR0913 - each is one thing to say about a cache
        self,
        redis: str | None = None,
        *,
        namespace: str = "default",
        l1: cachetools.Cache[Any, Any] | None = None,
        l1_maxsize: int = 1000,
        l1_maxbytes: int | None = None,
        l1_ttl: float = 60.0,
        l2_ttl: float = 300.0,
        l2_timeout: float = 0.05,
        codec: Codec | None = None,
        on_l2_error: Literal["degrade", "raise"] = "degrade",
        clock: Clock | None = None,
        faults: Faults | None = None,
        warm_workers: int = 4,
        state_dir: str | PathLike[str] | None = None,
    ) -> None:
        clock = clock or SystemClock()
        if l1 is None:
            l1 = _default_l1(l1_maxsize, l1_maxbytes, clock)
        options = Options(
            redis=redis,
            namespace=namespace,
            l1_ttl=l1_ttl,
            l2_ttl=l2_ttl,
            l2_timeout=l2_timeout,
            codec=Codec() if codec is None else codec,
            on_l2_error=on_l2_error,
            warm_workers=warm_workers,
            state_dir=state_dir,
        )
        self.core = Core(l1_store(l1), options, clock, faults or Faults("hhs_perf.cache"))
        folder = None if state_dir is None else Path(state_dir)
        self.warming = Warming(self.core, options.codec, workers=warm_workers, state_dir=folder)
        memory = self.core.memory
        # What a hit reads, side by side.
        self._find = memory.find
        self._marks = memory.marks
        self._now = clock.monotonic

    @classmethod
    def from_settings(
        cls, settings: Settings, *, clock: Clock | None = None, faults: Faults | None = None
    ) -> TieredCache:
        """Make the cache that the settings describe; raises as the class does."""
        held = settings.cache
        return cls(
            settings.redis.url,
            namespace=settings.redis.namespace,
            l1_maxsize=held.l1_maxsize,
            l1_maxbytes=held.l1_maxbytes,
            l1_ttl=held.l1_ttl,
            l2_ttl=held.l2_ttl,
            l2_timeout=held.l2_timeout,
            codec=Codec(keys=held.mac_keys, compress_above=held.compress_above),
            clock=clock,
            faults=faults,
            warm_workers=held.warm_workers,
            state_dir=held.state_dir,
        )

    @property
    def namespace(self) -> str:
        """What the names in Redis begin with."""
        return self.core.namespace

    @property
    def has_l2(self) -> bool:
        """Tell whether there is a second level."""
        return self.core.below is not None

    @cached_property
    def aio(self) -> AsyncFace:
        """The same methods for `await`, over the same entries."""
        from .aio import AsyncFace  # noqa: PLC0415 - asyncio is slow to import

        return AsyncFace(self.core)

    @overload
    def get(self, key: str, default: D, type: type[T]) -> T | D: ...
    @overload
    def get(self, key: str, default: None = None, *, type: type[T]) -> T | None: ...
    @overload
    def get(self, key: str, default: Any = None, type: Any = None) -> Any: ...
    def get(self, key: str, default: Any = None, type: Any = None) -> Any:
        """Give the value of `key`, or `default` where there is none.

        `type` is what the value was stored with: a class or annotation that msgspec can decode.
        """
        # Here and in the decorator alone: a hit is what the cache is for, so no call is spent.
        entry = self._find(key)
        if (
            entry is not None
            and entry.expires > self._now()
            and entry.group.epoch == self._marks.quick
        ):
            entry.hits += HIT
            return entry.value
        return self._run(self.core.finding(key, default, type))

    def get_or_load(
        self,
        key: str,
        loader: Callable[[], T],
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> T:
        """Give the value of `key`; where there is none, that of `loader()`, and keep it.

        However many threads and tasks ask, in however many processes, one loads and the others
        wait for it. `ttl` in seconds holds in both levels and wins over the policy's. What the
        loader raises reaches all that wait in this process; those of another one load once
        themselves.

        Raises CacheReentrancyError where the loader asks for the key that it loads, and
        CacheTimeoutError past the policy's `hard_timeout`.
        """
        entry = self._find(key)
        if (
            entry is not None
            and (policy is None or policy.copy == "never")
            and entry.expires > self._now()
            and entry.group.epoch == self._marks.quick
        ):
            entry.hits += HIT
            return cast("T", entry.value)
        request = self.core.request(key, loader, ttl=ttl, tags=tags, policy=policy, type_=type)
        return cast("T", self._run(self.core.loading(request)))

    def refresh(
        self,
        key: str,
        loader: Callable[[], T],
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> T:
        """Load the value of `key` whether or not there is one; otherwise as `get_or_load`."""
        request = self.core.request(
            key, loader, ttl=ttl, tags=tags, policy=policy, type_=type, is_forced=True
        )
        return cast("T", self._run(self.core.loading(request)))

    @overload
    def get_many(self, keys: Iterable[str], *, type: type[T]) -> dict[str, T]: ...
    @overload
    def get_many(self, keys: Iterable[str], *, type: Any = None) -> dict[str, Any]: ...
    def get_many(self, keys: Iterable[str], *, type: Any = None) -> dict[str, Any]:
        """Give those of `keys` that have a value, by key; what L1 lacks is read in one go."""
        return self._run(self.core.finding_many(keys, type))

    def set(
        self,
        key: str,
        value: Any,
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> None:
        """Keep `value` under `key` in both levels; other processes forget what they had.

        Raises CacheCodecError for a web response, which belongs to one request.
        """
        self.set_many({key: value}, ttl=ttl, tags=tags, policy=policy, type=type)

    def set_many(
        self,
        values: Mapping[str, Any],
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> None:
        """Do as `set` for several values, in one round trip."""
        self._run(self.core.setting(values, ttl, tags, policy, type))

    def delete(self, *keys: str) -> None:
        """Remove `keys` everywhere; a load of one that is under way will not be kept."""
        self._run(self.core.deletion(keys))

    def invalidate(
        self,
        *,
        tags: Iterable[str] = (),
        prefix: str | None = None,
        everything: bool = False,
    ) -> None:
        """Make void what has one of `tags`, what begins with `prefix`, or everything.

        What was stored or begun to be loaded before is void, in all processes; it costs the same
        however many entries there are. Raises ValueError when nothing is named.
        """
        self._run(self.core.invalidation(tags, prefix, everything=everything))

    def contains(self, key: str) -> bool:
        """Tell whether `key` has a value that is not past its ttl."""
        return self._run(self.core.containing(key))

    def ttl(self, key: str) -> float | None:
        """Give the seconds that `key` lives on; None where it has no value."""
        return self._run(self.core.remaining(key))

    def cached(
        self,
        *misplaced: Never,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        key: str | None = None,
        policy: Policy | None = None,
        type: Any = None,
        version: str | int | None = None,
    ) -> Decorator:
        """Cache what a function returns, by its arguments; `def` and `async def` alike.

        `key` is a template such as `"account:{account_id}"`; without one the key is made of the
        function's name and all arguments. `tags` may have the same fields, `"user:{user_id}"`.
        `type` is by default what the function's annotation says that it returns. `version` tells
        the values of this version of the function from those of others.

        Raises CacheKeyError where no key tells the function's calls from those of others, and
        TypeError without parentheses: it is `@cache.cached()`.
        """
        if misplaced:
            raise TypeError("cached() takes no function: write @cache.cached() with parentheses")
        return decorate(
            self.core,
            self._run,
            ttl=ttl,
            tags=tags,
            key=key,
            policy=policy,
            type_=type,
            version=version,
        )

    def warm(
        self,
        name: str,
        loader: Callable[[], Any],
        *,
        key: str | None = None,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
        every: float | None = None,
    ) -> None:
        """Have `loader` called before anybody waits: at `Monitor.start()`, in the background.

        With `key` its value is kept as `get_or_load` does; in a fleet one process loads it.
        Without, `loader` is a cached function, or a `functools.partial` of one, or calls cached
        functions itself. It may be a coroutine function, which gets an event loop of its own.
        With `every` it is loaded anew about that often, in seconds; the value then lives half as
        long again where no `ttl` is given.

        Raises ValueError for a name that cannot be used and for what needs a key, TypeError for a
        cached function that needs arguments.
        """
        self.warming.add(
            name,
            loader,
            key=key,
            ttl=ttl,
            tags=tags,
            policy=policy,
            type_=type,
            every=every,
        )

    def warm_now(self, *names: str, timeout: float | None = None) -> tuple[WarmResult, ...]:
        """Load anew what the warm-ups of these names, or all, load; wait, and tell how they stand.

        After `timeout` seconds those still under way go on without this caller. Raises ValueError
        for a name that no warm-up has.
        """
        return self.warming.run_now(names, timeout)

    def report(self) -> CacheReport:
        """Tell what the cache did since it began in this process, and how it stands."""
        from .observed.reporting import report_of  # noqa: PLC0415 - slow, and seldom asked for

        return report_of(self.core, self.warming.results())

    def close(self) -> None:
        """End the background thread and the connections; whoever goes on opens them again.

        Tasks close the connections of their event loop with `await cache.aio.close()`.
        """
        self.warming.close()
        self.core.close()

    def __reduce__(self) -> Never:
        """Refuse to be copied or pickled: what a cache holds belongs to one process."""
        raise TypeError(
            f"a {type(self).__name__} cannot be copied or pickled, this one has the namespace"
            f" {self.namespace!r}: share it, or make another one"
        )

    def _run(self, steps: Steps[T]) -> T:
        return run(steps, self.core.link)


def _default_l1(maxsize: int, maxbytes: int | None, clock: Clock) -> S3FIFOCache[str, Any]:
    name, most = ("l1_maxsize", maxsize) if maxbytes is None else ("l1_maxbytes", maxbytes)
    if type(most) is not int or most < 0:
        raise ConfigurationError(f"{name}: must be a whole number from 0, got {most!r}")
    if maxbytes is None:
        return S3FIFOCache(maxsize, clock=clock.monotonic)
    return S3FIFOCache(maxbytes, clock=clock.monotonic, weigh=size_of)
