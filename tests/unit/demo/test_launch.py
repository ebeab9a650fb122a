"""What the demo's server is started with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import pytest

from hhs_perf.demo._launch import Framework, check, environment
from hhs_perf.exceptions import ConfigurationError

FRAMEWORKS: tuple[Framework, ...] = get_args(Framework)


def test_settings_that_blur_the_counts_are_left_out() -> None:
    made = environment(
        "s3cret",
        {"HHS_PERF_ENABLED": "false", "REDIS_URL": "x", "HHS_PERF_DIGEST": "auto", "A": "b"},
    )
    assert made == {
        "A": "b",
        "HHS_PERF_DIGEST": "auto",
        "HHS_PERF_EVALUATE_EVERY": "0.1",
        "HHS_PERF_TOKENS": "viewer+admin:demo=s3cret",
        "PYTHONUNBUFFERED": "1",
    }


def test_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server runs in a folder of its own; a colon separates some of them only."""
    monkeypatch.chdir(tmp_path)
    made = environment(
        "s3cret", {"HHS_PERF_SLA_FILE": "a:b.toml", "PYTHONPATH": os.pathsep.join(("src", "lib"))}
    )
    assert made["HHS_PERF_SLA_FILE"] == str(tmp_path / "a:b.toml")
    assert made["PYTHONPATH"] == os.pathsep.join((str(tmp_path / "src"), str(tmp_path / "lib")))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("name", "value"), [("HHS_PERF_SLA_FILE", "/absent.toml"), ("HHS_PERF_DIGEST", "nonsense")]
)
def test_a_setting_that_would_end_the_server_is_told(
    framework: Framework, name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError, match=value):
        check(framework, environment("s3cret-s3cret-s3cret", {name: value}))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_nothing_set_is_fine(framework: Framework) -> None:
    check(framework, environment("s3cret-s3cret-s3cret", {}))
