"""`hhs-perf scrape` against platforms behind real sockets."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hhs_perf import Settings
from hhs_perf.cli import main
from hhs_perf.scrapers.platforms import bundled
from hhs_perf.scrapers.testing import FakeServer, Fault
from tests.servers import wait_until

Run = Callable[..., tuple[int, str, str]]


# Who runs the tests in the background may have taught their processes to pass over Ctrl-C.
_HEARING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from hhs_perf.cli import main
raise SystemExit(main())
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """Fake platforms that the environment leads to, without pauses between requests."""
    for name in Settings.from_env({}).sources:
        monkeypatch.delenv(name, raising=False)
    with FakeServer() as running:
        for name, value in running.environment(bundled()).items():
            monkeypatch.setenv(name, value)
        for platform in bundled():
            monkeypatch.setenv(f"HHS_PERF_{platform.name.upper()}_INTERVAL", "0")
        yield running


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., str]:
    """Write a list of accounts; gives its path."""

    def write(*rows: dict[str, Any]) -> str:
        path = tmp_path / "accounts.json"
        path.write_text(json.dumps(rows), "utf-8")
        return str(path)

    return write


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["scrape", *arguments])
        shown, told = capsys.readouterr()
        return status, shown, told

    return command


def bluesky(*handles: str, **more: Any) -> list[dict[str, Any]]:
    return [{"platform": "Bluesky", "handle": each, **more} for each in handles]


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


FOLLOWERS = (
    "SELECT handle, followers_count FROM fact_followers_snapshot"
    " JOIN dim_account USING (account_key) ORDER BY handle"
)


def test_all_accounts_fetched_is_exit_status_0(
    server: FakeServer, listed: Callable[..., str], run: Run, tmp_path: Path
) -> None:
    server.world.add("bluesky", "a.gov", followers_count=7)
    server.world.add("x", "HHSGov", followers_count=11)
    path = tmp_path / "figures.db"
    accounts = listed(*bluesky("a.gov"), {"url": "https://x.com/HHSGov", "platform": "X"})
    status, shown, told = run(accounts, "--to", str(path))
    assert status == 0, shown + told
    assert rows(path, FOLLOWERS) == [("a.gov", 7), ("hhsgov", 11)]
    assert "2 fetched, 0 failed" in shown
    assert f"2 snapshots written to {path}" in shown
    assert "$0.01" in shown
    assert sorted(told.splitlines()) == ["Bluesky: done", "X: done"]


def test_a_database_of_the_environment_is_the_place_by_default(
    server: FakeServer,
    listed: Callable[..., str],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/figures.db")
    status, shown, _ = run(listed(*bluesky("a.gov", "b.gov")), "--json")
    report = json.loads(shown)
    assert (status, report["succeeded"], report["is_complete"]) == (0, 2, True)
    assert len(rows(tmp_path / "figures.db", FOLLOWERS)) == 2
    # What was kept is a list of accounts as well.
    status, shown, _ = run(f"sqlite:///{tmp_path}/figures.db", "--dry-run", "--json")
    assert json.loads(shown)["platforms"][0]["accounts"] == 2


def test_some_accounts_without_a_snapshot_is_exit_status_1(
    server: FakeServer, listed: Callable[..., str], run: Run, tmp_path: Path
) -> None:
    server.world.mark("bluesky", "gone.gov", "unknown")
    accounts = listed(*bluesky("a.gov", "gone.gov"), {"url": "https://example.org/\x1b[2Jx"})
    status, shown, _ = run(accounts, "--to", str(tmp_path / "figures.csv"))
    assert status == 1
    for words in ("gone.gov", "not_found", "unresolvable"):
        assert words in shown
    assert "\x1b" not in shown
    report = json.loads(run(accounts, "--to", str(tmp_path / "figures.csv"), "--json")[1])
    assert {each["why"] for each in report["not_fetched"]} == {"not_found", "unresolvable"}


def test_missing_credentials_leave_a_platform_out_with_its_reason(
    server: FakeServer,
    listed: Callable[..., str],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HHS_PERF_X_TOKEN")
    x = {"platform": "X", "handle": "HHSGov"}
    to = str(tmp_path / "figures.jsonl")
    status, shown, _ = run(listed(x, *bluesky("a.gov")), "--to", to)
    assert (status, "HHS_PERF_X_TOKEN not set" in shown) == (1, True)
    assert server.arrived("x") == ()
    status, _, _ = run(listed(x), "--to", to)
    assert status == 2


def test_nothing_fetched_is_exit_status_2(
    server: FakeServer, listed: Callable[..., str], run: Run, tmp_path: Path
) -> None:
    server.world.arm(Fault(kind="forbidden", platform="bluesky"))
    path = tmp_path / "figures.jsonl"
    status, shown, told = run(listed(*bluesky("a.gov")), "--to", str(path))
    assert status == 2
    assert "forbidden" in shown
    assert told == "Bluesky: done, 1 without a snapshot\n"
    assert path.read_bytes() == b""


def test_an_empty_list_is_a_success(
    server: FakeServer, listed: Callable[..., str], run: Run, tmp_path: Path
) -> None:
    status, shown, _ = run(listed(), "--to", str(tmp_path / "figures.jsonl"))
    assert (status, "Nobody was asked." in shown) == (0, True)


def test_a_run_that_resumes_asks_for_nothing_twice(
    server: FakeServer, listed: Callable[..., str], run: Run, tmp_path: Path
) -> None:
    to = str(tmp_path / "figures.jsonl")
    assert run(listed(*bluesky("a.gov", "b.gov")), "--to", to)[0] == 0
    asked = len(server.arrivals)
    accounts = listed(*bluesky("a.gov", "b.gov"))
    status, shown, _ = run(accounts, "--to", to, "--resume")
    assert (status, len(server.arrivals)) == (0, asked)
    assert "2 with a snapshot of today" in shown
    assert run(accounts, "--to", to)[0] == 0
    assert len(server.arrivals) == asked + 1
    assert len(Path(to).read_text("utf-8").splitlines()) >= 2


def test_core_accounts_come_first_or_alone(
    server: FakeServer, listed: Callable[..., str], run: Run, tmp_path: Path
) -> None:
    instagram = [
        {"platform": "Instagram", "handle": f"a{n}", "organization": "HHS" if n > 7 else "CDC"}
        for n in range(10)
    ]
    to = str(tmp_path / "figures.jsonl")
    core = ("--core", "organization=HHS", "--max-workers", "1", "--json")
    server.world.arm(Fault(kind="auth", platform="instagram", skip=2))
    status, shown, _ = run(listed(*instagram), "--to", to, *core)
    assert (status, json.loads(shown)["succeeded"]) == (1, 2)
    handles = {json.loads(line)["handle"] for line in Path(to).read_text("utf-8").splitlines()}
    assert handles == {"a8", "a9"}
    server.world.heal()
    status, shown, _ = run(listed(*instagram), "--to", to, *core, "--core-only")
    assert (status, json.loads(shown)["succeeded"]) == (0, 2)
    assert json.loads(shown)["skipped"] == {"not_selected": 8}


def test_secrets_and_hostile_names_do_not_reach_the_screen(
    server: FakeServer, listed: Callable[..., str], run: Run, tmp_path: Path
) -> None:
    server.world.tokens["x"] = "another"
    server.world.arm(Fault(kind="hostile", platform="bluesky"))
    accounts = listed(
        {"platform": "X", "handle": "HHSGov", "organization": "\x1b]0;x\x07"}, *bluesky("a.gov")
    )
    status, shown, told = run(accounts, "--to", str(tmp_path / "figures.db"))
    assert status == 1
    assert "auth" in shown
    secrets = {value for name, value in os.environ.items() if name.endswith(("_TOKEN", "_KEY"))}
    assert [each for each in secrets if each in shown + told] == []
    assert "\x1b" not in shown + told


def test_a_database_that_cannot_be_used_is_one_line_and_4(
    server: FakeServer, listed: Callable[..., str], run: Run, tmp_path: Path
) -> None:
    to = f"sqlite:///{tmp_path}/nowhere/figures.db"
    status, shown, told = run(listed(*bluesky("a.gov")), "--to", to)
    assert (status, shown, told.count("\n")) == (4, "", 1)
    assert server.arrivals == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_fetched_before_an_interrupt_is_kept(
    server: FakeServer,
    listed: Callable[..., str],
    tmp_path: Path,
    number: int,
    status: int,
) -> None:
    server.latency = 0.05
    path = tmp_path / "figures.db"
    accounts = listed(*({"platform": "Instagram", "handle": f"a{n}"} for n in range(300)))
    process = subprocess.Popen(
        [sys.executable, "-c", _HEARING, "scrape", accounts, "--to", str(path), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: len(server.arrivals) >= 12, "the first requests")
        process.send_signal(number)
        shown, told = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == status, told
    assert "Traceback" not in told
    report = json.loads(shown)
    kept = rows(path, FOLLOWERS)
    assert len(kept) == report["written"] >= 7
    assert report["left"] > 200
    assert len(kept) >= len(server.arrivals) - 5
