"""What a pool tells of waiting, held against a clock outside, and what a checkout costs."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import Engine, event, exc

from benchmarks._database import CHECKOUTS, checkouts, make_engine, monitor
from benchmarks._database_costs import Clock
from benchmarks._database_peers import METERED, PeerProcess
from benchmarks._interleave import Spread, interleave, paired_difference, paired_ratio
from benchmarks._results import Result
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.conftest import Bench
    from hhs_perf.database.pools import PoolReport

THREADS: Final = 12
SIZE: Final = 2
OVERFLOW: Final = 1
TIMEOUT: Final = 0.35
HELD: Final = 0.15
CAMPAIGNS: Final = 7
APART: Final = 5.0
EVENTS: Final = "checkout and checkin listeners that time a hold"
NOTE: Final = (
    f"{THREADS} threads ask at once for {SIZE} + {OVERFLOW} connections of PostgreSQL and keep each"
    f" for {HELD:g} s; who waits longer than {TIMEOUT:g} s gives up. Medians of {CAMPAIGNS} times."
)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Yield a server."""
    with Postgres() as server:
        yield server


def _crowd(engine: Engine) -> tuple[list[float], int]:
    """Let threads ask for connections; return how long each waited, and how many gave up."""
    waits: list[float] = []
    gave_up: list[float] = []
    gate = threading.Barrier(THREADS)

    def work() -> None:
        gate.wait()
        begun = time.perf_counter()
        try:
            connection = engine.raw_connection()
        except exc.TimeoutError:
            gave_up.append(time.perf_counter() - begun)
            return
        waits.append(time.perf_counter() - begun)
        time.sleep(HELD)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits + gave_up, len(gave_up)


def test_waits(bench: Bench, server: Postgres) -> None:
    """What is told of waits is within 5 ms of the truth outside, and time-outs are exact."""
    apart: dict[str, list[float]] = {"mean": [], "longest": []}
    miscounted = 0

    def campaign() -> None:
        nonlocal miscounted
        for _ in range(CAMPAIGNS):
            outside, gave_up, report = _one(server)
            assert report.wait is not None
            assert report.wait.mean is not None
            assert report.wait.longest is not None
            assert report.connect is not None
            # A wait is told without the time to connect.
            told = (report.wait.total + report.connect.total) / report.wait.count
            apart["mean"].append(abs(told - sum(outside) / len(outside)))
            apart["longest"].append(abs(report.wait.longest - max(outside)))
            assert report.wait.count == len(outside)
            miscounted += abs((report.timeouts or 0) - gave_up)

    bench.benchmark.pedantic(campaign, rounds=1)
    bench.judge(
        *(
            Result(
                what=f"{which} wait told, apart from the truth outside",
                peer="",
                unit="ms",
                ours=Spread.of(samples).scaled(1e3),
                bound=APART,
                note=NOTE,
            )
            for which, samples in apart.items()
        )
    )
    bench.show(f"time-outs told wrongly in {CAMPAIGNS} times", miscounted, unit="", bound=0)


def _one(server: Postgres) -> tuple[list[float], int, PoolReport]:
    engine = _sized(server.url("psycopg", socket=True))
    with closing(monitor("full")) as mine:
        mine.database.instrument(engine)
        outside, gave_up = _crowd(engine)
        assert gave_up
        (report,) = mine.database.pools.report()
        assert not mine.faults
    engine.dispose()
    return outside, gave_up, report


def _sized(url: str) -> Engine:
    import sqlalchemy

    return sqlalchemy.create_engine(
        url, pool_size=SIZE, max_overflow=OVERFLOW, pool_timeout=TIMEOUT
    )


def _with_events(engine: Engine) -> None:
    held: list[float] = []

    @event.listens_for(engine, "checkout")
    def out(_connection: Any, record: Any, _proxy: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        record.info["begun"] = time.monotonic()

    @event.listens_for(engine, "checkin")
    def back(_connection: Any, record: Any) -> None:  # noqa: ANN401 - likewise
        held.append(time.monotonic() - record.info["begun"])
        if len(held) > CHECKOUTS:
            held.clear()


def test_checkout(bench: Bench) -> None:
    """Waits, holds and who holds: for no more than listeners take that time the hold alone."""
    clock = Clock()
    with ExitStack() as stack:
        mine = stack.enter_context(closing(monitor("full")))
        engines = {name: make_engine() for name in ("bare", "ours", EVENTS)}
        for engine in engines.values():
            stack.callback(engine.dispose)
        mine.database.instrument(engines["ours"])
        _with_events(engines[EVENTS])
        peer = stack.enter_context(PeerProcess(METERED))
        contenders: dict[str, Callable[[], None]] = {
            name: lambda engine=engine: checkouts(engine) for name, engine in engines.items()
        }
        contenders[METERED] = clock.turn_of(peer, "checkout")
        costs = interleave(contenders, rounds=60, clock=clock)
        bench.benchmark.pedantic(contenders["ours"], rounds=3)
        assert not mine.faults
    bare = costs["bare"]
    whole = Spread.of(bare).scaled(1e6 / CHECKOUTS)
    ours = paired_difference(costs["ours"], bare).scaled(1e6 / CHECKOUTS)
    what = "a connection taken and given back, added by watching the pool"
    results = [
        Result(
            what=what,
            peer=name,
            unit="us",
            ours=ours,
            theirs=paired_difference(costs[name], bare).scaled(1e6 / CHECKOUTS),
            ratio=paired_ratio(costs["ours"], costs[name], bare),
            bound=bound,
        )
        for name, bound in ((EVENTS, 1.0), (METERED, 0.1))
    ]
    added = [cost - least for cost, least in zip(costs["ours"], bare, strict=True)]
    share = paired_ratio(added, bare)
    results.append(
        Result(what=what, peer="the bare pool", unit="us", ours=ours, theirs=whole, ratio=share)
    )
    bench.judge(*results)
