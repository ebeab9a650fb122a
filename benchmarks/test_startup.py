"""What a process pays at its start."""

from __future__ import annotations

import compileall
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import hhs_perf
from benchmarks._interleave import children_cpu
from benchmarks.conftest import Peer

if TYPE_CHECKING:
    from benchmarks.conftest import Bench


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_and_monitor(bench: Bench) -> None:
    """Importing hhs_perf and making a monitor costs no more than importing prometheus_client.

    Both from bytecode, as installed packages have it: a checkout may have none, or an old one.
    """
    compileall.compile_dir(Path(hhs_perf.__file__).parent, quiet=1)
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
