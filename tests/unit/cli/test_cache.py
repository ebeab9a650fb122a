"""`hhs-perf cache`, as far as no server is needed."""

from __future__ import annotations

import re

import pytest

from hhs_perf.cli import main

NOBODY = "redis://:geheim@127.0.0.1:1/0"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["stats"],
        ["stats", "--redis-url", "http://:geheim@host/"],
        ["stats", "--redis-url", NOBODY, "--namespace", "a b"],
        ["stats", "--redis-url", NOBODY, "--limit", "0"],
        ["invalidate", "--redis-url", NOBODY],
        ["invalidate", "--redis-url", NOBODY, "--prefix", ""],
        ["invalidate", "--redis-url", NOBODY, "--tag", ""],
        ["invalidate", "--redis-url", NOBODY, "--key", ""],
        ["invalidate", "--redis-url", NOBODY, "--everything", "--limit", "5"],
        ["invalidate", "--redis-url", NOBODY, "--key", "\udcff"],
        ["stats", "--redis-url", NOBODY + "\udcfe"],
        ["warm", "--redis-url", NOBODY, "\udcff"],
        ["warm", "--redis-url", NOBODY, "--timeout", "0"],
        ["warm", "--redis-url", NOBODY, "--timeout", "nan"],
    ],
)
def test_a_usage_error_is_one_line_and_64(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", *arguments]) == 64
    shown, complaints = capsys.readouterr()
    assert shown == ""
    assert re.fullmatch(r"hhs-perf: .*--help\)\n", complaints)
    assert "geheim" not in complaints


@pytest.mark.parametrize(
    "arguments",
    [
        ["stats"],
        ["stats", "--dry-run"],
        ["invalidate", "--everything"],
        ["invalidate", "--key", "a"],
        ["invalidate", "--tag", "a", "--dry-run"],
        ["warm"],
        ["warm", "--dry-run", "--json"],
    ],
)
def test_a_server_that_is_not_there_is_one_line_and_4(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The password is masked, wherever the address came from."""
    monkeypatch.setenv("REDIS_URL", NOBODY)
    assert main(["cache", *arguments]) == 4
    assert capsys.readouterr() == (
        "",
        "hhs-perf: cannot use redis://:********@127.0.0.1:1/0: Connection refused\n",
    )


def test_a_setting_that_cannot_be_used_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HHS_PERF_CACHE_MAC_KEYS", "short:x")
    assert main(["cache", "stats", "--redis-url", NOBODY]) == 78
    assert "HHS_PERF_CACHE_MAC_KEYS" in capsys.readouterr().err


def test_the_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("stats", "invalidate", "warm"))
