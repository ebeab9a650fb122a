"""What a process pays at its start."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks._interleave import children_cpu
from benchmarks.conftest import Peer

if TYPE_CHECKING:
    from benchmarks.conftest import Bench


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_and_monitor(bench: Bench) -> None:
    """Importing hhs_perf and making a monitor costs no more than importing prometheus_client."""
    peer = Peer(run=partial(_python, "import prometheus_client"), bound=1.0)
    bench.compare(
        "from hhs_perf import Monitor; Monitor.from_env()",
        partial(_python, "from hhs_perf import Monitor; Monitor.from_env()"),
        {"import prometheus_client": peer},
        unit="ms",
        rounds=25,
        base=partial(_python, "pass"),
        clock=children_cpu,
    )
