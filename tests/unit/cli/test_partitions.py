"""`hhs-perf partitions`, as far as no server is needed."""

from __future__ import annotations

import re

import pytest

from hhs_perf.cli import main

NOBODY = "postgresql+psycopg://me:geheim@127.0.0.1:1/db"


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan"],
        ["plan", "t", "--url", NOBODY],
        ["plan", "t", "--by", "month:ts"],
        ["plan", "t", "--url", "me:geheim@host", "--by", "month:ts"],
        ["plan", "t", "--url", NOBODY, "--by", "week:ts"],
        ["plan", "t", "--url", NOBODY, "--by", "month:ts=a"],
        ["plan", "t", "--url", NOBODY, "--by", "list:p"],
        ["plan", "t", "--url", NOBODY, "--by", "list:p="],
        ["plan", "t", "--url", NOBODY, "--by", "list:p=a,a"],
        ["plan", "t", "--url", NOBODY, "--by", "month:ts", "--by", "month:ts"],
        ["plan", "t", "--url", NOBODY, "--by", "month:ts", "--ahead", "-1"],
        ["plan", "t", "--url", NOBODY, "--by", "month:ts", "--keep", "x"],
        ["plan", "t", "--url", NOBODY, "--by", "month:ts", "--since", "2026-13"],
        ["plan", "t", "--url", NOBODY, "--by", "month:ts", "--timezone", "Nowhere/Land"],
        ["plan", "", "--url", NOBODY, "--by", "month:ts"],
    ],
)
def test_a_usage_error_is_one_line_and_64(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["partitions", *arguments]) == 64
    shown, complaints = capsys.readouterr()
    assert shown == ""
    assert re.fullmatch(r"hhs-perf: .*--help\)\n", complaints)
    assert "geheim" not in complaints


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_server_that_is_not_there_is_one_line_and_4(
    driver: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = NOBODY.replace("psycopg", driver)
    assert main(["partitions", "plan", "t", "--by", "month:ts", "--url", url]) == 4
    shown, complaints = capsys.readouterr()
    assert shown == ""
    assert complaints.count("\n") == 1
    assert complaints.startswith(f"hhs-perf: cannot use postgresql+{driver}://me:")
    assert "geheim" not in complaints


def test_another_database_is_a_matter_of_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["partitions", "plan", "t", "--by", "month:ts", "--url", "sqlite://"]) == 78
    assert "need a URL of PostgreSQL" in capsys.readouterr().err
