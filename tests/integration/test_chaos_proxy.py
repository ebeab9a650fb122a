"""The proxy that the fault tests trust does what it is told."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from tests.chaos_proxy import ChaosProxy
from tests.servers import Server

Proxied = Callable[[Server], ChaosProxy]


def _connect(proxy: ChaosProxy) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", proxy.port), 5)
    sock.settimeout(0.3)
    return sock


def _ping(sock: socket.socket) -> bytes:
    sock.sendall(b"PING\r\n")
    return sock.recv(100)


def test_bytes_pass(valkey: Server, proxied: Proxied) -> None:
    proxy = proxied(valkey)
    with _connect(proxy) as sock:
        assert _ping(sock) == b"+PONG\r\n"
    assert proxy.connections == 1


def test_a_refusing_proxy_cuts_what_is_open_and_comes_back_on_its_port(
    valkey: Server, proxied: Proxied
) -> None:
    proxy = proxied(valkey)
    port = proxy.port
    with _connect(proxy) as sock:
        _ping(sock)
        proxy.refuse()
        with pytest.raises(OSError):
            assert _ping(sock) != b""
    with pytest.raises(ConnectionRefusedError):
        _connect(proxy)
    proxy.pass_()
    assert proxy.port == port
    with _connect(proxy) as sock:
        assert _ping(sock) == b"+PONG\r\n"


def test_a_delay_holds_answers_back(valkey: Server, proxied: Proxied) -> None:
    proxy = proxied(valkey)
    with _connect(proxy) as sock:
        proxy.delay(0.1)
        start = time.monotonic()
        assert _ping(sock) == b"+PONG\r\n"
        assert time.monotonic() - start >= 0.1


def test_a_tarpit_accepts_and_never_answers(valkey: Server, proxied: Proxied) -> None:
    proxy = proxied(valkey)
    with _connect(proxy) as before:
        _ping(before)
        proxy.tarpit()
        with _connect(proxy) as after:
            for sock in (before, after):
                with pytest.raises(TimeoutError):
                    _ping(sock)


def test_a_half_closed_connection_ends_its_answers_and_still_takes_bytes(
    valkey: Server, proxied: Proxied
) -> None:
    proxy = proxied(valkey)
    with _connect(proxy) as sock:
        _ping(sock)
        proxy.half_close()
        assert sock.recv(100) == b""
        sock.sendall(b"PING\r\n")
        sock.sendall(b"PING\r\n")


def test_a_cut_resets_what_is_open_and_lets_new_ones_in(valkey: Server, proxied: Proxied) -> None:
    proxy = proxied(valkey)
    with _connect(proxy) as sock:
        _ping(sock)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            sock.recv(100)
    with _connect(proxy) as sock:
        assert _ping(sock) == b"+PONG\r\n"
