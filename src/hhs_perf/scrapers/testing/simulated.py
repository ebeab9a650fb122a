"""A transport without sockets: fake platforms in the same process, with simulated latency."""

from __future__ import annotations

import asyncio
import random
import zlib
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from ..._clock import SystemClock
from ..platform import Reply
from ..transport import SendError

if TYPE_CHECKING:
    from ..._clock import Clock
    from ..platform import Call, Platform
    from ..transport import TransportFactory, TransportOptions
    from .values import Answer
    from .world import FakeWorld

__all__ = ["SimulatedTransport"]

_LOST: Final = ("closed", "reset", "cut")


class SimulatedTransport:
    """Sends requests to a FakeWorld. It waits between a half and one and a half `latency`.

    What goes wrong on the way is a SendError at once, with the phase that a socket would have: no
    time-out is waited for.
    """

    def __init__(
        self,
        world: FakeWorld,
        platform: Platform,
        options: TransportOptions,
        *,
        latency: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        self._world = world
        self._platform = platform.name
        self._options = options
        self._latency = latency
        self._clock = clock or SystemClock()
        self._chance = random.Random(f"{world.seed} {platform.name}")  # noqa: S311 - no secret

    @classmethod
    def of(
        cls, world: FakeWorld, *, latency: float = 0.0, clock: Clock | None = None
    ) -> TransportFactory:
        """Give what makes the transport of any platform that `world` has."""

        def make(platform: Platform, options: TransportOptions) -> SimulatedTransport:
            return cls(world, platform, options, latency=latency, clock=clock)

        return make

    async def send(self, url: str, call: Call) -> Reply:
        """Send `call` as any transport does; raises SendError where the world lets it be lost."""
        await asyncio.sleep(self._latency * (0.5 + self._chance.random()))
        parts = urlsplit(url)
        headers = {"user-agent": self._options.user_agent, "host": parts.netloc}
        headers.update((name.lower(), value) for name, value in call.headers.items())
        answer = self._world.answer_raw(
            self._platform,
            call.method,
            parts.netloc,
            parts.path,
            urlencode(list(call.params)),
            headers,
            b"" if call.json is None else msgspec.json.encode(call.json),
        )
        return self._received(answer)

    async def close(self) -> None:
        """Let go of nothing: there is no connection."""

    def _received(self, answer: Answer) -> Reply:
        if answer.delivery in ("silent", "stalled"):
            raise SendError("read", "no bytes in time")
        if answer.delivery in _LOST:
            raise SendError("read", "the connection was lost")
        if answer.delivery == "dripped":
            raise SendError("total", "not whole in time")
        if answer.delivery == "whole" and answer.pause > self._options.read_timeout:
            raise SendError("read", "no bytes in time")
        body, cap = answer.body, self._options.max_body
        if answer.headers.get("content-encoding") == "gzip":
            body = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(body, cap + 1)
        return Reply(
            status=answer.status,
            headers=answer.headers,
            body=body[:cap],
            received_at=self._clock.wall(),
            is_cut=len(body) > cap,
        )
