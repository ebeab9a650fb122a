"""What one event loop has of a shared limiter."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from hhs_perf.scrapers.limits.links import Link


async def test_a_cancellation_that_the_client_swallows_is_heard() -> None:
    """As `asyncio.wait_for` does before Python 3.12, where it meets the end of what it awaits."""
    sent = asyncio.Event()

    async def deaf(*_: object) -> tuple[int, ...]:
        sent.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return (1, 0, 1, 0, 0)
        raise AssertionError

    link = Link(SimpleNamespace(execute_command=deaf))
    asking = asyncio.create_task(link.reserve(("a", "b"), ()))
    await sent.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
