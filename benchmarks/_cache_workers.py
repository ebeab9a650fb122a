"""Processes that share a cache, and what they send to Redis."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parent.parent


class Workers:
    """Processes of `_cache_worker`, which are told what to do."""

    def __init__(self, count: int, url: str, namespace: str, contender: str = "ours") -> None:
        command = [sys.executable, "-m", "benchmarks._cache_worker", url, namespace, contender]
        self._processes = [
            subprocess.Popen(
                command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            for _ in range(count)
        ]
        for place in range(count):
            assert self.answer(place) == "ready"

    def __len__(self) -> int:
        """Count them."""
        return len(self._processes)

    def tell(self, place: int, deed: str, **arguments: object) -> None:
        """Ask one for a deed."""
        stdin = self._processes[place].stdin
        assert stdin is not None
        stdin.write(json.dumps({"deed": deed, **arguments}) + "\n")
        stdin.flush()

    def answer(self, place: int) -> Any:  # noqa: ANN401 - any JSON
        """Read what one says."""
        stdout = self._processes[place].stdout
        assert stdout is not None
        line = stdout.readline()
        assert line, "a worker ended"
        return json.loads(line)

    def all(self, deed: str, **arguments: object) -> list[Any]:
        """Ask all for a deed, and wait for their answers."""
        for place in range(len(self)):
            self.tell(place, deed, **arguments)
        return [self.answer(place) for place in range(len(self))]

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.kill()
            process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Commands:
    """Counts the commands that a server is sent while it is entered; what scripts do is theirs."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port))
        self._lines: list[bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        with self._sock.makefile("rb") as stream:
            self._lines.extend(stream)

    @property
    def seen(self) -> Sequence[bytes]:
        """The lines of MONITOR that tell of a client's command other than PING."""
        return [
            line
            for line in self._lines
            if b'"' in line and b" lua]" not in line and b'"PING"' not in line
        ]

    def __enter__(self) -> Self:
        self._sock.sendall(b"MONITOR\r\n")
        assert self._sock.recv(5) == b"+OK\r\n"
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # What is on its way comes before the answer to this.
        self._sock.shutdown(socket.SHUT_WR)
        self._thread.join(10)
        self._sock.close()
