from __future__ import annotations

from pathlib import Path

import pytest

from hhs_perf import ConfigurationError, Settings
from hhs_perf._setting_rows import describe


def test_defaults_need_no_environment() -> None:
    settings = Settings.from_env({})
    assert settings.enabled
    assert settings.metrics.max_series == 2000
    assert settings.evaluation.evaluate_every == 15.0
    assert settings.web.tokens == ()


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(
            {
                "HHS_PERF_ENABLED": "perhaps",
                "HHS_PERF_MAX_SERIES": "0",
                "HHS_PERF_EVALUATE_EVERY": "nan",
                "HHS_PERF_DIGEST": "hdr",
                "HHS_PERF_TOKENS": "root:hunter2-hunter2",
            }
        )
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "HHS_PERF_ENABLED",
        "HHS_PERF_DIGEST",
        "HHS_PERF_MAX_SERIES",
        "HHS_PERF_EVALUATE_EVERY",
        "HHS_PERF_TOKENS",
    ]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["inf", "-1", "0", "soon"])
def test_seconds_must_be_positive_and_finite(text: str) -> None:
    with pytest.raises(ConfigurationError, match="HHS_PERF_EVALUATE_EVERY"):
        Settings.from_env({"HHS_PERF_EVALUATE_EVERY": text})


def test_an_empty_variable_is_an_unset_one() -> None:
    assert Settings.from_env({"HHS_PERF_MAX_SERIES": ""}).metrics.max_series == 2000


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "perf.toml"
    file.write_text(
        "[settings]\nHHS_PERF_MAX_SERIES = 50\nHHS_PERF_IGNORE_ROUTES = ['/a', '/b*']\n"
    )
    settings = Settings.from_env({"HHS_PERF_CONFIG": str(file), "HHS_PERF_MAX_SERIES": "70"})
    assert settings.metrics.max_series == 70
    assert settings.web.ignore_routes == ("/a", "/b*")
    sources = {row.variable: row.source for row in describe(settings)}
    assert sources["HHS_PERF_MAX_SERIES"] == "environment"
    assert sources["HHS_PERF_IGNORE_ROUTES"] == "file"
    assert sources["HHS_PERF_DIGEST"] == "default"


def test_mistakes_of_file_and_environment_come_together(tmp_path: Path) -> None:
    file = tmp_path / "perf.toml"
    file.write_text("[settings]\nHHS_PERF_MAXSERIES = 5\nHHS_PERF_DIGEST = {}\n")
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({"HHS_PERF_CONFIG": str(file), "HHS_PERF_ENABLED": "2"})
    assert len(caught.value.problems) == 3
    assert f"{file}: settings.HHS_PERF_MAXSERIES: unknown setting" in caught.value.problems


@pytest.mark.parametrize("content", ["[settings", "settings = 3"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "perf.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"perf\.toml"):
        Settings.from_env({"HHS_PERF_CONFIG": str(file)})
    with pytest.raises(ConfigurationError, match="absent"):
        Settings.from_env({"HHS_PERF_CONFIG": str(tmp_path / "absent.toml")})


def test_misspelt_variables_are_kept_to_be_told() -> None:
    settings = Settings.from_env({"HHS_PERF_MAXSERIES": "1", "HHS_PERF_TOKEN": "x", "PATH": "/"})
    assert settings.unknown == ("HHS_PERF_MAXSERIES",)


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    settings = Settings.from_env({"HHS_PERF_TOKENS": "admin:ops=s3cret-s3cret"})
    shown = {row.variable: row.value for row in describe(settings)}
    assert shown["HHS_PERF_TOKENS"] == "********"
    assert "s3cret" not in repr(settings)


def test_settings_made_by_hand_say_so() -> None:
    from hhs_perf._settings import MetricsSettings

    rows = {row.variable: row for row in describe(Settings(metrics=MetricsSettings(max_series=9)))}
    assert (rows["HHS_PERF_MAX_SERIES"].source, rows["HHS_PERF_MAX_SERIES"].value) == ("code", "9")
