"""`hhs-perf settings`: every setting, and the mistakes of an application's configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hhs_perf import Settings
from hhs_perf.cli import main


def test_settings_tell_value_source_meaning_and_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HHS_PERF_MAX_SERIES", "700")
    monkeypatch.setenv("HHS_PERF_TOKENS", "admin:ops=hunter2-hunter2")
    assert main(["settings"]) == 0
    shown = capsys.readouterr().out
    lines = {line.split()[1]: line for line in shown.splitlines() if "HHS_PERF_" in line}
    assert "700" in lines["HHS_PERF_MAX_SERIES"]
    assert "environment" in lines["HHS_PERF_MAX_SERIES"]
    assert "default" in lines["HHS_PERF_EVALUATE_EVERY"]
    assert "hunter2" not in shown
    assert re.search(r"Active digest engine: (fastdigest|tdigest)\n", shown)


def test_settings_as_json_hold_every_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HHS_PERF_TOKENS", "admin:ops=hunter2-hunter2")
    assert main(["settings", "--json"]) == 0
    text = capsys.readouterr().out
    shown = json.loads(text)
    assert {row["variable"] for row in shown["settings"]} == set(Settings.from_env({}).sources)
    assert all(
        set(row) == {"variable", "value", "source", "default", "meaning"}
        for row in shown["settings"]
    )
    assert shown["digest_engine"] in {"fastdigest", "tdigest"}
    assert "hunter2" not in text


def test_a_configuration_error_is_one_line_and_78(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All mistakes stand in that line."""
    monkeypatch.setenv("HHS_PERF_MAX_SERIES", "-1")
    monkeypatch.setenv("HHS_PERF_EVALUATE_EVERY", "soon")
    assert main(["settings"]) == 78
    shown, complaints = capsys.readouterr()
    assert shown == ""
    assert complaints.count("\n") == 1
    assert "HHS_PERF_MAX_SERIES" in complaints
    assert "HHS_PERF_EVALUATE_EVERY" in complaints


@pytest.mark.parametrize(
    "content", [None, "no TOML", '[sla.mine.p95]\nfigure = "nonsense"\n', "[surprise]\n"]
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_bad_sla_file_is_one_line_and_78(
    content: str | None,
    form: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The application could not start with it either."""
    file = tmp_path / "sla.toml"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("HHS_PERF_SLA_FILE", str(file))
    assert main(["settings", *form]) == 78
    shown, complaints = capsys.readouterr()
    assert shown == ""
    assert complaints.count("\n") == 1
    assert str(file) in complaints


def test_a_variable_that_means_nothing_is_a_note(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be misspelt; the note is on stderr, so the JSON stays JSON."""
    monkeypatch.setenv("HHS_PERF_MAX_SERIE", "700")
    assert main(["settings", "--json"]) == 0
    shown, complaints = capsys.readouterr()
    assert json.loads(shown)["settings"]
    assert complaints == "hhs-perf: note: HHS_PERF_MAX_SERIE means nothing to hhs_perf\n"
