"""How well four Celery workers together keep the pace that a platform allows."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks._interleave import Spread
from benchmarks._results import Result
from hhs_perf.scrapers import Account, bundled
from hhs_perf.scrapers.testing import FakeServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from benchmarks.conftest import Bench
    from tests.servers import Server

ROOT: Final = Path(__file__).parent.parent
WORKERS: Final = 4
STARTS: Final = 41
INTERVAL: Final = 0.5
PAIR: Final = 0.1
PLATFORM: Final = "instagram"
READY_WITHIN: Final = 60.0
NOTE: Final = (
    "Four workers of one process each ask for 41 accounts of a platform that allows one request in"
    ' 0.5 s, over Valkey 9. The peer is a task with `rate_limit="2/s"`, which Celery keeps in each'
    " worker."
)


@contextlib.contextmanager
def _workers(folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", "benchmarks._celery_host", "worker"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-P", "solo"]
    running = []
    logs = [folder / f"{number}.log" for number in range(WORKERS)]
    try:
        for number, log in enumerate(logs):
            with log.open("wb") as out:
                running.append(
                    subprocess.Popen(
                        [*command, *quiet, "-l", "INFO", "-n", f"w{number}@benchmark"],
                        cwd=ROOT,
                        stdout=out,
                        stderr=out,
                    )
                )
        _wait_for(lambda: all(b" ready." in log.read_bytes() for log in logs), "the workers")
        yield
    finally:
        for each in running:
            each.terminate()
        for each in running:
            each.wait(30)


def _wait_for(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + READY_WITHIN
    while not holds():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


def _starts(server: FakeServer, send: Callable[[], None]) -> list[float]:
    server.arrivals.clear()
    send()
    _wait_for(lambda: len(server.arrived(PLATFORM)) >= STARTS, "the requests")
    return [each.at for each in server.arrived(PLATFORM)]


def test_four_workers(
    bench: Bench, servers: dict[str, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours ask as often as the platform allows, all together; no two start at a time."""
    with FakeServer() as server:
        environ = {
            **server.environment(bundled()),
            "REDIS_URL": servers["Valkey 9"].url,
            "HHS_PERF_NAMESPACE": "benchmark-celery",
            "HHS_PERF_SCRAPE_INTERVAL": str(INTERVAL),
            "DATABASE_URL": f"sqlite:///{tmp_path}/figures.db",
        }
        for name, value in (os.environ | environ).items():
            monkeypatch.setenv(name, value)
        host = importlib.import_module("benchmarks._celery_host")
        from hhs_perf.adapters.celery import start_run  # no other benchmark needs Celery

        accounts = [Account(platform=PLATFORM, handle=f"a{n}") for n in range(STARTS)]
        url = f"{server.base_url(PLATFORM)}/v1/account"

        def ask_with_celerys_own_limit() -> None:
            for _ in range(STARTS):
                host.fetch.delay(url)

        with _workers(tmp_path):
            ours = _starts(server, lambda: start_run(host.app, accounts))
            theirs = _starts(server, ask_with_celerys_own_limit)
        host.monitor.close()
        host.app.close()
    bench.benchmark.pedantic(lambda: None)
    bench.judge(
        _beside("requests a second, of 2 allowed", _rate(ours), _rate(theirs), 2.0),
        _beside("pairs less than 0.1 s apart", _pairs(ours), _pairs(theirs), 0),
        _beside("time by the ideal", 2.0 / _rate(ours), 2.0 / _rate(theirs), 1.1),
    )


def _rate(starts: list[float]) -> float:
    return (len(starts) - 1) / (starts[-1] - starts[0])


def _pairs(starts: list[float]) -> int:
    return sum(later - earlier < PAIR for earlier, later in itertools.pairwise(starts))


def _beside(what: str, ours: float, theirs: float, bound: float) -> Result:
    return Result(
        what=f"four workers: {what}",
        peer='Celery, rate_limit="2/s"',
        unit="",
        ours=Spread(median=ours, low=ours, high=ours),
        theirs=Spread(median=theirs, low=theirs, high=theirs),
        bound=bound,
        note=NOTE,
    )
