"""A token that expires in the middle of a run costs what is left of its platform, and no more."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hhs_perf import Settings
from hhs_perf.cli import main
from hhs_perf.scrapers import bundled
from hhs_perf.scrapers.testing import FakeServer, Fault

TOKEN = "EAAB5tokenOfNobodyElse"
WORKERS = 5
GOOD, ACCOUNTS, OTHERS = 12, 60, 20
REFUSALS = 2
"""So many in a row end a platform's run."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """Platforms that the environment leads to; Instagram's token expires."""
    for name in Settings.from_env({}).sources:
        monkeypatch.delenv(name, raising=False)
    with FakeServer() as running:
        running.world.tokens["instagram"] = TOKEN
        running.world.arm(Fault(kind="auth", platform="instagram", skip=GOOD))
        for name, value in running.environment(bundled(), interval=0.0).items():
            monkeypatch.setenv(name, value)
        yield running


def kept(path: Path) -> dict[str, int]:
    query = (
        "SELECT platform, count(*) FROM fact_followers_snapshot"
        " JOIN dim_account USING (account_key) GROUP BY platform"
    )
    with closing(sqlite3.connect(path)) as connection:
        return {name.lower(): count for name, count in connection.execute(query)}


def test_a_token_that_expires_in_mid_run(
    server: FakeServer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What came before is kept, others complete, the status says so, and nothing tells the token.

    With a new one, the same run completes.
    """
    caplog.set_level(logging.DEBUG)
    listed, database = tmp_path / "accounts.json", tmp_path / "figures.db"
    rows = [{"platform": "Instagram", "handle": f"a{n}"} for n in range(ACCOUNTS)]
    rows += [
        {"platform": platform, "handle": f"a{n}"}
        for platform in ("Bluesky", "X")
        for n in range(OTHERS)
    ]
    listed.write_text(json.dumps(rows), "utf-8")
    command = ["scrape", str(listed), "--to", str(database)]

    status = main([*command, "--max-workers", str(WORKERS), "--json"])
    shown, told = capfd.readouterr()
    report = json.loads(shown)
    assert (status, report["is_complete"]) == (1, False)
    asked = len(server.arrived("instagram"))
    assert GOOD + REFUSALS <= asked <= GOOD + REFUSALS + WORKERS
    assert report["succeeded"] == report["written"] == GOOD + 2 * OTHERS
    assert report["failed"] == ACCOUNTS - GOOD
    assert {each["why"] for each in report["not_fetched"]} == {"auth"}
    assert kept(database) == {"instagram": GOOD, "bluesky": OTHERS, "x": OTHERS}

    assert main([*command, "--resume"]) == 1
    output = shown + told + "".join(capfd.readouterr())
    assert "auth" in output
    logged = "\n".join(f"{each.getMessage()} {each.args!r}" for each in caplog.records)
    assert any(each.levelno == logging.DEBUG for each in caplog.records)
    assert TOKEN not in output
    assert TOKEN not in logged

    server.world.heal()
    before = len(server.arrivals)
    assert main([*command, "--resume"]) == 0
    assert len(server.arrivals) == before + ACCOUNTS - GOOD
    assert kept(database) == {"instagram": ACCOUNTS, "bluesky": OTHERS, "x": OTHERS}
