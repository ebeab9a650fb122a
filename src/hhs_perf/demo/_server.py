"""The demo's server: a process of its own, as in production, that never outlives the demo."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

import attrs
import httpx

from ..exceptions import ConfigurationError
from ._errors import DemoError
from .queries import Figures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

__all__ = ["DemoServer", "Framework", "listen"]

Framework = Literal["flask", "fastapi"]

_NEEDS: Final[Mapping[Framework, tuple[str, ...]]] = {
    "flask": ("flask", "gunicorn"),
    "fastapi": ("fastapi", "uvicorn"),
}
_THREADS: Final = 8
_KEEP_ALIVE: Final = 75
_START_WITHIN: Final = 30.0
_STOP_WITHIN: Final = 10.0
_LOG_LINES_SHOWN: Final = 20
_ANOTHER: Final = "choose another one with --port"
# What of the user's own settings is worth trying in the demo; the rest could only blur its counts.
_SETTINGS_KEPT: Final = frozenset({"HHS_PERF_DIGEST", "HHS_PERF_SLA_FILE"})
_SETTINGS_DROPPED: Final = frozenset(
    {
        "DATABASE_READ_REPLICA_URL",
        "DATABASE_URL",
        "ENABLE_READ_REPLICA",
        "GUNICORN_CMD_ARGS",
        "REDIS_URL",
        "WEB_CONCURRENCY",
    }
)


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; port 0 takes any free one.

    Raises `ConfigurationError` if the port is taken or the host cannot be listened on. The socket
    is handed to the server as it is, so that nobody can take the port in between.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise ConfigurationError(f"cannot listen on {host}: {exc.strerror or exc}") from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as exc:
        listener.close()
        raise ConfigurationError(_unusable(host, port, exc)) from exc
    if port and _answers_elsewhere(family, port):
        listener.close()
        raise ConfigurationError(f"port {port} on localhost is taken (by IPv6); {_ANOTHER}")
    return listener


def _unusable(host: str, port: int, exc: OSError) -> str:
    match exc.errno:
        case errno.EADDRINUSE:
            return f"port {port} on {host} is taken by another program; {_ANOTHER}"
        case errno.EACCES:
            return f"port {port} on {host} needs more rights than you have; {_ANOTHER}"
        case _:
            return f"cannot listen on {host}: {exc.strerror or exc}"


def _answers_elsewhere(family: socket.AddressFamily, port: int) -> bool:
    # `localhost` is tried as ::1 first: a stranger there would get the curl lines shown by us.
    if family != socket.AF_INET or not socket.has_ipv6:
        return False
    try:
        with socket.create_connection(("::1", port), timeout=1):
            return True
    except OSError:
        return False


@attrs.define
class DemoServer:
    """A running server; leave the `with` block to stop it and remove its folder.

    `url` has no path, `token` holds every role on it.
    """

    framework: Framework
    url: str
    shown_url: str
    token: str
    _process: subprocess.Popen[bytes]
    _folder: Path

    @classmethod
    def start(cls, framework: Framework, host: str, port: int) -> Self:
        """Fill a database, start the server on it and wait until it answers.

        Raises `ConfigurationError` if the port or a package is not to be had and `DemoError` if
        the server does not start.
        """
        if os.name != "posix":
            raise ConfigurationError("the demo hands a socket to its server, which needs POSIX")
        missing = [name for name in _NEEDS[framework] if find_spec(name) is None]
        if missing:
            raise ConfigurationError.missing_extra(f"the demo on {framework}", "demo")
        listener = listen(host, port)
        folder = Path(tempfile.mkdtemp(prefix="hhs-perf-demo-"))
        token = secrets.token_urlsafe(24)
        url, shown_url = _addresses(listener)
        try:
            Figures.create(folder / "accounts.sqlite3").close()
            with (folder / "server.log").open("wb") as log:
                process = subprocess.Popen(  # noqa: S603 -- our own interpreter and arguments
                    _command(framework, listener.fileno()),
                    cwd=folder,  # else a gunicorn.conf.py lying about would be read
                    env=_environment(folder, token),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()],
                    process_group=0,  # Ctrl-C is ours to pass on, after the counts are taken
                )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            listener.close()  # from here on a server that dies refuses, instead of hanging
        server = cls(framework, url, shown_url, token, process, folder)
        try:
            server._wait_until_ready()
        except BaseException:
            server.stop()
            raise
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def performance(self, window: str | None = None) -> bytes:
        """Read the body of `GET /api/performance`, of its default window or of `window`."""
        query = {} if window is None else {"window": window}
        try:
            answer = httpx.get(
                f"{self.url}/api/performance",
                params=query,
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=_START_WITHIN,
                trust_env=False,  # a proxy has no business between us and ourselves
            )
        except httpx.HTTPError as exc:
            raise DemoError(f"the demo's server does not answer: {exc}", self.log_tail()) from exc
        if answer.status_code != httpx.codes.OK:
            said = f"the demo's server answered {answer.status_code}: {answer.text[:200]}"
            raise DemoError(said, self.log_tail())
        return answer.content

    def wait(self) -> None:
        """Wait until the server ends by itself, which is an error: `DemoError`."""
        status = self._process.wait()
        raise DemoError(f"the demo's server ended with status {status}", self.log_tail())

    def log_tail(self) -> str:
        """Give the last lines of the server's log."""
        text = (self._folder / "server.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-_LOG_LINES_SHOWN:])

    def stop(self) -> None:
        """Stop the server and remove its folder; a second call does nothing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        # The socket listens already: the question waits in it until the server comes to it.
        try:
            self.performance()
        except DemoError as exc:
            raise DemoError(f"the demo cannot start: {exc}", exc.log) from exc


def _addresses(listener: socket.socket) -> tuple[str, str]:
    host, port = listener.getsockname()[:2]
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- not bound here
    shown = "localhost" if reached in {"127.0.0.1", "::1"} else reached
    return _url(reached, port), _url(shown, port)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _environment(folder: Path, token: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _SETTINGS_KEPT or not (name.startswith("HHS_PERF_") or name in _SETTINGS_DROPPED)
    }
    for name in ("PYTHONPATH", "HHS_PERF_SLA_FILE"):
        if kept.get(name):
            paths = kept[name].split(os.pathsep)
            kept[name] = os.pathsep.join(str(Path(path).resolve()) for path in paths)
    return kept | {
        "DEMO_DATABASE": str(folder / "accounts.sqlite3"),
        "HHS_PERF_EVALUATE_EVERY": "0.1",  # so that who reads finds the alerts of this moment
        "HHS_PERF_TOKENS": f"viewer+admin:demo={token}",
        "PYTHONUNBUFFERED": "1",
    }


def _command(framework: Framework, fd: int) -> list[str]:
    guard = [sys.executable, "-m", "hhs_perf.demo._guard", str(os.getpid()), sys.executable, "-m"]
    if framework == "flask":
        return [
            *guard,
            "gunicorn",
            f"--bind=fd://{fd}",
            "--worker-class=gthread",
            "--workers=1",
            f"--threads={_THREADS}",
            f"--keep-alive={_KEEP_ALIVE}",
            "--timeout=120",
            "--graceful-timeout=2",
            "hhs_perf.demo.flask_app:create_app()",
        ]
    return [
        *guard,
        "uvicorn",
        f"--fd={fd}",
        "--factory",
        "--workers=1",
        f"--timeout-keep-alive={_KEEP_ALIVE}",
        "--timeout-graceful-shutdown=2",
        "--no-access-log",
        "hhs_perf.demo.fastapi_app:create_app",
    ]
