"""The shell lines of README and docs work when they are pasted, against a running demo."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What a curl line says, for machines that have no curl: the options that the docs use, no more.
CURL = """
import argparse, sys, urllib.request, urllib.error
read = argparse.ArgumentParser(allow_abbrev=False)
read.add_argument("-H", action="append", default=[])
read.add_argument("-X", default="GET")
read.add_argument("-i", action="store_true")
read.add_argument("-s", action="store_true")
read.add_argument("-o")
read.add_argument("-w")
read.add_argument("--compressed", action="store_true")
read.add_argument("url")
said = read.parse_args()
headers = dict(line.split(": ", 1) for line in said.H)
if said.compressed:
    headers["Accept-Encoding"] = "gzip"
request = urllib.request.Request(said.url, headers=headers, method=said.X)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    status = opener.open(request, timeout=30).status
except urllib.error.HTTPError as error:
    status = error.code
print(status, end="")
"""


@attrs.frozen
class Demo:
    """A demo that serves: its address and its token."""

    url: str
    token: str


def _lines(program: str) -> list[str]:
    """Collect the lines of all bash blocks that start with `program`, each once."""
    found: dict[str, None] = {}
    for page in PAGES:
        for block in BLOCK.findall(page.read_text("utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                if re.match(rf"([A-Z_]+=\S+ )?{program} ", line):
                    found[" ".join(line.split())] = None
    return list(found)


@pytest.fixture(scope="module", params=["flask", "fastapi"])
def demo(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    """A demo on a free port, after its traffic, as a newcomer has it."""
    log = tmp_path_factory.mktemp("demo") / "stderr"
    options = ["--framework", request.param, "--port", "0", "--requests", "300"]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "hhs_perf", "demo", *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        ) as process,
    ):
        assert process.stdout is not None
        try:
            url = token = ""
            for line in process.stdout:
                if match := re.match(r"Serving on (\S+) until", line):
                    url = match[1]
                if match := re.match(r"  token +(\S+)", line):
                    token = match[1]
                if url and line.startswith("curl "):
                    break
            assert url, log.read_text("utf-8")
            assert token
            yield Demo(url, token)
        finally:
            process.terminate()
            process.stdout.read()


@pytest.fixture(scope="module")
def path_with_tools(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH that has `curl` and `hhs-perf`, on machines without them, too."""
    folder = tmp_path_factory.mktemp("bin")
    tools = {"hhs-perf": "-m hhs_perf"}
    if shutil.which("curl") is None:
        script = folder / "curl.py"
        script.write_text(CURL, "utf-8")
        tools["curl"] = str(script)
    for name, what in tools.items():
        tool = folder / name
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" {what} "$@"\n', "utf-8")
        tool.chmod(0o755)
    return os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])


def _run(line: str, demo: Demo, path: str) -> subprocess.CompletedProcess[str]:
    pasted = line.replace("http://localhost:5000", demo.url).replace("<token>", demo.token)
    env = {name: value for name, value in os.environ.items() if not name.startswith("HHS_PERF_")}
    return subprocess.run(
        ["sh", "-c", pasted],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env={**env, "PATH": path, "PYTHONIOENCODING": "utf-8"},
    )


def test_the_docs_have_the_curl_lines_of_the_guide() -> None:
    said = "\n".join(_lines("curl"))
    for path in ("", "/sla", "/alerts", "/cache"):
        line = (
            f'curl -H "Authorization: Bearer <token>" http://localhost:5000/api/performance{path}'
        )
        assert f"{line}\n" in f"{said}\n"


@pytest.mark.parametrize("line", _lines("curl"))
def test_a_curl_line_works_when_pasted(line: str, demo: Demo, path_with_tools: str) -> None:
    rest = line.removeprefix("curl ")
    done = _run(f"curl -s -o {os.devnull} -w '%{{http_code}}' {rest}", demo, path_with_tools)
    assert done.stderr == ""
    assert done.stdout == ("204" if "OPTIONS" in line else "200")


@pytest.mark.parametrize("line", _lines("hhs-perf status"))
def test_a_status_line_works_when_pasted(line: str, demo: Demo, path_with_tools: str) -> None:
    done = _run(line, demo, path_with_tools)
    assert done.stderr == ""
    assert done.returncode in {0, 1, 2}
    assert "api-response-time" in done.stdout
