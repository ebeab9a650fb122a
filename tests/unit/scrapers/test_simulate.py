"""simulate_metrics: the real engine against platforms of this process."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from hhs_perf.scrapers import Account, simulate_metrics
from hhs_perf.scrapers.simulate import _ClockOf, shipped_accounts, simulated
from hhs_perf.scrapers.testing import FakeWorld, Fault

DAY = date(2026, 3, 4)


def test_the_guides_call_scrapes_all_accounts_that_come_with_the_package() -> None:
    """98 of 99: one address is a member's page, of which no API gives figures."""
    report = simulate_metrics(parallel=True, max_workers=5, latency=0.0)
    assert (report.succeeded, report.failed, dict(report.skipped)) == (98, 0, {"unresolvable": 1})
    assert report.requests <= 45
    by_name = {each.platform: each.requests for each in report.platforms}
    assert by_name["x"] == by_name["facebook"] == by_name["truth_social"] == 1


def test_without_parallel_one_request_is_under_way_at_a_time() -> None:
    """The same accounts succeed."""
    report = simulate_metrics(parallel=False, latency=0.0)
    assert report.succeeded == 98


def test_figures_are_the_same_for_the_same_seed_account_and_day(tmp_path: Path) -> None:
    """Written to files, which hold the same."""

    def run(seed: int, day: date) -> dict[str, dict[str, dict[str, int]]]:
        path = tmp_path / f"{seed}-{day}-{len(list(tmp_path.iterdir()))}.jsonl"
        simulate_metrics(accounts=shipped_accounts()[:9], to=path, seed=seed, day=day, latency=0.0)
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(rows) == 9
        return {row["account_url"]: row["figures"] for row in rows}

    first = run(1, DAY)
    assert run(1, DAY) == first
    assert run(2, DAY) != first
    later = run(1, date(2026, 4, 4))
    for url, figures in first.items():
        for name in {"followers_count", "posts_count"} & figures.keys():
            assert later[url][name]["value"] >= figures[name]["value"]


def test_a_run_of_another_day_is_stamped_with_it() -> None:
    """So that a history can be filled."""
    clock = _ClockOf(DAY)
    assert datetime.fromtimestamp(clock.wall(), UTC).date() == DAY
    assert clock.monotonic() <= clock.monotonic()


def test_later_runs_ask_less_since_ids_are_known(tmp_path: Path) -> None:
    """24 requests at most, for 99 accounts."""
    to = tmp_path / "figures.sqlite"
    assert simulate_metrics(to=to, latency=0.0).requests <= 45
    assert simulate_metrics(to=to, latency=0.0).requests <= 24


def test_faults_of_the_world_reach_the_engine() -> None:
    """A platform that is down fails, and no other does."""
    world = FakeWorld()
    world.arm(Fault(kind="challenge", platform="instagram"))
    report = simulated(world=world, latency=0.0).scrape(shipped_accounts())
    failed = {each.platform: dict(each.failures) for each in report.platforms if each.failed}
    assert failed == {"instagram": {"challenge": 7}}


def test_one_account_of_ones_own() -> None:
    """Given by platform and handle."""
    report = simulate_metrics(accounts=[Account(platform="X", handle="HHSGov")], latency=0.0)
    assert report.succeeded == 1


@pytest.mark.parametrize("module", ["hhs_perf.scrapers.simulate", "hhs_perf.scrapers.testing"])
def test_simulating_needs_no_client_and_no_database(module: str) -> None:
    """Neither httpx nor SQLAlchemy is loaded."""
    code = (
        f"import sys, {module}; "
        "print([m for m in ('httpx', 'httpx2', 'aiohttp', 'sqlalchemy', 'redis', 'pytest')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
