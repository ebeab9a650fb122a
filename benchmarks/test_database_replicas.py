"""Reads from a real streaming standby: own writes, a replica that dies, one that falls behind."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import Engine, create_engine, func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from benchmarks._database import Base, Parent
from benchmarks._interleave import Spread
from benchmarks._results import Result
from hhs_perf.database.replicas import (
    ReplicaRouter,
    async_routing_sessionmaker,
    routing_sessionmaker,
)
from tests.postgres import StandbyPair
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from benchmarks.conftest import Bench

PAIRS: Final = 200
READS: Final = 400
MAX_LAG: Final = 0.5
EVERY: Final = 0.1
SLACK: Final = 0.25
IN_RECOVERY: Final = select(func.pg_is_in_recovery())
NOTE: Final = (
    "PostgreSQL 18 with a streaming standby; the primary commits with synchronous_commit=off. Own"
    " reads follow their commit at once, in a transaction of their own."
)


@pytest.fixture
def pair() -> Iterator[StandbyPair]:
    """Yield a primary and its replica, which have the tables."""
    with StandbyPair() as pair:
        engine = create_engine(pair.primary.url("psycopg"))
        with engine.begin() as connection:
            Base.metadata.create_all(connection)
        engine.dispose()
        pair.wait_for_replay()
        yield pair


@pytest.fixture
def engines(pair: StandbyPair) -> Iterator[tuple[Engine, Engine]]:
    """Yield the engine of each."""
    loose = {"options": "-c synchronous_commit=off"}
    primary = create_engine(pair.primary.url("psycopg"), connect_args=loose)
    replica = create_engine(pair.replica.url("psycopg"))
    yield primary, replica
    primary.dispose()
    replica.dispose()


def _routed(
    primary: Engine | AsyncEngine, replica: Engine | AsyncEngine, **options: float
) -> ReplicaRouter:
    router = ReplicaRouter(primary, [replica], **{"probe_every": EVERY} | options)
    router.start()
    router.probe()
    return router


def test_own_writes(bench: Bench, engines: tuple[Engine, Engine]) -> None:
    """None of 200 own reads is stale; without the token some are."""
    stale: dict[bool, int] = {}

    def campaign() -> None:
        with closing(_routed(*engines)) as router:
            for first, with_token in ((0, True), (PAIRS, False)):
                stale[with_token] = _stale(router, first, with_token=with_token)

    bench.benchmark.pedantic(campaign, rounds=1)
    _judge_stale(bench, "psycopg", stale)


def _stale(router: ReplicaRouter, first: int, *, with_token: bool) -> int:
    sessions = routing_sessionmaker(router)
    stale = 0
    for number in range(first, first + PAIRS):
        with sessions() as session:
            session.add(Parent(id=number, name="new"))
            session.commit()
        if not with_token:
            router.remember(None)
        with sessions() as session:
            stale += session.get(Parent, number) is None
    return stale


def test_own_writes_with_asyncpg(bench: Bench, pair: StandbyPair) -> None:
    """Likewise with asynchronous sessions."""
    stale: dict[bool, int] = {}

    async def campaign() -> None:
        loose = {"server_settings": {"synchronous_commit": "off"}}
        primary = create_async_engine(pair.primary.url("asyncpg"), connect_args=loose)
        replica = create_async_engine(pair.replica.url("asyncpg"))
        with closing(await asyncio.to_thread(_routed, primary, replica)) as router:
            for first, with_token in ((0, True), (PAIRS, False)):
                stale[with_token] = await _stale_async(router, first, with_token=with_token)
        await primary.dispose()
        await replica.dispose()

    bench.benchmark.pedantic(lambda: asyncio.run(campaign()), rounds=1)
    _judge_stale(bench, "asyncpg", stale)


async def _stale_async(router: ReplicaRouter, first: int, *, with_token: bool) -> int:
    sessions = async_routing_sessionmaker(router)
    stale = 0
    for number in range(first, first + PAIRS):
        async with sessions() as session:
            session.add(Parent(id=number, name="new"))
            await session.commit()
        if not with_token:
            router.remember(None)
        async with sessions() as session:
            stale += await session.get(Parent, number) is None
    return stale


def _judge_stale(bench: Bench, driver: str, stale: dict[bool, int]) -> None:
    assert stale[False], "without the token the same reads are stale, or nothing was shown"
    bench.judge(
        Result(
            what=f"stale own reads of {PAIRS} ({driver})",
            peer="the same routing without the token",
            unit="",
            ours=_exactly(stale[True]),
            theirs=_exactly(stale[False]),
            bound=0,
            note=NOTE,
        )
    )


def test_a_replica_that_dies(
    bench: Bench, pair: StandbyPair, engines: tuple[Engine, Engine]
) -> None:
    """No user sees an error; who reads from it without a fallback does."""
    errors = {"ours": 0, "alone": 0}

    def campaign() -> None:
        sessions = routing_sessionmaker(router)
        for number in range(READS):
            if number == READS // 4:
                pair.kill()
            for name, make in (("ours", sessions), ("alone", lambda: Session(engines[1]))):
                try:
                    with make() as session:
                        session.scalars(select(Parent).limit(1)).all()
                except DBAPIError:
                    errors[name] += 1

    with closing(_routed(*engines)) as router:
        with routing_sessionmaker(router)() as session:
            assert session.scalar(IN_RECOVERY) is True
        bench.benchmark.pedantic(campaign, rounds=1)
    bench.judge(
        Result(
            what=f"errors that users see in {READS} reads, the replica killed at the hundredth",
            peer="a session on the replica",
            unit="",
            ours=_exactly(errors["ours"]),
            theirs=_exactly(errors["alone"]),
            bound=0,
        )
    )


def test_a_replica_that_falls_behind(
    bench: Bench, pair: StandbyPair, engines: tuple[Engine, Engine]
) -> None:
    """Reads leave it within the lag that is allowed and one probe."""
    primary = engines[0]
    numbers = iter(range(10**6))
    left: list[float] = []
    back: list[float] = []

    def campaign() -> None:
        for _ in range(5):
            wait_until(reads_replica, "reads from the replica")
            pair.pause()
            begun = time.monotonic()
            wait_until(lambda: not reads_replica(), "reads to leave the replica")
            left.append(time.monotonic() - begun)
            pair.resume()
            begun = time.monotonic()
            wait_until(reads_replica, "reads to come back")
            back.append(time.monotonic() - begun)

    with closing(_routed(*engines, max_lag=MAX_LAG)) as router:
        sessions = routing_sessionmaker(router)

        def reads_replica() -> bool:
            with primary.begin() as connection:
                connection.execute(insert(Parent).values(id=next(numbers), name="more"))
            with sessions() as session:
                return bool(session.scalar(IN_RECOVERY))

        bench.benchmark.pedantic(campaign, rounds=1)
    settings = f"max_lag {MAX_LAG:g} s, a probe each {EVERY:g} s"
    bench.judge(
        Result(
            what=f"the replay stands still: reads leave the replica after ({settings})",
            peer="",
            unit="s",
            ours=Spread.of(left),
            bound=MAX_LAG + EVERY + SLACK,
            note=f"The bound allows {SLACK:g} s for a machine that others use.",
        ),
        Result(
            what="the replay goes on: reads come back after",
            peer="",
            unit="s",
            ours=Spread.of(back),
        ),
    )


def _exactly(value: float) -> Spread:
    return Spread(median=value, low=value, high=value)
