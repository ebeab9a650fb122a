"""What watching a query costs, beside an empty pair of listeners and what others ship.

The pair of listeners and ours take turns in this process; the peers, which patch what all engines
share, take theirs in processes of their own. All costs are above those of the same queries without
anybody watching.
"""

from __future__ import annotations

import asyncio
import gc
import time
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
from benchmarks._database_peers import (
    ELASTIC,
    OTEL,
    QUERY_PEERS,
    SENTRY,
    PeerProcess,
)
from benchmarks._interleave import Spread, interleave, paired_difference, paired_ratio
from benchmarks._results import Result
from benchmarks.conftest import Peer
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.conftest import Bench
    from hhs_perf import Monitor

PAIR: Final = "an empty pair of listeners"
ROUNDS: Final = 40
TIMING_BOUNDS: Final = {PAIR: 0.5, OTEL: 1 / 15}
FULL_BOUNDS: Final = {PAIR: 1.0, OTEL: 0.1, SENTRY: 0.1, ELASTIC: 0.1}
JUDGED: Final = ("core", "connect")
SERVER_SHARE: Final = 0.05
WORDS: Final[dict[Work, str]] = {
    "core": "a select on a connection",
    "connect": "a connection and a select on it",
    "orm": "a select of an instance",
    "lazy": "a lazy load, one of 50 in a request",
}
NOTE: Final = (
    "CPU time above the same queries unwatched. `timing` is HHS_PERF_QUERY_DETAIL=timing; `full`"
    " times fetching, counts rows, looks for N+1 queries in a scope and watches the pool. Both"
    " include a flush for each turn of 500 or 1,000 queries. Peers run in processes of their own,"
    " in the same rounds."
)


class Clock:
    """The CPU time of this process and of the turns of the peers' processes."""

    def __init__(self) -> None:
        self.elsewhere = 0.0

    def __call__(self) -> float:
        """Return the seconds so far."""
        return time.process_time() + self.elsewhere

    def turn_of(self, process: PeerProcess, work: Work) -> Callable[[], None]:
        """Return a turn in another process."""

        def turn() -> None:
            self.elsewhere += process.turn(work)

        return turn


@pytest.fixture(autouse=True)
def _frozen() -> Iterator[None]:
    """Keep what is there already out of the collections before each turn."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def peers() -> Iterator[dict[str, PeerProcess]]:
    """Yield the processes of the peers."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(PeerProcess(name)) for name in QUERY_PEERS}


def _ours(stack: ExitStack, detail: str, url: str = "sqlite://") -> tuple[Turns, Monitor]:
    mine = stack.enter_context(closing(monitor(detail)))
    engine = make_engine(url)
    stack.callback(engine.dispose)
    mine.database.instrument(engine)
    turns = Turns(engine, lambda: mine.database.scope("turn"), mine.metrics.flush)
    return turns, mine


@pytest.mark.parametrize("detail", ["timing", "full"])
@pytest.mark.parametrize("work", list(WORDS))
def test_cost(bench: Bench, peers: dict[str, PeerProcess], work: Work, detail: str) -> None:
    """Timing costs half of the empty pair, all there is less than it; others ten times as much."""
    clock = Clock()
    bounds = FULL_BOUNDS if detail == "full" else TIMING_BOUNDS
    bounds = bounds if work in JUDGED else {}
    with ExitStack() as stack:
        bare, paired = Turns(make_engine()), Turns(make_engine())
        stack.callback(bare.engine.dispose)
        stack.callback(paired.engine.dispose)
        listen_to_nothing(paired.engine)
        ours, mine = _ours(stack, detail)
        others = {
            name: Peer(run=clock.turn_of(process, work), bound=bounds.get(name))
            for name, process in peers.items()
        }
        bench.compare(
            f"{detail}: {WORDS[work]} (SQLite)",
            ours.turn(work),
            {PAIR: Peer(run=paired.turn(work), bound=bounds.get(PAIR)), **others},
            unit="us",
            operations=QUERIES[work],
            rounds=ROUNDS,
            base=bare.turn(work),
            clock=clock,
            note=NOTE,
        )
        assert not mine.faults
        _saw_all(mine, work)


def _saw_all(mine: Monitor, work: Work) -> None:
    """Make sure that what was measured did its job."""
    mine.metrics.flush()
    counted = sum(each.count for each in mine.database.statements)
    assert counted >= ROUNDS * QUERIES[work]


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
        ours, mine = _ours(stack, "full", server)
        processes = {
            name: stack.enter_context(PeerProcess(name, server)) for name in (OTEL, SENTRY)
        }
        contenders = {"bare": bare.turn(work), PAIR: paired.turn(work), "ours": ours.turn(work)}
        contenders |= {name: clock.turn_of(each, work) for name, each in processes.items()}
        costs = interleave(contenders, rounds=ROUNDS, clock=clock)
        assert not mine.faults
        _saw_all(mine, work)
    _judge_share(bench, f"full: {WORDS[work]} (PostgreSQL, psycopg, socket)", costs, QUERIES[work])
    bench.benchmark.pedantic(lambda: None)


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
        _saw_all(mine, work)
    _judge_share(bench, f"full: {WORDS[work]} (PostgreSQL, asyncpg, socket)", costs, QUERIES[work])
    bench.benchmark.pedantic(lambda: None)


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
