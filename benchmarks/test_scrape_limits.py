"""How well starts keep their distance, here and over Redis, and what that costs."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from benchmarks._interleave import Spread
from benchmarks._limit_peers import LOCAL, SHARED
from benchmarks._results import Result
from benchmarks.conftest import Peer
from hhs_perf._clock import SystemClock
from hhs_perf.scrapers.limits.local import LocalLimiter
from hhs_perf.scrapers.limits.shared import SharedLimiter

if TYPE_CHECKING:
    from benchmarks.conftest import Bench
    from tests.servers import Server

ROOT: Final = Path(__file__).parent.parent
INTERVAL: Final = 0.5
SHARED_INTERVAL: Final = 0.25
WORKERS: Final = 5
STARTS: Final = 21
# By so much a start may come too soon: what a system needs to wake a process.
TOLERANCE: Final = 0.005
PAIR: Final = 0.1
CALLS: Final = 20_000
SKEWS: Final = {"right clocks": (0.0,) * 4, "wrong clocks": (-0.4, 0.4, 5.0, 0.0)}
ROUNDS: Final = 2
LOCAL_NOTE: Final = (
    "Five tasks make 21 starts, one in 0.5 s. Too soon is a start less than 0.495 s after the one"
    " before. limits counts whole seconds, so it is given two starts in each."
)
SHARED_NOTE: Final = (
    "Four processes of five tasks make 40 starts in all, one in 0.25 s, over Valkey 9. Wrong clocks"
    " are 0.4 s slow, 0.4 s and 5 s fast, and right. Medians of two rounds in turns."
)


@dataclass(frozen=True)
class Run:
    """What one contender did."""

    starts: list[float]
    interval: float = INTERVAL
    cpu: float = 0.0
    scripts: int = 0

    @property
    def gaps(self) -> list[float]:
        """The seconds between starts."""
        return [later - earlier for earlier, later in itertools.pairwise(sorted(self.starts))]

    @property
    def by_ideal(self) -> float:
        """The time that all took by the time that they may take at least."""
        return sum(self.gaps) / (self.interval * (len(self.starts) - 1))

    def closer_than(self, seconds: float) -> int:
        """Count the starts that came too soon."""
        return sum(gap < seconds for gap in self.gaps)


async def _run_here(name: str) -> Run:
    acquire = LOCAL[name](INTERVAL)
    starts: list[float] = []

    async def work() -> None:
        while len(starts) + WORKERS <= STARTS:
            await acquire()
            starts.append(time.perf_counter())

    await asyncio.gather(*(work() for _ in range(WORKERS)))
    return Run(starts)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of peers' own dependencies
def test_local(bench: Bench) -> None:
    """No start comes too soon, and none is wasted."""
    runs = {name: asyncio.run(_run_here(name)) for name in LOCAL}
    bench.benchmark.pedantic(lambda: None)
    ours = runs.pop("ours")
    bench.judge(
        *(
            result
            for name, theirs in runs.items()
            for result in (
                _beside(
                    "one process: time by the ideal", ours.by_ideal, name, theirs.by_ideal, 1.01
                ),
                _beside(
                    f"one process: too soon of {len(ours.gaps)}",
                    ours.closer_than(INTERVAL - TOLERANCE),
                    name,
                    theirs.closer_than(INTERVAL - TOLERANCE),
                    0,
                ),
            )
        )
    )


def test_unlimited(bench: Bench) -> None:
    """Where there is no interval, a start costs next to nothing."""
    limiter = LocalLimiter(SystemClock())

    async def unlimited() -> None:
        for _ in range(CALLS):
            await limiter.acquire("x", 0)

    async def aiolimiter() -> None:
        acquire = LOCAL["aiolimiter"](1e-9)
        for _ in range(CALLS):
            await acquire()

    bench.compare(
        "no interval: one start",
        lambda: asyncio.run(unlimited()),
        {"aiolimiter, 1 in 1 ns": Peer(run=lambda: asyncio.run(aiolimiter()), bound=1.0)},
        unit="us",
        operations=CALLS,
        rounds=10,
    )


def _run_shared(contender: str, server: Server, skews: tuple[float, ...], number: int) -> Run:
    namespace = f"{contender}-{number}-{skews}"
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks._limit_worker", contender, server.url),
                *(namespace, str(skew), str(SHARED_INTERVAL)),
            ],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for skew in skews
    ]
    assert [_answer(each) for each in processes] == ["ready"] * len(skews)
    before = _scripts(server)
    work = {"count": 2, "tasks": WORKERS, "at": time.perf_counter() + 0.3}
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(json.dumps(work) + "\n")
        process.stdin.flush()
    answers = [_answer(each) for each in processes]
    for process in processes:
        process.communicate(timeout=20)
    starts = [start for answer in answers for start in answer["starts"]]
    return Run(
        starts,
        SHARED_INTERVAL,
        sum(answer["cpu"] for answer in answers),
        _scripts(server) - before,
    )


def _answer(process: subprocess.Popen[str]) -> Any:  # noqa: ANN401 - any JSON
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def _scripts(server: Server) -> int:
    found = re.search(rb"cmdstat_evalsha:calls=(\d+)", server.say("INFO commandstats"))
    return int(found[1]) if found else 0


@pytest.mark.parametrize("clocks", SKEWS)
def test_shared(bench: Bench, servers: dict[str, Server], clocks: str) -> None:
    """Over four processes nothing is wasted, no two start together, one round trip is enough."""
    server = servers["Valkey 9"]
    runs: dict[str, list[Run]] = {name: [] for name in SHARED}
    for number in range(ROUNDS):
        for name in SHARED:
            runs[name].append(_run_shared(name, server, SKEWS[clocks], number))
    bench.benchmark.pedantic(lambda: None)
    peer = "pyrate-limiter"
    figures = {
        "time by the ideal": (lambda run: run.by_ideal, 1.01),
        "pairs less than 0.1 s apart": (lambda run: run.closer_than(PAIR), 0),
        "least distance": (lambda run: min(run.gaps), None),
        "scripts run for a start": (lambda run: run.scripts / len(run.starts), 1.0),
    }
    cpu = {name: [1e3 * run.cpu / len(run.starts) for run in each] for name, each in runs.items()}
    bench.judge(
        *(
            _beside(
                f"four processes, {clocks}: {what}",
                _median([figure(run) for run in runs["ours"]]),
                peer,
                _median([figure(run) for run in runs[peer]]),
                bound,
            )
            for what, (figure, bound) in figures.items()
        ),
        Result(
            what=f"four processes, {clocks}: CPU of a start",
            peer=peer,
            unit="ms",
            ours=Spread.of(cpu["ours"]),
            theirs=Spread.of(cpu[peer]),
            ratio=Spread.of([a / b for a, b in zip(cpu["ours"], cpu[peer], strict=True)]),
            # With wrong clocks the peer starts too often or not at all, which is cheap.
            bound=0.4 if clocks == "right clocks" else None,
            note=SHARED_NOTE,
        ),
    )


def test_pause(bench: Bench, servers: dict[str, Server]) -> None:
    """A pause is seen by others within 50 ms."""
    url = servers["Valkey 9"].url

    async def seen_after() -> list[float]:
        one, other = (SharedLimiter(url, SystemClock(), namespace="pause") for _ in range(2))
        took: list[float] = []
        for number in range(20):
            platform = f"platform{number}"
            await one.acquire(platform, 0)
            while not one.is_listening:  # noqa: ASYNC110 - a thread makes it so
                await asyncio.sleep(0.01)
            began = time.perf_counter()
            await other.pause(platform, 60)
            while one.free_in(platform) == 0:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0)
            took.append(time.perf_counter() - began)
        await one.close()
        await other.close()
        return took

    took = asyncio.run(seen_after())
    bench.benchmark.pedantic(lambda: None)
    bench.judge(
        Result(
            what="a pause is seen by others after",
            peer="",
            unit="ms",
            ours=Spread.of(took).scaled(1e3),
            bound=50.0,
        )
    )


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _beside(what: str, ours: float, peer: str, theirs: float, bound: float | None) -> Result:
    return Result(
        what=what,
        peer=peer,
        unit="s" if "distance" in what else "",
        ours=Spread(median=ours, low=ours, high=ours),
        theirs=Spread(median=theirs, low=theirs, high=theirs),
        bound=bound,
        note=LOCAL_NOTE if "one process" in what else SHARED_NOTE,
    )
