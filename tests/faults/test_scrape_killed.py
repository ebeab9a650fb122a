"""A run that is killed loses at most what was under way, and the next one asks for no more."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from hhs_perf import Settings
from hhs_perf.scrapers import bundled
from hhs_perf.scrapers.testing import FakeServer
from tests.servers import wait_until

ACCOUNTS = 400
WORKERS = 5
BATCH = 200
"""The most that one transaction writes."""
FIRST = 250


def rows(path: Path) -> list[str]:
    """Give the accounts of all rows."""
    query = "SELECT handle FROM fact_followers_snapshot JOIN dim_account USING (account_key)"
    with closing(sqlite3.connect(path)) as connection:
        return [handle for (handle,) in connection.execute(query)]


def test_a_killed_run_resumes_where_it_was(tmp_path: Path) -> None:
    """Requests are repeated for what was not committed; no account has two rows."""
    listed, database = tmp_path / "accounts.json", tmp_path / "figures.db"
    accounts = [{"platform": "Instagram", "handle": f"a{n}"} for n in range(ACCOUNTS)]
    listed.write_text(json.dumps(accounts), "utf-8")
    command = [sys.executable, "-m", "hhs_perf", "scrape", str(listed), "--to", str(database)]
    command += ["--max-workers", str(WORKERS), "--json"]
    with FakeServer(latency=0.03) as server:
        known = Settings.from_env({}).sources
        environ = {name: value for name, value in os.environ.items() if name not in known}
        environ |= server.environment(bundled(), interval=0.0)
        process = subprocess.Popen(
            command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            wait_until(lambda: len(server.arrivals) >= FIRST, "the first requests")
        finally:
            process.kill()
            process.communicate(timeout=20)
        assert process.returncode == -9
        asked, saved = len(server.arrivals), rows(database)
        assert 0 < len(saved) == len(set(saved))
        assert asked < ACCOUNTS
        assert asked - len(saved) <= WORKERS + BATCH

        server.latency = 0.0
        done = subprocess.run(
            [*command, "--resume"],
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["skipped"] == {"already_done": len(saved)}
        assert len(server.arrivals) - asked == ACCOUNTS - len(saved)
    assert sorted(rows(database)) == sorted(f"a{n}" for n in range(ACCOUNTS))
