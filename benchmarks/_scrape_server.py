"""Ten platforms behind one socket, each reply after 20 ms; and one that says 429.

Usage: ``python -m benchmarks._scrape_server``; the port is said on stdout.  It takes the last core,
as scrapers take the first.  ``GET /pN/users/NAME`` gives a profile.  Behind ``/again/FREE/NAME``
each name is refused twice with a Retry-After of two seconds; ``GET /early`` tells how many of the
requests after a refusal came before those were over.  ``GET /dead/...`` is a login page, and
``/seen/pN`` tells how often a platform was asked.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Final

from benchmarks._scrape_cores import pin

LATENCY: Final = 0.02
AGAIN_AFTER: Final = 2
REFUSALS: Final = 2
_PAD: Final = "x" * 300


def _reply(body: bytes, status: str = "200 OK", kind: str = "json", *headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        "date: Tue, 24 Nov 2026 18:00:00 GMT",
        f"content-type: {'text/html' if kind == 'html' else 'application/json; charset=utf-8'}",
        "x-rate-limit-limit: 300",
        "x-rate-limit-remaining: 299",
        *headers,
        f"content-length: {len(body)}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body


class Platforms:
    """What the platforms answer, and how well they were treated."""

    def __init__(self) -> None:
        self.refused: dict[str, list[float]] = {}
        self.early = 0
        self.asked: Counter[str] = Counter()

    def answer(self, path: str) -> bytes:
        """Answer a request that has just come."""
        parts = path.partition("?")[0].strip("/").split("/")
        self.asked[parts[0]] += 1
        name = parts[-1]
        if parts[0] == "again":
            return self._again(name)
        if parts[0] == "dead":
            return _reply(b"<html><form action=/login><input name=password>", kind="html")
        if parts[0] == "early":
            return _reply(json.dumps({"early": self.early}).encode())
        if parts[0] == "seen":
            return _reply(json.dumps({"seen": self.asked[name]}).encode())
        return _reply(_profile(name))

    def _again(self, name: str) -> bytes:
        now = time.monotonic()
        before = self.refused.setdefault(name, [])
        if before and now < before[-1] + AGAIN_AFTER - 0.005:
            self.early += 1
        if len(before) >= REFUSALS:
            return _reply(_profile(name))
        before.append(now)
        return _reply(b"{}", "429 Too Many Requests", "json", f"retry-after: {AGAIN_AFTER}")


def _profile(name: str) -> bytes:
    number = sum(name.encode()) + 1000
    figures = {"followers_count": number, "following_count": 12, "tweet_count": 345}
    profile = {"id": str(number), "username": name, "name": "HHS", "public_metrics": figures}
    return json.dumps({"data": profile, "pad": _PAD}).encode()


class Connection(asyncio.Protocol):
    """One client, whose requests have no bodies."""

    def __init__(self, platforms: Platforms) -> None:
        self._platforms = platforms
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request 20 ms later."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            path = self._buffer[: self._buffer.index(b"\r\n")].split(b" ")[1].decode()
            self._buffer = self._buffer[end + 4 :]
            self._loop.call_later(LATENCY, self._write, self._platforms.answer(path))

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


async def main() -> None:
    """Serve until somebody ends the process."""
    platforms = Platforms()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(platforms), "127.0.0.1", 0, backlog=512)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    pin(-1)
    asyncio.run(main())
