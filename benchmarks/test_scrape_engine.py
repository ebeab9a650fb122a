"""What a scrape costs, beside crawlers and bare clients; and whom Retry-After holds back."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from benchmarks._interleave import Spread, children_cpu, paired_difference, paired_ratio
from benchmarks._results import Result
from benchmarks._scrape_rounds import Rounds, ScrapeServer, run
from benchmarks.conftest import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.conftest import Bench

ACCOUNTS: Final = 2_000
FEW: Final = 1_000
ROUNDS: Final = 3
FEW_ROUNDS: Final = 3
LATENCY: Final = 0.02
MOST_MEMORY: Final = 70.0
NOTE: Final = (
    "One request an account, ten platforms behind one socket that answers after 20 ms; a process"
    " for each contender, on a core of its own, imports not counted. Ours reads the figures, counts"
    " its metrics and writes each snapshot to SQLite; the others only look at one figure. Peers at"
    " their defaults, but for the number of requests at a time and Scrapy's delay, which is off."
)
BARE: Final = f"{NOTE} Here with and without the database, above the client alone."
# Ours, a peer, and the bound on the ratio of CPU time and of wall time.
COSTS: Final[Mapping[tuple[str, str], tuple[float | None, float | None]]] = {
    ("ours, aiohttp", "scrapy"): (0.30, 1 / 3),
    ("ours, aiohttp", "crawlee"): (1.0, 1 / 1.2),
    ("ours, aiohttp", "httpx"): (0.25, None),
    ("ours, aiohttp", "aiohttp"): (None, None),
    ("ours, httpx2", "scrapy"): (0.30, None),
    ("ours, httpx2", "crawlee"): (None, None),
    ("ours, httpx2", "httpx2"): (None, None),
    ("ours, httpx", "scrapy"): (0.45, 1 / 3),
    ("ours, httpx", "crawlee"): (None, None),
    ("ours, httpx", "httpx"): (0.25, None),
}
# Ours, and the client alone: what the engine adds to a scrape is shown, not judged.
ADDED: Final = (
    ("ours, aiohttp, no SQL", "our transport, aiohttp"),
    ("ours, aiohttp", "our transport, aiohttp"),
    ("ours, httpx, no SQL", "our transport, httpx"),
    ("ours, httpx", "our transport, httpx"),
    ("ours, aiohttp, no SQL", "aiohttp"),
)


@pytest.fixture(scope="module")
def server() -> Iterator[ScrapeServer]:
    """Yield the ten platforms."""
    with ScrapeServer() as server:
        yield server


def test_a_scrape_with_50_workers(bench: Bench, server: ScrapeServer) -> None:
    """Less than half of what Scrapy costs with httpx, a third with a faster client."""
    names = {name for pair in (*COSTS, *ADDED) for name in pair}
    rounds = Rounds(sorted(names), 50, ACCOUNTS)
    bench.benchmark.pedantic(partial(rounds.round, server.port), rounds=ROUNDS, iterations=1)
    results = []
    for (ours, peer), (cpu, wall) in COSTS.items():
        for clock, bound in (("cpu", cpu), ("wall", wall)):
            mine, theirs = (rounds.of(name, clock, 1e3 / ACCOUNTS) for name in (ours, peer))
            results.append(
                Result(
                    what=f"{ours}: a scrape, 50 at a time, {'CPU' if clock == 'cpu' else 'time'}",
                    peer=peer,
                    unit="ms",
                    ours=Spread.of(mine),
                    theirs=Spread.of(theirs),
                    ratio=paired_ratio(mine, theirs),
                    bound=bound,
                    note=NOTE,
                )
            )
    for ours, bare in ADDED:
        mine, theirs = (rounds.of(name, "cpu", 1e6 / ACCOUNTS) for name in (ours, bare))
        results.append(
            Result(
                what=f"{ours}: what the engine adds to a scrape",
                peer=f"above {bare}",
                unit="us",
                ours=paired_difference(mine, theirs),
                note=BARE,
            )
        )
    for name in ("ours, aiohttp", "ours, httpx2", "ours, httpx", "scrapy", "crawlee"):
        most = MOST_MEMORY if name.startswith("ours") else None
        memory = Spread.of(rounds.of(name, "rss"))
        what = f"{name}: resident memory after 2,000 accounts"
        results.append(Result(what=what, peer="", unit="MB", ours=memory, bound=most, note=NOTE))
    bench.judge(*results)


def test_a_scrape_with_5_workers(bench: Bench, server: ScrapeServer) -> None:
    """Nine tenths of what five workers can do, when each waits 20 ms for each reply."""
    names = ("ours, aiohttp", "ours, httpx2", "ours, httpx", "aiohttp", "scrapy", "crawlee")
    rounds = Rounds(names, 5, FEW)
    bench.benchmark.pedantic(partial(rounds.round, server.port), rounds=FEW_ROUNDS, iterations=1)
    ideal = FEW * LATENCY / 5
    bench.judge(
        *(
            Result(
                what=f"{name}: accounts a second, 5 at a time",
                peer="250, the ideal",
                unit="1/s",
                ours=Spread.of([FEW / each for each in rounds.of(name, "wall")]),
                theirs=Spread.of([FEW / ideal] * FEW_ROUNDS),
                ratio=Spread.of([each / ideal for each in rounds.of(name, "wall")]),
                bound=1 / 0.9 if name in ("ours, aiohttp", "ours, httpx2") else None,
                note=f"{NOTE} The ratio is the time by the ideal one.",
            )
            for name in names
        )
    )


def test_whom_retry_after_holds_back(bench: Bench) -> None:
    """Ten accounts are refused twice with `Retry-After: 2`: nobody asks early, or much later."""
    results = []
    for name in ("ours", "ours, one platform", "scrapy", "crawlee"):
        with ScrapeServer() as server:
            taken = run("_scrape_again", name, server.port)
            early = server.ask("/early")["early"]
        is_ours = name == "ours"
        note = (
            "Ten accounts, each refused twice for two seconds, five requests at a time; the"
            " shortest way takes 4.0 s. A refusal holds for the whole platform with ours, so each"
            " account is on a platform of its own; with all on one, accounts wait for those before."
        )
        for what, value, unit, bound in (
            ("requests of 20 that came early", float(early), "", 0.0),
            ("time by the shortest", taken["wall"] / 4.0, "", 1.2),
        ):
            results.append(
                Result(
                    what=f"Retry-After, {name}: {what}",
                    peer="",
                    unit=unit,
                    ours=Spread(median=value, low=value, high=value),
                    bound=bound if is_ours else None,
                    note=note,
                )
            )
    bench.benchmark.pedantic(lambda: None)
    bench.judge(*results)


def test_import(bench: Bench) -> None:
    """Who does not scrape yet pays for no HTTP library."""

    def python(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    bench.compare(
        "import hhs_perf.scrapers",
        partial(python, "import hhs_perf.scrapers"),
        {"import scrapy": Peer(run=partial(python, "import scrapy"), bound=0.1)},
        unit="ms",
        rounds=10,
        base=partial(python, "pass"),
        clock=children_cpu,
    )
