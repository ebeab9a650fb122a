"""The demo's server: its port, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hhs_perf.demo._errors import DemoError
from hhs_perf.demo._server import DemoServer, listen
from hhs_perf.exceptions import ConfigurationError


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} on 127.0.0.1 is taken"):
            listen("127.0.0.1", port)


def test_a_stranger_on_localhost_by_ipv6_takes_the_port_too() -> None:
    """The name localhost leads there first, so the curl lines shown would."""
    try:
        other = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:  # no IPv6 on this machine: nobody can be there
        return
    with other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} on localhost is taken"):
            listen("127.0.0.1", port)


def test_a_host_that_is_not_ours_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on 192\.0\.2\.1"):
        listen("192.0.2.1", 0)


def ended_by(code: str, folder: Path) -> DemoServer:
    """Give a server whose process has done what `code` says."""
    (folder / "server.log").write_text("last words\n")
    process = subprocess.Popen([sys.executable, "-c", code])
    process.wait(30)
    return DemoServer("flask", "http://127.0.0.1:1", "", "", folder, process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_somebody_ended_is_no_error(number: int, tmp_path: Path) -> None:
    """A service manager ends all processes at once, and may reach the server first."""
    code = f"signal.signal({number:d}, signal.SIG_DFL); os.kill(os.getpid(), {number:d})"
    ended_by(f"import os, signal; {code}", tmp_path).wait()
    ended_by("", tmp_path).wait()


def test_a_server_that_ends_by_itself_is_an_error_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="ended with status 3") as told:
        ended_by("raise SystemExit(3)", tmp_path).wait()
    assert told.value.log == "last words"


def test_silence_of_a_server_that_has_ended_is_told_by_its_status(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"server ended with status 3$"):
        ended_by("raise SystemExit(3)", tmp_path).performance()


def test_stopping_is_not_cut_short_by_a_signal(tmp_path: Path) -> None:
    """Neither a process nor a file is left, whoever loses patience; handlers are as before."""
    parent = os.getpid()
    code = (
        "import os, signal, sys, time\n"
        "def end(number, frame):\n"
        f"    os.kill({parent}, signal.SIGINT)\n"
        f"    os.kill({parent}, signal.SIGTERM)\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open('ready', 'w').close()\n"
        "time.sleep(30)\n"
    )
    folder = tmp_path / "served"
    folder.mkdir()
    process = subprocess.Popen([sys.executable, "-c", code], cwd=folder)
    server = DemoServer("flask", "", "", "", folder, process)
    while not (folder / "ready").exists():
        assert process.poll() is None
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    server.stop()
    assert process.returncode == 0
    assert not folder.exists()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    server.stop()
