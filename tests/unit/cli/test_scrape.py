"""`hhs-perf scrape` and `hhs-perf platforms`, as far as nobody is asked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hhs_perf.cli import main
from hhs_perf.scrapers.platforms import bundled

ACCOUNTS = [
    {"platform": "X", "url": "https://x.com/HHSGov", "organization": "HHS", "is_core": True},
    {"platform": "X", "url": "https://x.com/CDCgov", "organization": "CDC"},
    {"platform": "Bluesky", "url": "https://bsky.app/profile/hhs.gov", "organization": "HHS"},
    {"platform": "LinkedIn", "url": "https://www.linkedin.com/in/somebody/"},
    {"url": "https://example.org/nobody"},
]


@pytest.fixture
def accounts(tmp_path: Path) -> str:
    path = tmp_path / "accounts.json"
    path.write_text(json.dumps(ACCOUNTS), "utf-8")
    return str(path)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["", "--to", "a.csv"],
        ["{accounts}"],
        ["{accounts}", "--to", "a.txt"],
        ["{accounts}", "--to", "me:geheim@host"],
        ["{accounts}", "--to", "a.csv", "--max-workers", "0"],
        ["{accounts}", "--to", "a.csv", "--platform", "myspace"],
        ["{accounts}", "--to", "a.csv", "--core", ""],
        ["{accounts}", "--nonsense"],
    ],
)
def test_a_usage_error_is_one_line_and_64(
    accounts: str, arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = [each.format(accounts=accounts) for each in arguments]
    assert main(["scrape", *arguments]) == 64
    shown, complaints = capsys.readouterr()
    assert shown == ""
    assert re.fullmatch(r"hhs-perf: .*--help\)\n", complaints)
    assert "geheim" not in complaints
    assert not Path("a.csv").exists()


def test_core_accounts_are_chosen_by_a_field_that_accounts_have(
    accounts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scrape", accounts, "--dry-run", "--core", "followers=7"]) == 78
    assert "organization" in capsys.readouterr().err


def test_every_bad_row_of_a_list_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text("platform,url\nX,https://x.com/HHSGov\nX,\nFlickr,\n", "utf-8")
    assert main(["scrape", str(path), "--dry-run"]) == 78
    shown, complaints = capsys.readouterr()
    assert shown == ""
    lines = complaints.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("hhs-perf: ") for line in lines)
    assert [re.search(r"\d+", line)[0] for line in lines] == ["3", "4"]


def test_a_list_that_is_not_there_is_an_error_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scrape", str(tmp_path / "none.json"), "--dry-run"]) in {74, 78}
    shown, complaints = capsys.readouterr()
    assert (shown, complaints.count("\n")) == ("", 1)


def test_a_dry_run_tells_requests_cost_and_what_is_left_out(
    accounts: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HHS_PERF_X_TOKEN", "geheim")
    assert main(["scrape", accounts, "--dry-run", "--json"]) == 0
    shown = capsys.readouterr().out
    assert "geheim" not in shown
    plan = json.loads(shown)
    rows = {each["platform"]: each for each in plan["platforms"]}
    assert set(rows) == {"bluesky", "x"}
    assert (rows["x"]["accounts"], rows["x"]["core"], rows["x"]["requests"]) == (2, 1, 1)
    assert rows["x"]["cost"] == pytest.approx(0.02)
    why = {each["account"]: (each["why"], each["told"]) for each in plan["skipped"]}
    assert {reason for reason, _ in why.values()} == {"unresolvable"}
    assert all(told for _, told in why.values())

    assert main(["scrape", accounts, "--dry-run", "--core", "organization=HHS"]) == 0
    shown = capsys.readouterr().out
    for words in ("$0.02", "Nobody was asked", "https://example.org/nobody", "unresolvable"):
        assert words in shown


def test_a_dry_run_names_the_credentials_that_are_missing(
    accounts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scrape", accounts, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "HHS_PERF_X_TOKEN not set" in shown
    assert "2 accounts" in shown


def test_a_budget_that_is_too_small_is_told_beforehand(
    accounts: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HHS_PERF_X_TOKEN", "geheim")
    monkeypatch.setenv("HHS_PERF_X_BUDGET", "0.01")
    assert main(["scrape", accounts, "--dry-run"]) == 0
    assert "above what is left of the day's budget" in capsys.readouterr().out


def test_a_dry_run_writes_nothing(
    accounts: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "snapshots.jsonl"
    assert main(["scrape", accounts, "--dry-run", "--to", str(lines)]) == 0
    assert not lines.exists() or lines.read_text("utf-8") == ""


def test_the_list_of_platforms_has_all_with_the_names_of_variables_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HHS_PERF_X_TOKEN", "geheim")
    monkeypatch.setenv("HHS_PERF_X_BUDGET", "2.5")
    monkeypatch.setenv("HHS_PERF_X_INTERVAL", "3")
    assert main(["platforms", "--json"]) == 0
    shown = capsys.readouterr().out
    assert "geheim" not in shown
    rows = {each["name"]: each for each in json.loads(shown)}
    assert set(rows) == {each.name for each in bundled()}
    x = rows["x"]
    assert (x["is_ready"], x["interval"], x["budget"]["limit"]) == (True, 3.0, 2.5)
    [token] = x["credentials"]
    assert (token["variable"], token["present"]) == ("HHS_PERF_X_TOKEN", True)
    assert token["how"]
    assert not rows["youtube"]["is_ready"]

    assert main(["platforms"]) == 0
    shown = capsys.readouterr().out
    assert "geheim" not in shown
    for words in ("HHS_PERF_X_TOKEN set", "HHS_PERF_YOUTUBE_KEY missing", "none needed", "$2.50"):
        assert words in shown


def test_a_variable_of_a_platform_that_cannot_be_used_is_a_matter_of_configuration(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HHS_PERF_X_BUDGET", "plenty")
    assert main(["platforms"]) == 78
    assert "HHS_PERF_X_BUDGET" in capsys.readouterr().err
