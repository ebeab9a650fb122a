"""The command line as a process: missing extras, outputs that take nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


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


@pytest.mark.parametrize(
    ("libraries", "extra"), [("sqlalchemy", "sql"), ("httpx aiohttp httpx2", "scrapers")]
)
def test_without_its_extra_a_scrape_names_the_command_that_installs_it(
    libraries: str, extra: str, tmp_path: Path
) -> None:
    (tmp_path / "accounts.json").write_text('[{"platform": "Bluesky", "handle": "hhs.gov"}]')
    arguments = ["scrape", f"{tmp_path}/accounts.json", "--to", f"sqlite:///{tmp_path}/a.db"]
    done = run_python(
        f"import sys; sys.modules.update(dict.fromkeys({libraries.split()!r}))\n"
        f"from hhs_perf.cli import main; sys.exit(main({arguments!r}))"
    )
    assert done.returncode == 78, done.stderr
    assert done.stderr.count("\n") == 1
    assert f"pip install 'hhs-perf[{extra}]'" in done.stderr


def test_a_list_of_platforms_needs_no_library_of_a_scrape() -> None:
    done = run_python(
        "import sys\n"
        "from hhs_perf.cli import main; main(['platforms', '--json'])\n"
        "print(sorted({'httpx', 'aiohttp', 'sqlalchemy', 'redis', 'celery'} & set(sys.modules)))"
    )
    assert done.stdout.endswith("]\n[]\n")


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
