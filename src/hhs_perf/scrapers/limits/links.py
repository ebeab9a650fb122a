"""Connections and queues of the event loops that use a shared limiter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from ..._fork import keep_of_parent
from ..._redis import async_client, close_async_client
from .scripts import RESERVE, RESERVE_SHA

if TYPE_CHECKING:
    import redis.asyncio

    from ..._redis import Address
    from .shared_lane import Reservation

__all__ = ["Link", "Links"]

_MOST_LOCKS: Final = 1024
_UNKNOWN_SCRIPT: Final = "NoScriptError"


class Link:
    """What one event loop has: a client, and for each platform one task that reserves."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client: Any = client  # redis-py's methods have no types
        self._locks: dict[str, asyncio.Lock] = {}
        self.kept: dict[str, Reservation] = {}
        """Reservations that nobody has used yet."""

    def lock(self, platform: str) -> asyncio.Lock:
        """Give the queue of a platform; its tasks come in their order."""
        lock = self._locks.get(platform)
        if lock is None:
            if len(self._locks) >= _MOST_LOCKS:
                self._locks = {name: held for name, held in self._locks.items() if held.locked()}
                self.kept = {name: self.kept[name] for name in self._locks if name in self.kept}
            lock = self._locks[platform] = asyncio.Lock()
        return lock

    async def reserve(
        self, keys: tuple[str, str], arguments: tuple[int | str, ...]
    ) -> tuple[int, int, int, int, int]:
        """Run the script; raises what redis-py raises."""
        task = asyncio.current_task()
        asked_before = 0 if task is None else task.cancelling()
        send = self._client.execute_command
        try:
            told = await send("EVALSHA", RESERVE_SHA, len(keys), *keys, *arguments)
        except Exception as exc:
            if type(exc).__name__ != _UNKNOWN_SCRIPT:
                raise
            told = await send("EVAL", RESERVE, len(keys), *keys, *arguments)
        # redis-py sends within `asyncio.wait_for`, which before Python 3.12 swallows a cancellation
        # that meets its end: python/cpython#86296.
        if task is not None and task.cancelling() > asked_before:
            raise asyncio.CancelledError
        return cast("tuple[int, int, int, int, int]", tuple(told))

    async def close(self) -> None:
        """Close the client."""
        await close_async_client(self._client)


class Links:
    """One link for each event loop; false where there are none."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._links: dict[asyncio.AbstractEventLoop, Link] = {}

    def __len__(self) -> int:
        return len(self._links)

    def current(self) -> Link:
        """Give the link of the running loop."""
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            self._forget_closed()
            link = Link(async_client(self._address, timeout=self._timeout))
            self._links[loop] = link
        return link

    async def close(self) -> None:
        """Close what belongs to the running loop."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        self._forget_closed()
        if link is not None:
            await link.close()

    def renew(self) -> None:
        """Let go of what belongs to the parent of a forked process."""
        keep_of_parent(self._links)
        self._links = {}

    def _forget_closed(self) -> None:
        # Connections hold their loop, so that no weak reference would let go of one.
        for loop in list(self._links):
            if loop.is_closed():
                self._links.pop(loop, None)
