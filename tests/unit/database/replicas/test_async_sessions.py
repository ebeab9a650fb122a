"""Asynchronous sessions route as the others do."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import create_async_engine

from hhs_perf.database.replicas import (
    AsyncRoutingSession,
    ReplicaRouter,
    async_routing_sessionmaker,
    primary,
    read_only,
)
from hhs_perf.exceptions import ReadOnlyError, ReplicaError
from tests.replica_worlds import Row, SetProbe

NAME = select(Row.text).where(Row.id == 1)


@pytest.fixture
async def engines(world):
    made = [
        create_async_engine(f"sqlite+aiosqlite:///{world.folder}/{name}.db")
        for name in ("primary", "replica")
    ]
    yield made
    for engine in made:
        await engine.dispose()


@pytest.fixture
def router(world, engines):
    options = {"probe": lambda *_: SetProbe(), "probe_every": 3600.0, "clock": world.clock}
    with ReplicaRouter(engines[0], engines[1:], **options) as router:
        router.probe()
        yield router


async def test_reads_go_to_the_replica_and_writes_to_the_primary(router):
    sessions = async_routing_sessionmaker(router)
    async with sessions() as session:
        assert isinstance(session, AsyncRoutingSession)
        assert await session.scalar(NAME) == "replica"
        assert [name async for name in await session.stream_scalars(NAME)] == ["replica"]
        assert (await session.get(Row, 1)).text == "replica"
        session.add(Row(id=2, text="new"))
        await session.flush()
        assert await session.scalar(NAME) == "primary"
        await session.commit()
        assert await session.scalar(NAME) == "primary"
    report = router.report()
    assert (report.primary_transactions, report.replica_transactions) == (2, 1)


async def test_each_task_reads_its_own_writes_only(router):
    sessions = async_routing_sessionmaker(router)

    async def request(number):
        router.remember(None)
        async with sessions() as session:
            if number % 2:
                await session.execute(insert(Row).values(id=number + 10, text=""))
                await session.commit()
            await asyncio.sleep(0)
            return await session.scalar(NAME)

    names = [await request(number) for number in range(4)]
    assert names == ["replica", "primary"] * 2
    assert await asyncio.gather(request(0), request(5), request(2)) == [
        "replica",
        "primary",
        "replica",
    ]


async def test_scopes_are_awaited_too(router):
    sessions = async_routing_sessionmaker(router)
    async with primary(), sessions() as session:
        assert await session.scalar(NAME) == "primary"
    async with read_only(), sessions() as session:
        assert await session.scalar(NAME) == "replica"
        with pytest.raises(ReadOnlyError):
            await session.execute(insert(Row).values(id=2, text=""))


async def test_a_replica_that_cannot_be_reached_costs_no_error(router, world):
    (world.folder / "replica.db").rename(world.folder / "gone.db")
    (world.folder / "replica.db").mkdir()
    async with async_routing_sessionmaker(router)() as session:
        assert await session.scalar(NAME) == "primary"
        await session.commit()
    assert router.report().replicas[0].state == "down"


async def test_the_library_s_own_probe_uses_neither_the_loop_nor_the_pool_of_the_host(
    engines, world
):
    with ReplicaRouter(engines[0], engines[1:], probe_every=3600.0) as router:
        router.probe()
        router.probe()
        (replica,) = router.report().replicas
        assert (replica.state, replica.lag) == ("healthy", None)
        assert "PostgreSQL only" in replica.note
        assert engines[1].pool.checkedin() == 0
        async with async_routing_sessionmaker(router)() as session:
            assert await session.scalar(NAME) == "replica"


def test_engines_of_two_kinds_do_not_fit(world, engines):
    with pytest.raises(ReplicaError, match="asynchronous"):
        ReplicaRouter(engines[0], [world.replica])
