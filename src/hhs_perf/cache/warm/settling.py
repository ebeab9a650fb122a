"""Loaders that are to be awaited, in a thread that has no event loop."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..core import Core

__all__ = ["settled"]


def settled(core: Core, loader: Callable[[], Any]) -> Callable[[], Any]:
    """Make a loader whose result is there when it returns: an awaitable gets a loop of its own."""

    def load() -> Any:
        value = loader()
        if not inspect.isawaitable(value):
            return value
        import asyncio  # noqa: PLC0415 - slow to import

        return asyncio.run(_awaited(core, value))

    return load


async def _awaited(core: Core, value: Awaitable[Any]) -> Any:
    try:
        return await value
    finally:
        # The connections that the cache opened in this loop end with it.
        await core.links.close()
