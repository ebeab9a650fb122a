"""The methods of the tiered cache for tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from .core import Core
    from .policy import Policy

__all__ = ["AsyncFace"]

D = TypeVar("D")
T = TypeVar("T")


class AsyncFace:
    """The same methods as those of `TieredCache`, to be awaited; see there.

    Reads of one event loop that meet on their way to L2 travel together. A loader may be a
    coroutine function, or a plain one, which then runs in the event loop. A caller that is
    cancelled does not end a load that others may wait for.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._run = core.run_async

    @overload
    async def get(self, key: str, default: D, type: type[T]) -> T | D: ...
    @overload
    async def get(self, key: str, default: None = None, *, type: type[T]) -> T | None: ...
    @overload
    async def get(self, key: str, default: Any = None, type: Any = None) -> Any: ...
    async def get(self, key: str, default: Any = None, type: Any = None) -> Any:
        """Give the value of `key`, or `default` where there is none."""
        core = self._core
        found = core.quick(key)
        if found is not None:
            return found.value
        if core.below is not None and core.memory.find(key) is None:
            return await core.finding_together(key, default, type)
        return await self._run(core.finding(key, default, type))

    @overload
    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Awaitable[T]],
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> T: ...
    @overload
    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], T],
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> T: ...
    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Any],
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> Any:
        """Give the value of `key`; where there is none, that of `loader()`, and keep it."""
        found = self._core.quick(key)
        if found is not None and (policy is None or policy.copy == "never"):
            return found.value
        request = self._core.request(key, loader, ttl=ttl, tags=tags, policy=policy, type_=type)
        return await self._core.loading_async(request)

    @overload
    async def refresh(
        self,
        key: str,
        loader: Callable[[], Awaitable[T]],
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> T: ...
    @overload
    async def refresh(
        self,
        key: str,
        loader: Callable[[], T],
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> T: ...
    async def refresh(
        self,
        key: str,
        loader: Callable[[], Any],
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> Any:
        """Load the value of `key` whether or not there is one."""
        request = self._core.request(
            key, loader, ttl=ttl, tags=tags, policy=policy, type_=type, is_forced=True
        )
        return await self._core.loading_async(request)

    @overload
    async def get_many(self, keys: Iterable[str], *, type: type[T]) -> dict[str, T]: ...
    @overload
    async def get_many(self, keys: Iterable[str], *, type: Any = None) -> dict[str, Any]: ...
    async def get_many(
        self,
        keys: Iterable[str],
        *,
        type: Any = None,
    ) -> dict[str, Any]:
        """Give those of `keys` that have a value, by key."""
        return await self._run(self._core.finding_many(keys, type))

    async def set(
        self,
        key: str,
        value: Any,
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> None:
        """Keep `value` under `key` in both levels."""
        await self.set_many({key: value}, ttl=ttl, tags=tags, policy=policy, type=type)

    async def set_many(
        self,
        values: Mapping[str, Any],
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type: Any = None,
    ) -> None:
        """Do as `set` for several values, in one round trip."""
        await self._run(self._core.setting(values, ttl, tags, policy, type))

    async def delete(self, *keys: str) -> None:
        """Remove `keys` everywhere; a load of one that is under way will not be kept."""
        await self._run(self._core.deletion(keys))

    async def invalidate(
        self,
        *,
        tags: Iterable[str] = (),
        prefix: str | None = None,
        everything: bool = False,
    ) -> None:
        """Make void what has one of `tags`, what begins with `prefix`, or everything."""
        await self._run(self._core.invalidation(tags, prefix, everything=everything))

    async def contains(self, key: str) -> bool:
        """Tell whether `key` has a value that is not past its ttl."""
        return await self._run(self._core.containing(key))

    async def ttl(self, key: str) -> float | None:
        """Give the seconds that `key` lives on; None where it has no value."""
        return await self._run(self._core.remaining(key))

    async def close(self) -> None:
        """End background loads and connections of the running event loop."""
        await self._core.links.close()
