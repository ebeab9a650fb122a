"""The seam between the engine and the library that speaks HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from .platform import Call, Platform, Reply

__all__ = ["Phase", "SendError", "Transport", "TransportFactory", "TransportOptions"]

Phase = Literal["address", "connect", "send", "read", "total"]


@attrs.frozen(kw_only=True)
class TransportOptions:
    """What a transport has to keep to. Seconds and bytes."""

    connect_timeout: float
    read_timeout: float
    total_timeout: float
    max_body: int
    user_agent: str
    max_connections: int


class SendError(Exception):
    """No reply came. `detail` holds no query, no header and no secret.

    `phase` tells where it ended: `address` is a host that may not be asked.
    """

    def __init__(self, phase: Phase, detail: str) -> None:
        self.phase = phase
        self.detail = detail
        super().__init__(f"{phase}: {detail}")


class Transport(Protocol):
    """Sends the requests of one platform, in one event loop."""

    async def send(self, url: str, call: Call) -> Reply:
        """Send `call` to `url`, which is absolute, without the query of `call.params`.

        Redirects are not followed: the reply says where they lead. Raises SendError.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


TransportFactory: TypeAlias = "Callable[[Platform, TransportOptions], Transport]"
"""Makes the transport of one platform, in the event loop that will use it."""
