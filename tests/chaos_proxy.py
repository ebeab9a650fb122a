"""A TCP proxy that can be told to misbehave while it runs."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Literal, Self

from tests.servers import free_port

__all__ = ["ChaosProxy", "Mode"]

Mode = Literal["pass", "delay", "tarpit", "half_close"]


class ChaosProxy:
    """Stands before a server on 127.0.0.1; `url` is what clients are given.

    - `pass_()`: bytes go through, both ways.
    - `refuse()`: the listener is closed and what is open is cut: connecting is refused.
    - `delay(seconds)`: every answer comes so much later.
    - `tarpit()`: connecting succeeds, requests are taken, nothing is ever answered; open
      connections fall silent too.
    - `half_close()`: open and new connections get the end of stream instead of answers, while
      they may go on to send.
    - `cut()`: all open connections are reset now; the mode stays.

    Each mode holds until the next. `connections` counts those accepted, ever.
    """

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self.connections = 0
        # Guards mode, delay, listener, and the set of pairs.
        self._lock = threading.Lock()
        self._mode: Mode = "pass"
        self._seconds = 0.0
        self._pairs: set[_Pair] = set()
        self._listener: socket.socket | None = None
        self.port = free_port()
        self._listen()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def pass_(self) -> None:
        self._enter("pass")

    def delay(self, seconds: float) -> None:
        self._enter("delay", seconds)

    def tarpit(self) -> None:
        self._enter("tarpit")

    def half_close(self) -> None:
        self._enter("half_close")
        for pair in self._open():
            pair.end_answers()

    def refuse(self) -> None:
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            # Closing alone would leave the accepting thread, and so the port, in the kernel.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def cut(self) -> None:
        pairs = self._open()
        for pair in pairs:
            pair.reset()
        for pair in pairs:
            pair.ended.wait(1)

    def close(self) -> None:
        self.refuse()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enter(self, mode: Mode, seconds: float = 0.0) -> None:
        with self._lock:
            before, self._mode, self._seconds = self._mode, mode, seconds
            pairs = (
                list(self._pairs) if "half_close" in (before, mode) or before == "tarpit" else []
            )
        if mode != "half_close":
            # What was swallowed can't be made up for, so those connections end with their mode.
            for pair in pairs:
                pair.reset()
        self._listen()

    def _open(self) -> list[_Pair]:
        with self._lock:
            return list(self._pairs)

    def _listen(self) -> None:
        with self._lock:
            if self._listener is not None:
                return
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen(128)
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
            try:
                server = socket.create_connection(self._target, 5)
            except OSError:
                _reset(client)
                continue
            pair = _Pair(client, server)
            with self._lock:
                self._pairs.add(pair)
                mode = self._mode
            if mode == "half_close":
                pair.end_answers()
            for source, sink, answers in ((client, server, False), (server, client, True)):
                threading.Thread(
                    target=self._pump, args=(pair, source, sink, answers), daemon=True
                ).start()

    def _pump(self, pair: _Pair, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                with self._lock:
                    mode, seconds = self._mode, self._seconds
                if mode == "delay" and answers:
                    time.sleep(seconds)
                if mode in ("pass", "delay"):
                    sink.sendall(data)
            if not pair.was_reset:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            pair.reset()
        finally:
            if pair.one_way_ended():
                pair.reset()
                with self._lock:
                    self._pairs.discard(pair)
                pair.ended.set()


class _Pair:
    """The two sockets of one proxied connection."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        for sock in (client, server):
            sock.settimeout(None)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        self._server = server
        self._lock = threading.Lock()
        self._ways = 2
        self.was_reset = False
        # Only then has the kernel sent the resets: a thread that reads keeps a socket alive.
        self.ended = threading.Event()

    def end_answers(self) -> None:
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_WR)

    def one_way_ended(self) -> bool:
        """Note it; true when it was the last."""
        with self._lock:
            self._ways -= 1
            return self._ways == 0

    def reset(self) -> None:
        self.was_reset = True
        for sock in (self._client, self._server):
            _reset(sock)


def _reset(sock: socket.socket) -> None:
    """Close with a reset instead of an orderly end."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RD)
    sock.close()
