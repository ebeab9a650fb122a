"""What reading all figures costs: `GET /api/performance` against a scrape of the same data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from benchmarks._drive import WsgiDriver
from benchmarks._fill import Filled
from benchmarks.conftest import Peer
from hhs_perf.adapters.flask import init_app
from hhs_perf.web import allow_all

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.conftest import Bench

WORKERS: Final = 8
SERIES: Final = 1_000
VALUES: Final = 1_000
FEW: Final = 10_000
MANY: Final = 10_000_000
READS: Final = 10  # between two steps of ten seconds: a client that asks each second


@pytest.fixture(scope="module")
def mmap_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder where eight workers have written the same data, an eighth each."""
    folder = tmp_path_factory.mktemp("multiproc")
    command = [sys.executable, "-m", "benchmarks._prometheus_worker"]
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": "."}
    for _ in range(WORKERS):
        arguments = [str(SERIES), str(VALUES // WORKERS)]
        subprocess.run([*command, *arguments], check=True, env=environ)
    assert len(list(folder.iterdir())) == WORKERS
    return folder


def _page(filled: Filled) -> WsgiDriver:
    """Return a driver that asks the monitor's summary of a Flask host."""
    app = Flask("bench_host")
    init_app(app, filled.monitor, auth=allow_all)
    return WsgiDriver(app, ("/api/performance",))


def test_summary_of_1000_series(bench: Bench, mmap_files: Path) -> None:
    """The summary costs a fifth of a multiprocess scrape of the same series."""
    filled = Filled(SERIES)
    filled.spread(VALUES)
    page = _page(filled)

    def scrape() -> bytes:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(mmap_files))
        return generate_latest(registry)

    try:
        page(1)
        assert len(json.loads(page.body)["api"]["routes"]) == SERIES // 2
        assert scrape().count(b"_count{") == SERIES
        peer = "prometheus_client generate_latest, multiprocess, 8 files"
        bench.compare(
            "GET /api/performance, 1,000 series of 1,000 values",
            partial(page, 1),
            {peer: Peer(run=scrape, bound=0.2)},
            unit="ms",
            rounds=15,
            prepare={"ours": filled.live_on},
        )
    finally:
        filled.close()


@pytest.mark.parametrize(("series", "bound"), [(10, 1.1), (SERIES, None)])
def test_summary_cost_does_not_grow_with_samples(
    bench: Bench, series: int, bound: float | None
) -> None:
    """The summary costs the same after 10,000,000 samples as after 10,000.

    Ten series are judged: a thousand values each are as many as a busy route has, against a
    million. A thousand series are shown: ten values each are so few that their slots keep them,
    while ten thousand need digests.
    """
    few, many = Filled(series), Filled(series)
    few.spread(FEW // series)
    many.spread(MANY // series)
    peer = f"the same after {FEW:,} samples"
    try:
        bench.compare(
            f"GET /api/performance, {series:,} series, after {MANY:,} samples",
            partial(_page(many), READS),
            {peer: Peer(run=partial(_page(few), READS), bound=bound)},
            unit="ms",
            operations=READS,
            rounds=60 if bound else 15,
            prepare={"ours": many.live_on, peer: few.live_on},
        )
    finally:
        few.close()
        many.close()
