"""The commands, their help and their options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hhs_perf.cli import main
from hhs_perf.cli._commands import hhs_perf as command_line


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("cache", "demo", "status", "settings"))


@pytest.mark.parametrize(
    "command",
    ["demo", "status", "settings", "cache", "cache stats", "cache invalidate", "cache warm"],
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    assert "Usage: hhs-perf" in capsys.readouterr().out


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"hhs-perf \S.*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["status"],
        ["status", "localhost", "--timeout", "0"],
        ["status", "localhost", "--timeout", "nan"],
        ["status", "localhost", "extra"],
        ["demo", "--requests", "0"],
        ["demo", "--port", "65536"],
        ["demo", "--framework", "django"],
        ["demo", "--clients", "0"],
    ],
)
def test_a_usage_error_is_one_line_and_64(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 64
    shown, complaints = capsys.readouterr()
    assert shown == ""
    assert re.fullmatch(r"hhs-perf: .*--help\)\n", complaints)


def test_every_option_before_the_command_stands_in_the_docs() -> None:
    text = Path(__file__).parents[3].joinpath("docs/reference/cli.md").read_text("utf-8")
    assert {option.opts[0] for option in command_line.params} == {"--version", "--debug"}
    assert "`hhs-perf --version`" in text
    assert "| `--debug` |" in text
