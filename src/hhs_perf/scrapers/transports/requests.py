"""A call, written as HTTP wants it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import attrs
import msgspec

from ...exceptions import ConfigurationError
from ..transport import SendError
from .bodies import ACCEPTED

if TYPE_CHECKING:
    from ..platform import Call

__all__ = ["Origin", "Prepared", "Writer", "origin_of", "proxy_of"]

Origin: TypeAlias = "tuple[str, str, int]"
"""Scheme, host and port, in lower case."""

_PORTS: Final = {"http": 80, "https": 443}
_PLAIN: Final = re.compile(r"[A-Za-z0-9/%:@!$&'()*+,;=~._-]*")
_SAFE: Final = "/%:@!$&'()*+,;=~"
_NO_LINE: Final = re.compile(r"[\x00\r\n]")


@attrs.frozen
class Prepared:
    """A request: where it goes, and what is sent there."""

    origin: Origin
    target: str = attrs.field(repr=False)
    """Path and query, percent-encoded."""
    headers: dict[str, str] = attrs.field(repr=False)
    """Under names in lower case, `host` first."""
    body: bytes | None = attrs.field(repr=False)


def origin_of(url: str) -> Origin:
    """Take scheme, host and port off a URL. Raises SendError for what names no host."""
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        port = None
    if not parts.hostname or port is None or parts.scheme not in _PORTS:
        raise SendError("address", "the URL names no host of http or https")
    return parts.scheme, parts.hostname, port


class Writer:
    """Writes the calls of one platform, most of which go to the origin of its `base_url`."""

    def __init__(self, base_url: str, user_agent: str) -> None:
        self.home = origin_of(base_url)
        self._user_agent = user_agent
        self._front = "{}://{}".format(*urlsplit(base_url)[:2])
        self._common = self._headers(self.home)

    def write(self, url: str, call: Call) -> Prepared:
        """Write a call. Raises SendError for what no request can hold, without showing it."""
        front = self._front
        if url.startswith(front) and url[len(front) : len(front) + 1] == "/":
            origin, headers = self.home, self._common.copy()
            path, _, query = url[len(front) :].partition("?")
        else:
            origin = origin_of(url)
            headers = self._headers(origin)
            parts = urlsplit(url)
            path, query = parts.path or "/", parts.query
        target = path if _PLAIN.fullmatch(path) else quote(path, safe=_SAFE)
        params = urlencode(list(call.params), quote_via=quote, safe=",:")
        if query or params:
            target = f"{target}?{query}{'&' if query and params else ''}{params}"
        body = None
        if call.json is not None:
            body = msgspec.json.encode(call.json)
            headers["content-type"] = "application/json"
            headers["content-length"] = str(len(body))
        for name, value in call.headers.items():
            if _NO_LINE.search(value) or not value.isascii():
                raise SendError("send", f"the value of the header {name} cannot be sent")
            headers[name.lower()] = value.strip()
        return Prepared(origin, target, headers, body)

    def _headers(self, origin: Origin) -> dict[str, str]:
        scheme, host, port = origin
        host = f"[{host}]" if ":" in host else host
        return {
            "host": host if port == _PORTS[scheme] else f"{host}:{port}",
            "user-agent": self._user_agent,
            "accept": "application/json",
            "accept-encoding": ACCEPTED,
        }


def proxy_of(origin: Origin) -> str | None:
    """Give the URL of the proxy that this machine wants asked for a host, as all clients find it.

    HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, or what macOS and Windows have for them.
    Raises ConfigurationError for one that speaks something else than HTTP.
    """
    scheme, host, port = origin
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(f"{host}:{port}"):
        return None
    spoken, is_given, _ = proxy.partition("://")
    if is_given and spoken not in ("http", "https"):
        raise ConfigurationError(f"a proxy has to be one of http or https, not {spoken}")
    return proxy if is_given else f"http://{proxy}"
