"""What watching takes of the client's CPU where a server answers: PostgreSQL over its socket."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Final

import pytest

from benchmarks._database import (
    QUERIES,
    AsyncTurns,
    Turns,
    Work,
    fill,
    listen_to_nothing,
    make_engine,
    monitor,
)
from benchmarks._database_costs import JUDGED, PAIR, WORDS, Clock, instrumented, saw_all
from benchmarks._database_peers import OTEL, SENTRY, PeerProcess
from benchmarks._interleave import Spread, interleave, paired_difference, paired_ratio
from benchmarks._results import Result
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.conftest import Bench

pytestmark = pytest.mark.usefixtures("frozen")

ROUNDS: Final = 60
SERVER_SHARE: Final = 0.05


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Yield the address, on its socket, of a server that has the tables."""
    with Postgres() as server:
        engine = make_engine(server.url("psycopg", socket=True))
        with engine.begin() as connection:
            fill(connection)
        engine.dispose()
        yield server.url("psycopg", socket=True)


@pytest.mark.parametrize("work", JUDGED)
def test_share_on_postgresql(bench: Bench, server: str, work: Work) -> None:
    """Of what psycopg takes of the client's CPU, watching everything takes a twentieth."""
    clock = Clock()
    with ExitStack() as stack:
        bare, paired = Turns(make_engine(server)), Turns(make_engine(server))
        stack.callback(bare.engine.dispose)
        stack.callback(paired.engine.dispose)
        listen_to_nothing(paired.engine)
        ours, mine = instrumented(stack, "full", server)
        processes = {
            name: stack.enter_context(PeerProcess(name, server)) for name in (OTEL, SENTRY)
        }
        contenders = {"bare": bare.turn(work), PAIR: paired.turn(work), "ours": ours.turn(work)}
        contenders |= {name: clock.turn_of(each, work) for name, each in processes.items()}
        costs = interleave(contenders, rounds=ROUNDS, clock=clock)
        assert not mine.faults
        saw_all(mine, work, ROUNDS)
    bench.benchmark.pedantic(lambda: None)
    _judge_share(bench, f"full: {WORDS[work]} (PostgreSQL, psycopg, socket)", costs, QUERIES[work])


@pytest.mark.parametrize("work", JUDGED)
def test_share_with_asyncpg(bench: Bench, server: str, work: Work) -> None:
    """Of what asyncpg takes of the client's CPU, watching everything takes a twentieth."""
    address = server.replace("+psycopg", "+asyncpg")
    with ExitStack() as stack:
        loop = stack.enter_context(closing(asyncio.new_event_loop()))
        bare, paired, ours = (
            stack.enter_context(closing(AsyncTurns(address, loop))) for _ in range(3)
        )
        listen_to_nothing(paired.engine.sync_engine)
        mine = stack.enter_context(closing(monitor("full")))
        mine.database.instrument(ours.engine)
        ours.around, ours.after = lambda: mine.database.scope("turn"), mine.metrics.flush
        contenders = {"bare": bare.turn(work), PAIR: paired.turn(work), "ours": ours.turn(work)}
        costs = interleave(contenders, rounds=ROUNDS)
        assert not mine.faults
        saw_all(mine, work, ROUNDS)
    bench.benchmark.pedantic(lambda: None)
    _judge_share(bench, f"full: {WORDS[work]} (PostgreSQL, asyncpg, socket)", costs, QUERIES[work])


def _judge_share(bench: Bench, what: str, costs: dict[str, list[float]], queries: int) -> None:
    """Judge what ours adds by the bare client, and show what the others add by it."""
    bare = costs.pop("bare")
    whole = Spread.of(bare).scaled(1e6 / queries)
    results = []
    for name, samples in costs.items():
        added = [cost - base for cost, base in zip(samples, bare, strict=True)]
        results.append(
            Result(
                what=what if name == "ours" else f"{what}: {name}",
                peer="the same, unwatched",
                unit="us",
                ours=paired_difference(samples, bare).scaled(1e6 / queries),
                theirs=whole,
                ratio=paired_ratio(added, bare),
                bound=SERVER_SHARE if name == "ours" else None,
                note="On a server, the share of the client's CPU time that watching adds.",
            )
        )
    bench.judge(*results)
