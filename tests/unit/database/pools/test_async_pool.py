"""Pools for asyncio: the same figures, waits in tasks, holders named by task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hhs_perf._clock import SystemClock, Timeline
from hhs_perf._faults import Faults
from hhs_perf.database.pools import PoolBook
from hhs_perf.metrics import Registry


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    made = create_async_engine(
        f"sqlite+aiosqlite:///{tmp_path}/x.db", pool_size=2, max_overflow=0, pool_timeout=0.25
    )
    yield made
    await made.dispose()


@pytest.fixture
def book(engine: AsyncEngine) -> PoolBook:
    clock = SystemClock()
    made = PoolBook(
        timeline=Timeline(clock),
        faults=Faults(),
        collector_metrics=Registry(clock=clock),
        held_too_long=0.01,
    )
    made.watch(engine.sync_engine)
    return made


async def test_waits_of_tasks_agree_with_truth_outside(engine: AsyncEngine, book: PoolBook) -> None:
    """Eight tasks on two connections; those that give up are counted exactly."""
    async with engine.connect():
        pass  # what the driver imports at first stops the loop, and no pool sees that
    outside: list[float] = []
    timeouts = 0

    async def work() -> None:
        nonlocal timeouts
        begun = time.perf_counter()
        try:
            async with engine.connect():
                outside.append(time.perf_counter() - begun)
                await asyncio.sleep(0.1)
        except exc.TimeoutError:
            outside.append(time.perf_counter() - begun)
            timeouts += 1

    await asyncio.gather(*(work() for _ in range(8)))
    (report,) = book.report()
    assert (report.kind, report.timed_by) == ("AsyncAdaptedQueuePool", "pool")
    assert report.timeouts == timeouts > 0
    assert report.checkouts == 9 - timeouts
    assert report.most_waiting == 6
    assert abs(sum(outside) - report.connect.total - report.wait.total) < 8 * 0.02
    assert (report.in_use, report.idle, report.waiting) == (0, 2, 0)
    book.unwatch(engine.sync_engine)


async def test_cancelled_task_leaves_no_trace(engine: AsyncEngine, book: PoolBook) -> None:
    """Who is cancelled while waiting waited, but timed nothing out and holds nothing."""
    async with engine.connect(), engine.connect():
        waiting = asyncio.create_task(engine.raw_connection())
        while book.report()[0].waiting == 0:  # noqa: ASYNC110 - the pool knows, no event does
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    (report,) = book.report()
    assert (report.checkouts, report.timeouts, report.waiting, report.in_use) == (2, 0, 0, 0)
    assert report.wait.count == 3


async def test_holder_is_named_by_its_task(engine: AsyncEngine, book: PoolBook) -> None:
    """With the line at which it waits."""
    release = asyncio.Event()
    taken = asyncio.Event()

    async def keep() -> None:
        async with engine.connect():
            taken.set()
            await release.wait()

    task = asyncio.create_task(keep(), name="the keeper")
    await taken.wait()
    await asyncio.sleep(0.02)
    (holder,) = book.report()[0].holders
    assert (holder.task, holder.thread) == ("the keeper", "MainThread")
    assert holder.now.function.endswith("keep")
    assert holder.line.file.endswith("test_async_pool.py")
    release.set()
    await task
    assert book.report()[0].holders == ()


async def test_dispose_of_an_async_engine_keeps_figures(
    engine: AsyncEngine, book: PoolBook
) -> None:
    """As for any engine."""
    for _ in range(2):
        async with engine.connect():
            pass
        await engine.dispose()
    (report,) = book.report()
    assert (report.checkouts, report.connects, report.closes, report.hold.count) == (2, 2, 2, 2)
