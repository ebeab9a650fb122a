"""Keeps requests that go where an account's address says from going to the inside of a network.

A host of the list's choosing may have a name that leads to this machine, to a neighbour or to a
cloud's metadata. So its addresses are looked up first, one that is not public refuses the host,
and the connection is made to the very addresses that were looked at: a second look-up might
answer differently (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, Final, TypeAlias

from ..transport import SendError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Guard", "Lookup", "is_public"]

Lookup: TypeAlias = "Callable[[str, int], Awaitable[list[str]]]"
"""Gives the addresses of a host, for a port; raises OSError."""

_HTTPS: Final = 443
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
# Addresses in which an IPv4 address is written: the network, and how far right it stands.
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the way to all of IPv4
_REFUSED: Final = (
    ipaddress.IPv6Network("2001::/23"),  # RFC 2928: Teredo and other protocols, no servers
    ipaddress.IPv6Network("2001:db8::/32"),  # RFC 3849
    ipaddress.IPv6Network("2002::/16"),  # RFC 7526: 6to4, given up
    ipaddress.IPv6Network("3fff::/20"),  # RFC 9637
    ipaddress.IPv4Network("192.0.0.0/24"),  # RFC 6890, of which Python 3.11 knows a part
    ipaddress.IPv4Network("192.88.99.0/24"),  # RFC 7526
)


async def _look_up(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class Guard:
    """Says which addresses a host of somebody else's choosing may be asked at."""

    def __init__(self, look_up: Lookup = _look_up) -> None:
        self._look_up = look_up

    async def addresses(self, scheme: str, host: str, port: int) -> tuple[str, ...]:
        """Give the public addresses of a host, each once, in their order.

        Raises SendError: `address` for what may not be asked, `connect` for a name that has no
        address.
        """
        if scheme != "https" or port != _HTTPS:
            raise SendError("address", f"{host} may be asked by https at port 443 only")
        if _is_literal(host):
            raise SendError("address", f"{host} is an address, not the name of a host")
        try:
            found = await self._look_up(host, port)
        except (OSError, UnicodeError) as exc:
            raise SendError("connect", f"{host} has no address") from exc
        if not found:
            raise SendError("connect", f"{host} has no address")
        if not all(is_public(each) for each in found):
            raise SendError("address", f"{host} leads to an address that is not public")
        return tuple(dict.fromkeys(found))


def is_public(text: str) -> bool:
    """Tell whether an IP address belongs to a host of the public Internet, as far as it says."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address in _TRANSLATED:
            return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)))
        if address not in _UNICAST:
            return False
    elif address.is_multicast or address.is_reserved:
        return False
    return address.is_global and not any(
        address in each for each in _REFUSED if each.version == address.version
    )


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        # `2130706433`, `0x7f.1` and `127.1` are addresses to the C library.
        last = host.rstrip(".").rpartition(".")[2].lower()
        return last.isdigit() or last.startswith("0x")
    return True
