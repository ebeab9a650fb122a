"""How much of the time to execute and to fetch is seen: ours, and those that time executing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import create_engine, insert

from benchmarks._database import Base, Parent
from benchmarks._database_time import CONTENDERS, ROWS
from benchmarks._interleave import Spread
from benchmarks._results import Result
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.conftest import Bench

RUNS: Final = 3
OURS: Final = "hhs_perf"
MISSED: Final = 5.0
ROOT: Final = Path(__file__).parent.parent
DRIVERS: Final = {
    "sqlite": "SQLite",
    "psycopg": "PostgreSQL, psycopg",
    "asyncpg": "PostgreSQL, asyncpg",
}
NOTE: Final = (
    f"Of the seconds that the driver's own cursor took to execute a select of {ROWS:,} rows and to"
    " fetch them, measured around it; contenders in processes of their own, in turns. asyncpg has"
    " all rows when it has executed, so that nobody misses them."
)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Yield the addresses of databases that have the rows."""
    path = tmp_path_factory.mktemp("time") / "rows.db"
    with Postgres() as server:
        found = {
            "sqlite": f"sqlite:///{path}",
            "psycopg": server.url("psycopg", socket=True),
            "asyncpg": server.url("asyncpg", socket=True),
        }
        for driver in ("sqlite", "psycopg"):
            engine = create_engine(found[driver])
            with engine.begin() as connection:
                Base.metadata.create_all(connection)
                rows = [{"id": number, "name": f"name {number}"} for number in range(ROWS)]
                connection.execute(insert(Parent), rows)
            engine.dispose()
        yield found


def _missed(contender: str, driver: str, url: str) -> float:
    command = [sys.executable, "-m", "benchmarks._database_time", contender, driver, url]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    told = json.loads(said.splitlines()[-1])
    return 100 * (1 - told["seen"] / told["spent"])


@pytest.mark.parametrize("driver", list(DRIVERS))
def test_time_missed(bench: Bench, addresses: dict[str, str], driver: str) -> None:
    """At least 95 % of the time is seen, where others see the begin of it."""
    shares: dict[str, list[float]] = {name: [] for name in CONTENDERS}

    def campaign() -> None:
        for _ in range(RUNS):
            for name, samples in shares.items():
                samples.append(_missed(name, driver, addresses[driver]))

    bench.benchmark.pedantic(campaign, rounds=1)
    bench.judge(
        *(
            Result(
                what=f"time that is not seen ({DRIVERS[driver]})",
                peer=peer,
                unit="%",
                ours=Spread.of(shares[OURS]),
                theirs=Spread.of(shares[peer]),
                bound=MISSED,
                note=NOTE,
            )
            for peer in shares
            if peer != OURS
        )
    )
