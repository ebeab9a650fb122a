"""The tutorial of a platform plugin, done as it says; the suite, as authors run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "docs" / "tutorial" / name for name in ("platform_plugin.md", "platform_plugin_tests.md")
]
TEXT = "".join(page.read_text() for page in PAGES)
SUITE = ("--pyargs", "hhs_perf.scrapers.testing.conformance")
# By its module, whether hhs_perf is installed or not; other plugins would only take time.
PLUGIN = ("-p", "hhs_perf.pytest_plugin", "-p", "no:cacheprovider")


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run pytest in a folder; give its status and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *PLUGIN, "-o", "addopts=", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the tutorial fills."""
    folder = tmp_path_factory.mktemp("gazette")
    blocks = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
    for language, text in blocks:
        named = re.match(r"# (\S+\.py)\n", text)
        path = folder / (named[1] if named else "pyproject.toml")
        if named or language == "toml":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    assert len(list(folder.rglob("*.*"))) == 4
    return folder


def test_the_tutorials_plugin_passes_the_suite(package: Path) -> None:
    """With the command that the page shows."""
    command = re.search(r"```bash\npytest (.*?)```", TEXT, re.DOTALL)
    assert command is not None
    status, said = run(package, *command[1].replace("\\\n", " ").split())
    assert (status, "11 passed" in said) == (0, True), said


def test_the_tutorials_own_tests_pass(package: Path) -> None:
    """Offline, with the real engine."""
    status, said = run(package, "tests")
    assert (status, "1 passed" in said) == (0, True), said


def test_a_careless_plugin_is_told_what_became_a_figure(package: Path, tmp_path: Path) -> None:
    """As the page promises of a `count` that makes a number of anything."""
    careless = (package / "src" / "gazette_plugin.py").read_text()
    careless = re.sub(r"    if isinstance\(value, bool\).*?\n.*?\n", "", careless)
    careless = careless.replace("Figure.ok(value)", "Figure.ok(int(value))")
    (tmp_path / "careless_plugin.py").write_text(careless)
    (tmp_path / "gazette_samples.py").write_text(
        (package / "tests" / "gazette_samples.py").read_text()
    )
    named = ("--hhs-perf-platform", "careless_plugin:PLATFORM")
    samples = ("--hhs-perf-samples", "gazette_samples:SAMPLES")
    status, said = run(tmp_path, *SUITE, *named, *samples, "-o", "pythonpath=.")
    assert status == 1
    assert "test_hostile_numbers[gazette]" in said
    assert "for a number gave followers_count" in said


def test_the_suite_tries_all_that_are_installed(tmp_path: Path) -> None:
    """Without an option: ours, each by every rule, and nothing left out."""
    status, said = run(tmp_path, *SUITE)
    assert (status, "132 passed" in said, "skipped" in said) == (0, True, False), said


def test_a_name_that_leads_nowhere_is_a_usage_error(tmp_path: Path) -> None:
    """The message says which option is wrong."""
    status, said = run(tmp_path, *SUITE, "--hhs-perf-platform", "nowhere:PLATFORM")
    assert status != 0
    assert "--hhs-perf-platform" in said
    assert "nowhere" in said
