"""Fixtures of the benchmarks: how contenders are compared, judged and kept."""

from __future__ import annotations

import gc
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import pytest

from benchmarks import report
from benchmarks._cache_places import PLACES, Place, run_servers
from benchmarks._interleave import Spread, interleave, paired_difference, paired_ratio
from benchmarks._results import Book, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_benchmark.fixture import BenchmarkFixture

    from tests.servers import Server

_UNITS: Final = {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1.0}
PEDANTIC: Final = 3  # runs for the table that pytest-benchmark prints
_BOOK: Final = pytest.StashKey[Book]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that keeps a trial run out of the docs."""
    parser.addoption("--no-results", action="store_true", help="leave benchmarks/results as it is")


def pytest_configure(config: pytest.Config) -> None:
    """Open the book of this run."""
    config.stash[_BOOK] = Book()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each figure, kept or broken, and write the files that the docs are made from."""
    config = terminalreporter.config
    book = config.stash[_BOOK]
    terminalreporter.section("measured")
    for results in book.results.values():
        for result in results:
            terminalreporter.line(f"{'ok  ' if result.holds else 'FAIL'} {result}")
    if not config.getoption("--no-results"):
        book.write()
        report.write()


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What we are compared with: what it runs, the bound on our ratio, None to show it only.

    ``operations`` says how many operations one run makes, if it is another number than ours.
    """

    run: Callable[[], object]
    bound: float | None
    operations: int | None = None


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Compares, keeps and judges the figures of one test."""

    benchmark: BenchmarkFixture
    results: list[Result]

    def compare(  # noqa: PLR0913 - what a comparison consists of
        self,
        what: str,
        ours: Callable[[], object],
        peers: Mapping[str, Peer],
        *,
        unit: str,
        operations: int = 1,
        rounds: int = 40,
        base: Callable[[], object] | None = None,
        clock: Callable[[], float] = time.process_time,
        prepare: Mapping[str, Callable[[], object]] | None = None,
        note: str = "",
    ) -> None:
        """Run all in turns; assert that ours by each peer's, both above ``base``, keeps its bound.

        Costs are those of one of the ``operations`` that a single run of ours makes, and of
        ``base`` too.  ``prepare`` holds what comes before the turn of a contender, by its name
        ("ours" is one), unmeasured.
        """
        contenders = {"ours": ours, **{name: peer.run for name, peer in peers.items()}}
        if base is not None:
            contenders["base"] = base
        costs = interleave(contenders, rounds=rounds, clock=clock, prepare=prepare)
        for name, samples in costs.items():
            made = peers[name].operations if name in peers else None
            costs[name] = [cost / (made or operations) for cost in samples]
        bare = costs.get("base", [0.0] * rounds)
        found = [
            Result(
                what=what,
                peer=name,
                unit=unit,
                ours=paired_difference(costs["ours"], bare).scaled(_UNITS[unit]),
                theirs=paired_difference(costs[name], bare).scaled(_UNITS[unit]),
                ratio=paired_ratio(costs["ours"], costs[name], bare),
                bound=peer.bound,
                note=note,
            )
            for name, peer in peers.items()
        ]
        self.benchmark.pedantic(ours, setup=(prepare or {}).get("ours"), rounds=PEDANTIC)
        self.judge(*found)

    def show(
        self,
        what: str,
        value: float,
        *,
        unit: str,
        yardstick: str = "",
        bound: float | None = None,
        note: str = "",
    ) -> None:
        """Keep a figure that is counted rather than timed, and judge it by its own bound."""
        spread = Spread(median=value, low=value, high=value)
        self.judge(
            Result(what=what, peer=yardstick, unit=unit, ours=spread, bound=bound, note=note)
        )

    def judge(self, *results: Result) -> None:
        """Keep the results, then fail with all that are out of bounds."""
        self.results.extend(results)
        for result in results:
            self.benchmark.extra_info[f"{result.what} / {result.peer}"] = asdict(result)
        broken = [str(result) for result in results if not result.holds]
        assert not broken, "; ".join(broken)


@pytest.fixture
def bench(request: pytest.FixtureRequest, benchmark: BenchmarkFixture) -> Iterator[Bench]:
    """Yield what a benchmark compares with; its figures are kept whether it passes or fails."""
    subject = request.path.stem.removeprefix("test_")
    results = request.config.stash[_BOOK].results.setdefault(subject, [])
    return Bench(benchmark=benchmark, results=results)


@pytest.fixture
def frozen() -> Iterator[None]:
    """Keep what is there already out of the collections before each turn."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    """Yield a server of each kind."""
    yield from run_servers()


@pytest.fixture(params=PLACES, ids=lambda each: f"{each[0]}, RESP{each[1]}")
def place(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Iterator[Place]:
    """Yield a server and a protocol."""
    server, protocol = request.param
    with Place(server, servers[server].url, protocol) as place:
        yield place
