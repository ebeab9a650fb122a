"""Runs on real Celery workers, with Valkey as their broker and for the limits."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from hhs_perf.adapters.celery import GatheredRun, read_run, start_run
from hhs_perf.scrapers import Account
from hhs_perf.scrapers.platforms import bundled
from hhs_perf.scrapers.testing import FakeServer, Fault
from tests.servers import Server, wait_until

pytestmark = pytest.mark.timeout(150)  # workers take seconds to start, more under load

HOST = """
import os
from celery import Celery
from hhs_perf import Monitor
from hhs_perf.adapters.celery import init_app

app = Celery("host", broker=os.environ["REDIS_URL"], set_as_current=False)
app.conf.broker_connection_retry_on_startup = True
monitor = init_app(app, Monitor.from_env(), chunk_size=3, max_wait=0.4)
"""
# A shared machine is slow to answer pings.
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO")


class Fleet:
    """A host's application here, and its workers in processes of their own."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ
        self.workers: list[subprocess.Popen[bytes]] = []
        (folder / "host_app.py").write_text(HOST, "utf-8")
        self.host = self._load()

    def _load(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location("host_app", self.folder / "host_app.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def start(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        name = f"w{len(self.workers)}@test"
        command = [sys.executable, "-m", "celery", "-A", "host_app", "worker", "-n", name]
        with (self.folder / f"{name}.log").open("ab") as log:
            worker = subprocess.Popen(
                [*command, *QUIET],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def send(self, accounts: list[Account], **wanted: Any) -> str:
        return start_run(self.host.app, accounts, **wanted)

    def read(self, run: str) -> GatheredRun | None:
        with contextlib.suppress(LookupError):
            return read_run(self.host.monitor, run)
        return None

    def wait_for(self, run: str, seconds: float = 40.0) -> GatheredRun:
        def is_over() -> bool:
            assert all(each.poll() is None for each in self.workers), self.log()
            found = self.read(run)
            return found is not None and found.is_finished

        try:
            wait_until(is_over, "the run", seconds)
        except TimeoutError:
            raise AssertionError(self.log()) from None
        return self.read(run)

    def log(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{each.name}\n{each.read_text('utf-8', 'replace')}" for each in logs)

    def busy_processes(self) -> int:
        """How many processes of the pools did tasks."""
        found: set[tuple[str, str]] = set()
        for each in self.folder.glob("*.log"):
            done = re.findall(r"(ForkPoolWorker-\d+)\] Task \S+ succeeded", each.read_text("utf-8"))
            found.update((each.name, process) for process in done)
        return len(found)

    def rows(self) -> list[tuple[str, int]]:
        """Give the accounts that have snapshots, and how many."""
        query = (
            "SELECT platform || ' ' || handle, count(*) FROM fact_followers_snapshot"
            " JOIN dim_account USING (account_key) GROUP BY 1 ORDER BY 1"
        )
        with contextlib.closing(sqlite3.connect(self.folder / "figures.db")) as connection:
            try:
                return connection.execute(query).fetchall()
            except sqlite3.OperationalError:  # the tables are being made
                return []

    def close(self) -> None:
        for worker in self.workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                children = psutil.Process(worker.pid).children(recursive=True)
                for each in (worker, *children):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()
            worker.wait(10)
        self.host.monitor.close()
        self.host.app.close()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def fleet(
    server: FakeServer,
    launch: Callable[..., Server],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Fleet]]:
    made: list[Fleet] = []

    def make(**variables: str) -> Fleet:
        held = {
            "REDIS_URL": launch().url,
            "DATABASE_URL": f"sqlite:///{tmp_path}/figures.db",
            "HHS_PERF_SCRAPE_INTERVAL": "0.1",
            **server.environment(bundled()),
            **variables,
        }
        for name, value in held.items():
            monkeypatch.setenv(name, value)
        made.append(Fleet(tmp_path, {**os.environ, **held}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def instagram(count: int, **more: Any) -> list[Account]:
    return [Account(platform="Instagram", handle=f"a{n}", **more) for n in range(count)]


def test_four_workers_together_keep_the_pace_of_one(
    fleet: Callable[..., Fleet], server: FakeServer
) -> None:
    """Twice two processes; core accounts first; a refusal makes all wait, and is asked again."""
    held = fleet(CELERY_MAX_WORKERS="2", CELERY_PREFETCH="1")
    server.world.arm(Fault(kind="retry_after", platform="youtube", times=1, wait=1))
    accounts = [
        *instagram(36),
        *(Account(platform="YouTube", handle=f"@c{n}") for n in range(3)),
        *(Account(platform="X", handle=f"x{n}") for n in range(20)),
        *(Account(platform="Instagram", handle=f"core{n}", is_core=True) for n in range(2)),
    ]
    run = held.send(accounts)
    for _ in range(2):
        held.start()
    found = held.wait_for(run)
    assert (found.succeeded, found.failed, found.is_complete) == (61, 0, True), found
    assert held.rows() == sorted((f"{a.platform.lower()} {a.handle}", 1) for a in accounts)
    times = [each.at for each in server.arrived("instagram")]
    assert len(times) == 38
    assert len(times) - 1 <= (times[-1] - times[0]) / 0.1 + 0.2
    # What leaves in time may be late on its way, on a machine under load.
    assert all(later - earlier > 1.6 for earlier, later in zip(times, times[20:], strict=False))
    shares = {each.platform: each for each in found.platforms}
    assert (shares["youtube"].throttled, shares["youtube"].succeeded) == (1, 3)
    assert (shares["x"].requests, round(shares["x"].cost, 2)) == (1, 0.2)
    assert held.busy_processes() >= 3
    assert "0123456789" not in held.log()


def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    fleet: Callable[..., Fleet], server: FakeServer
) -> None:
    held = fleet(HHS_PERF_INSTAGRAM_INTERVAL="0", CELERY_MAX_WORKERS="1", CELERY_PREFETCH="1")
    server.world.arm(Fault(kind="silent", platform="instagram", handle="a8", times=1))
    run = held.send(instagram(18))
    worker = held.start()
    wait_until(lambda: len(held.rows()) == 8, "all before it and beside it", 40)
    [child] = psutil.Process(worker.pid).children()
    child.send_signal(signal.SIGKILL)
    found = held.wait_for(run)
    assert held.rows() == sorted((f"instagram a{n}", 1) for n in range(18))
    done = found.succeeded + found.skipped.get("already_done", 0)
    assert (done, found.failed, found.lost, found.is_complete) == (18, 0, 0, True)
    assert len(server.arrived("instagram")) == 18 + 1
