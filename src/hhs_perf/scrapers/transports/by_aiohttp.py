"""HTTP by aiohttp, whose parser is written in C: the transport that costs least."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from ..platform import Reply
from ..transport import SendError
from .bodies import Body, folded
from .requests import Writer, proxy_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from aiohttp.abc import ResolveResult

    from ..platform import Call
    from ..transport import TransportOptions
    from .guard import Guard

__all__ = ["AiohttpTransport"]

_KEPT_FOR: Final = 15.0
_LONGEST_LINE: Final = 65_536
_LONGEST_DETAIL: Final = 120


class AiohttpTransport:
    """Sends the requests of one platform."""

    def __init__(
        self,
        base_url: str,
        options: TransportOptions,
        tls: ssl.SSLContext,
        guard: Guard,
        wall: Callable[[], float],
    ) -> None:
        self._writer = Writer(base_url, options.user_agent)
        self._home = self._writer.home
        self._options = options
        self._guard = guard
        self._wall = wall
        self._proxy = proxy_of(self._home)
        self._checked = _Checked()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the engine has no more requests under way than it has workers
                ssl=tls,
                resolver=self._checked,
                use_dns_cache=False,  # a name of a guarded host is looked up by the guard alone
                keepalive_timeout=_KEPT_FOR,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=options.connect_timeout, sock_read=options.read_timeout
            ),
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        # It would send a request again at once, behind the back of who keeps the limits.
        self._session._retry_connection = False  # noqa: SLF001 - as aiohttp.test_utils does it

    async def send(self, url: str, call: Call) -> Reply:
        """Send `call` to `url`; see Transport."""
        # aiohttp's errors hold the request, token and all: none is chained.
        prepared = self._writer.write(url, call)
        scheme, host, port = prepared.origin
        seconds = self._options.total_timeout
        proxy = self._proxy
        try:
            async with asyncio.timeout(seconds):
                if prepared.origin != self._home:
                    proxy = None
                    addresses = await self._guard.addresses(scheme, host, port)
                    self._checked.pin(host, addresses)
                return await self._exchange(
                    call.method,
                    URL(f"{scheme}://{prepared.headers['host']}{prepared.target}", encoded=True),
                    headers=prepared.headers,
                    data=prepared.body,
                    proxy=proxy,
                )
        except aiohttp.ServerTimeoutError as exc:
            if isinstance(exc, aiohttp.ConnectionTimeoutError):
                within = f"{self._options.connect_timeout:g} s"
                raise SendError("connect", f"no connection to {host} within {within}") from None
            what = f"nothing came for {self._options.read_timeout:g} s"
            raise SendError("read", what) from None
        except TimeoutError:
            raise SendError("total", f"no whole reply within {seconds:g} s") from None
        except aiohttp.ClientConnectorCertificateError as exc:
            problem = getattr(exc.certificate_error, "verify_message", "")
            what = f"the certificate of {host} is not accepted: {problem}"
            raise SendError("connect", what) from None
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError) as exc:
            cause = getattr(exc, "os_error", None)
            problem = getattr(cause, "strerror", None) or type(exc).__name__
            raise SendError("connect", f"no connection to {host}: {problem}") from None
        except (aiohttp.ClientError, OSError) as exc:
            raise SendError("read", _said(exc)) from None
        except ValueError:
            raise SendError("send", "aiohttp refuses to send the request") from None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._session.close()
        # Transports of TLS are closed in the next rounds of the loop.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _exchange(self, method: str, url: URL, **request: Any) -> Reply:
        response = await self._session.request(method, url, allow_redirects=False, **request)
        is_whole = False
        try:
            headers = folded(response.raw_headers)
            body = Body(headers, self._options.max_body)
            async for chunk in response.content.iter_any():
                if not body.take(chunk):
                    break
            else:
                is_whole = True
            return Reply(
                status=response.status,
                headers=headers,
                body=body.whole(),
                received_at=self._wall(),
                is_cut=body.is_cut,
            )
        finally:
            if is_whole:
                response.release()
            else:
                response.close()


class _Checked(AbstractResolver):
    """Looks names up, except those whose addresses the guard has looked at."""

    def __init__(self) -> None:
        self._pinned: dict[str, tuple[str, ...]] = {}

    def pin(self, host: str, addresses: tuple[str, ...]) -> None:
        """Let the next connections to `host` be made to these addresses."""
        self._pinned[host] = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the addresses of a host."""
        pinned = self._pinned.get(host)
        if pinned is None:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(
                host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
            return [_as_found(host, port, str(each[4][0]), each[0]) for each in found]
        kinds = {True: socket.AF_INET6, False: socket.AF_INET}
        return [_as_found(host, port, each, kinds[":" in each]) for each in pinned]

    async def close(self) -> None:
        """Let go of nothing."""


def _as_found(host: str, port: int, address: str, family: int) -> ResolveResult:
    return {
        "hostname": host,
        "host": address,
        "port": port,
        "family": family,
        "proto": 0,
        "flags": socket.AI_NUMERICHOST,
    }


def _said(exc: Exception) -> str:
    """Say what went wrong, without what is quoted of the request."""
    if isinstance(exc, aiohttp.ServerDisconnectedError):
        return "the server went away without a reply"
    if isinstance(exc, aiohttp.ClientPayloadError):
        return "the body ended too early"
    if isinstance(exc, aiohttp.ClientResponseError):
        return f"the reply is no HTTP: {exc.message}"[:_LONGEST_DETAIL]
    return getattr(exc, "strerror", None) or type(exc).__name__
