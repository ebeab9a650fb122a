"""The command line as a whole: help, version, settings, and what becomes of errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from hhs_perf import Settings
from hhs_perf.cli import _commands, main


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for row in Settings.from_env({}).sources:
        monkeypatch.delenv(row, raising=False)


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("demo", "status", "settings"))


@pytest.mark.parametrize("command", ["demo", "status", "settings"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
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


def test_a_fault_of_ours_is_one_line_without_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise RuntimeError("token s3cret")

    monkeypatch.setattr(_commands, "fetch", fail)
    assert main(["status", "localhost"]) == 70
    complaints = capsys.readouterr().err
    assert re.fullmatch(
        r"hhs-perf: internal error: RuntimeError \(test_cli_main.py:\d+\)\n", complaints
    )


def test_an_interrupt_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(_commands, "fetch", interrupt)
    assert main(["status", "localhost"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("library", ["click", "rich"])
def test_without_its_extra_it_names_the_command_that_installs_it(library: str) -> None:
    done = run_python(
        f"import sys; sys.modules[{library!r}] = None\n"
        "from hhs_perf.cli import main; sys.exit(main(['settings']))"
    )
    assert done.returncode == 78
    assert done.stderr == "hhs-perf: needs an extra: pip install 'hhs-perf[cli]'\n"


@pytest.mark.parametrize("library", ["httpx", "sqlalchemy"])
def test_without_its_extra_the_demo_names_the_command_that_installs_it(library: str) -> None:
    done = run_python(
        f"import sys; sys.modules[{library!r}] = None\n"
        "from hhs_perf.cli import main; sys.exit(main(['demo']))"
    )
    assert done.returncode == 78
    assert done.stderr.count("\n") == 1
    assert "pip install 'hhs-perf[demo]'" in done.stderr


def test_status_needs_no_library_of_the_demo() -> None:
    done = run_python(
        "import sys\n"
        "from hhs_perf.cli import main; main(['status', '127.0.0.1:1'])\n"
        "print(sorted({'httpx', 'sqlalchemy', 'flask', 'fastapi'} & set(sys.modules)))"
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("redirection", "status", "said"),
    [(">/dev/full", 74, "hhs-perf: No space left on device\n"), (">&-", 0, ""), ("2>&-", 0, "")],
)
def test_an_output_that_takes_nothing_is_no_traceback(
    redirection: str, status: int, said: str
) -> None:
    command = f'"{sys.executable}" -m hhs_perf settings {redirection}'
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (status, said)


def test_letters_that_a_terminal_lacks_are_no_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hhs_perf", "settings"],
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
