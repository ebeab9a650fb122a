"""How often a cold key is loaded when many ask for it at once, and how long they wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from benchmarks._cache_workers import Commands, Workers
from benchmarks._interleave import Spread
from benchmarks._results import Result

if TYPE_CHECKING:
    from benchmarks._cache_places import Place
    from benchmarks.conftest import Bench
    from tests.servers import Server

CALLERS: Final = 50
PROCESSES: Final = 4
LATENESS_BOUND: Final = 50.0
RAISING_BOUND: Final = 20.0
COMMANDS_BOUND: Final = 10
RUNS: Final = 5
MIXED: Final = (CALLERS // 2, CALLERS // 2)
COMMANDS: Final = "commands of a process"
PEERS: Final = {"dogpile.cache": (50, 0), "cashews": (0, 50), "aiocache": (0, 50)}
NOTE: Final = (
    f"Of the {CALLERS} callers of a process half are threads and half are tasks, and all of them"
    f" ask at the same time. Loads and commands are those of the worst of {RUNS} runs, lateness is"
    " the median of the runs' slowest callers. Commands are what the server's MONITOR shows, by"
    " process: without what scripts do within it, and without the PING that a process sends once"
    " a second, whatever happens."
)


def _flight(
    workers: Workers, key: str, seconds: float, callers: tuple[int, int], *, raises: bool = False
) -> dict[str, Any]:
    threads, tasks = callers
    answers = workers.all(
        "flight",
        key=key,
        at=time.perf_counter() + 0.3,
        seconds=seconds,
        threads=threads,
        tasks=tasks,
        raises=raises,
    )
    return {
        "loads": sum(each["loads"] for each in answers),
        "late": max(each["slowest"] for each in answers) - seconds,
        "answers": sorted({answer for each in answers for answer in each["answers"]}),
        "answered": sum(each["answered"] for each in answers),
    }


def _counted(
    what: str, runs: list[dict[str, Any]], *, name: str, bound: float, note: str = ""
) -> Result:
    """Return the worst run's count."""
    worst = max(run[name] for run in runs)
    ours = Spread(median=worst, low=worst, high=worst)
    return Result(what=f"{what}: {name}", peer="", unit="", ours=ours, bound=bound, note=note)


def _late(what: str, runs: list[dict[str, Any]], bound: float) -> Result:
    """Return by how much the slowest caller of a run came after the load's end."""
    ours = Spread.of([run["late"] for run in runs]).scaled(1e3)
    what = f"{what}: slowest caller after the load"
    return Result(what=what, peer="", unit="ms", ours=ours, bound=bound)


def test_one_process(bench: Bench, place: Place) -> None:
    """Fifty threads and fifty tasks of one process load once, and are told at once."""
    both = (CALLERS, CALLERS)
    with Workers(1, place.url, place.new_name()) as workers:
        runs = [_flight(workers, f"k{run}", 0.1, both) for run in range(RUNS)]
        failed = [_flight(workers, f"e{run}", 0.1, both, raises=True) for run in range(RUNS)]
        again = _flight(workers, "e0", 0.1, both)
    bench.benchmark.pedantic(lambda: None)
    assert all(run["answers"] == ["loaded"] for run in [*runs, again])
    assert all(run["answers"] == ["LookupError"] for run in failed)
    assert all(run["answered"] == sum(both) for run in [*runs, *failed, again])
    assert again["loads"] == 1
    where = f"one load: {CALLERS} threads and {CALLERS} tasks of one process ({place.name})"
    bench.judge(
        _counted(where, runs, name="loads", bound=1, note=NOTE),
        _late(where, runs, LATENESS_BOUND),
        _counted(f"{where}, it raises", failed, name="loads", bound=1),
        _late(f"{where}, it raises", failed, RAISING_BOUND),
    )


@pytest.mark.parametrize("seconds", [0.1, 1.0, 3.0])
def test_processes(bench: Bench, place: Place, seconds: float) -> None:
    """Four processes with fifty callers each load once, however long it takes, without asking."""
    runs: list[dict[str, Any]] = []
    with Workers(PROCESSES, place.url, place.new_name()) as workers:
        _flight(workers, "warm", 0.01, MIXED)
        for run in range(RUNS):
            with Commands(place.parts.port or 0) as commands:
                flight = _flight(workers, f"k{run}", seconds, MIXED)
            runs.append(flight | {COMMANDS: len(commands.seen) / PROCESSES})
    bench.benchmark.pedantic(lambda: None)
    assert all(run["answers"] == ["loaded"] for run in runs)
    assert all(run["answered"] == PROCESSES * CALLERS for run in runs)
    where = f"one load: {PROCESSES} processes of {CALLERS}, it takes {seconds:g} s ({place.name})"
    bench.judge(
        _counted(where, runs, name="loads", bound=1, note=NOTE),
        _late(where, runs, LATENESS_BOUND),
        _counted(where, runs, name=COMMANDS, bound=COMMANDS_BOUND),
    )


@pytest.mark.parametrize("peer", PEERS)
def test_peers(bench: Bench, servers: dict[str, Server], peer: str) -> None:
    """What the peers do is shown: the same four processes, with the locks that they have."""
    server = servers["Valkey 9"]
    seen: list[dict[str, Any]] = []
    for contender, callers in (("ours", MIXED), (peer, PEERS[peer])):
        name = f"beside-{peer}"
        with Workers(PROCESSES, server.url, name, contender) as workers:
            _flight(workers, f"{peer}-warm", 0.01, callers)
            with Commands(server.port) as commands:
                run = _flight(workers, f"{peer}-key", 0.1, callers)
        run["late"] *= 1e3
        seen.append(run | {COMMANDS: len(commands.seen) / PROCESSES})
    bench.benchmark.pedantic(lambda: None)
    where = f"one load: {PROCESSES} processes of {CALLERS}, it takes 0.1 s"
    for name, what, unit in (
        ("loads", "loads", ""),
        ("late", "slowest caller after the load", "ms"),
        (COMMANDS, COMMANDS, ""),
    ):
        ours, theirs, ratio = (
            Spread(median=each, low=each, high=each)
            for each in (seen[0][name], seen[1][name], seen[0][name] / seen[1][name])
        )
        bench.judge(
            Result(
                what=f"{where}: {what}",
                peer=peer,
                unit=unit,
                ours=ours,
                theirs=theirs,
                ratio=ratio,
            )
        )
