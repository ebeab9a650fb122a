"""What the demo's server is started with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import pytest

from hhs_perf.demo._launch import Framework, check, environment, redis_url, with_l2
from hhs_perf.exceptions import ConfigurationError

FRAMEWORKS: tuple[Framework, ...] = get_args(Framework)


def test_settings_that_blur_the_counts_are_left_out() -> None:
    made = environment(
        "s3cret",
        {
            "HHS_PERF_ENABLED": "false",
            "DATABASE_URL": "x",
            "DB_POOL_SIZE": "1",
            "ENABLE_QUERY_PROFILING": "false",
            "CACHE_L1_TTL": "1",
            "HHS_PERF_CACHE_L1_TTL": "1",
            "HHS_PERF_DIGEST": "auto",
            "A": "b",
        },
    )
    assert made == {
        "A": "b",
        "ENABLE_QUERY_PROFILING": "true",
        "HHS_PERF_NAMESPACE": "hhs-perf-demo",
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


def test_a_server_of_the_users_is_taken_as_l2() -> None:
    made = environment("s3cret", {"REDIS_URL": "redis://one", "HHS_PERF_REDIS_URL": "redis://two"})
    assert redis_url(made) == "redis://two"
    assert redis_url(environment("s3cret", {"REDIS_URL": "redis://one"})) == "redis://one"
    assert redis_url(environment("s3cret", {"REDIS_URL": ""})) is None


def test_l1_is_small_where_there_is_an_l2() -> None:
    made = environment("s3cret", {})
    assert with_l2(made, None) == made
    assert with_l2(made, "redis://x") == made | {"REDIS_URL": "redis://x", "CACHE_L1_MAXSIZE": "32"}
