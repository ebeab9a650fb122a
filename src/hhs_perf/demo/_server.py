"""The demo's server: a process of its own, as in production, that never outlives the demo."""

from __future__ import annotations

import errno
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import attrs
import httpx

from .._redis import masked
from ..exceptions import ConfigurationError
from ._errors import DemoError
from ._launch import check, command, environment, redis_url, with_l2
from ._valkey import EmbeddedValkey, binary, refusal_of
from .queries import Figures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from ._launch import Framework

__all__ = ["DemoServer", "listen"]

_START_WITHIN: Final = 30.0
_STOP_WITHIN: Final = 10.0
_DIES_WITHIN: Final = 2.0
_LOG_LINES_SHOWN: Final = 20
_ANOTHER: Final = "choose another one with --port"
_ENDING: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
# gunicorn ends with 0 when told to end, uvicorn by the signal that told it.
_ENDED_BY_SOMEBODY: Final = frozenset({0, *(-number for number in _ENDING)})


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
    _folder: Path
    _process: subprocess.Popen[bytes] | None = None
    _valkey: EmbeddedValkey | None = None
    l2: str = ""
    """What the second level of the cache is, in a few words."""

    @classmethod
    def start(cls, framework: Framework, host: str, port: int) -> Self:
        """Fill a database, start the server on it and wait until it answers.

        Raises `ConfigurationError`, before anything is started, if the port or a package is not to
        be had or a setting cannot be used, and `DemoError` if the server does not start.
        """
        token = secrets.token_urlsafe(24)
        environ = environment(token)
        check(framework, environ)
        listener = listen(host, port)
        url, shown_url = _addresses(listener)
        folder = Path(tempfile.mkdtemp(prefix="hhs-perf-demo-"))
        server = cls(framework, url, shown_url, token, folder)
        try:
            # When the listener is closed here, a server that dies refuses, instead of hanging.
            with listener:
                server._launch(listener, environ)
            server._wait_until_ready()
        except BaseException:
            server.stop()
            raise
        return server

    def _launch(self, listener: socket.socket, environ: dict[str, str]) -> None:
        url = redis_url(environ)
        if url is None:
            self._start_valkey()
        database = self._folder / "accounts.sqlite3"
        Figures.create(database).close()
        if url is not None:
            refusal = refusal_of(url)
            self.l2 = f"L2 is {masked(url)}, from the environment"
            if refusal is not None:
                # The server is told of it all the same, as in production; L1 has to serve alone.
                self.l2 = (
                    f"L1 alone: {masked(url)}, from the environment, cannot be used: {refusal}"
                )
                url = None
        elif self._valkey is not None and self._valkey.is_ready():
            url = self._valkey.url
            self.l2 = "L2 is a Valkey started for this demo"
        environ = with_l2(environ, url)
        with (self._folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and arguments
                command(self.framework, listener.fileno()),
                cwd=self._folder,  # else a gunicorn.conf.py lying about would be read
                env=environ | {"DATABASE_URL": f"sqlite:///{database}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
                process_group=0,  # Ctrl-C is ours to pass on, after the counts are taken
            )

    def _start_valkey(self) -> None:
        server = binary()
        if server is None:
            self.l2 = "L1 alone: there is no REDIS_URL, and the extra `embedded` is not installed"
            return
        self.l2 = "L1 alone: there is no REDIS_URL, and the embedded Valkey does not start"
        with suppress(OSError):
            self._valkey = EmbeddedValkey.launch(server, self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def performance(self, window: str | None = None, part: str = "") -> bytes:
        """Read the body of `GET /api/performance`, of its default window or of `window`.

        `part` is the rest of the path, such as `/cache`.
        """
        query = {} if window is None else {"window": window}
        try:
            answer = httpx.get(
                f"{self.url}/api/performance{part}",
                params=query,
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=_START_WITHIN,
                trust_env=False,  # a proxy has no business between us and ourselves
            )
        except httpx.HTTPError as exc:
            raise DemoError(self._silence(exc), self.log_tail()) from exc
        if answer.status_code != httpx.codes.OK:
            said = f"the demo's server answered {answer.status_code}: {answer.text[:200]}"
            raise DemoError(said, self.log_tail())
        return answer.content

    def wait(self) -> None:
        """Wait until somebody ends the server; raises `DemoError` if it ends by itself.

        Whoever ends all processes at once, a service manager say, may reach the server first.
        """
        if self._process is None:
            return
        status = self._process.wait()
        if status not in _ENDED_BY_SOMEBODY:
            raise DemoError(f"the demo's server ended with status {status}", self.log_tail())

    def log_tail(self) -> str:
        """Give the last lines of the server's log."""
        text = (self._folder / "server.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-_LOG_LINES_SHOWN:])

    def stop(self) -> None:
        """Stop the server and remove its folder; a second call does nothing."""
        with _undisturbed():
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()
                try:
                    self._process.wait(_STOP_WITHIN)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            if self._valkey is not None:
                self._valkey.stop()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _silence(self, exc: httpx.HTTPError) -> str:
        # A dying server resets its connections a moment before it has ended.
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                return f"the demo's server ended with status {self._process.wait(_DIES_WITHIN)}"
        return f"the demo's server does not answer: {str(exc) or type(exc).__name__}"

    def _wait_until_ready(self) -> None:
        # The socket listens already: the question waits in it until the server comes to it.
        try:
            self.performance()
        except DemoError as exc:
            raise DemoError(f"the demo cannot start: {exc}", exc.log) from exc


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep signals to end from cutting an ending short, which would leave processes and files."""
    numbers = _ENDING if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _addresses(listener: socket.socket) -> tuple[str, str]:
    host, port = listener.getsockname()[:2]
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- not bound here
    shown = "localhost" if reached in {"127.0.0.1", "::1"} else reached
    return _url(reached, port), _url(shown, port)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
