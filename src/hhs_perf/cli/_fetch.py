"""One question to a running application, with a deadline that no server can stretch."""

from __future__ import annotations

import socket
import ssl
from http import HTTPStatus
from http.client import HTTPException
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import BaseHandler, HTTPErrorProcessor, ProxyHandler, Request, build_opener

from ._report import ReplyError

if TYPE_CHECKING:
    from email.message import Message
    from http.client import HTTPResponse

__all__ = ["address_of", "fetch"]

_PATH: Final = "/api/performance"
_LARGEST: Final = 32 * 1024 * 1024


class _AsTold(HTTPErrorProcessor):
    """Gives every answer as it came.

    Redirects above all: the token would travel along, to whoever the server names.
    """

    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:  # noqa: ARG002 - urllib names the method
        """Give the answer as it came."""
        return response

    https_response = http_response


def address_of(url: str) -> str:
    """Complete `url` to the address of the figures; raises `ValueError` if it is no http address.

    The scheme may be left out (`http` then), and so may `/api/performance`.
    """
    given = url if "://" in url else f"http://{url}"
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an http or https address")
    if parts.username or parts.password:
        raise ValueError("an address with a user or password in it; use --token")
    if parts.port == 0 or not given.isprintable() or " " in given or not given.isascii():
        raise ValueError("not an http or https address")
    path = parts.path.rstrip("/")
    if not path.endswith(_PATH):
        path += _PATH
    return f"{parts.scheme}://{parts.netloc}{path}"


def fetch(address: str, *, token: str | None, timeout: float) -> bytes:
    """Read the body at `address` within `timeout` seconds.

    Raises `ReplyError` if nobody is there, if the answer is late, too large or not a success. No
    error names the token.
    """
    # A thread, since socket time-outs start anew with every byte and do not cover name look-ups.
    outcome: SimpleQueue[bytes | ReplyError] = SimpleQueue()

    def ask() -> None:
        try:
            outcome.put(_read(address, token, timeout))
        except ReplyError as exc:
            outcome.put(exc)

    Thread(target=ask, daemon=True).start()
    try:
        found = outcome.get(timeout=timeout)
    except Empty:
        raise ReplyError(f"{address} did not answer within {timeout:g} s") from None
    if isinstance(found, ReplyError):
        raise found
    return found


def _read(address: str, token: str | None, timeout: float) -> bytes:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    handlers: list[BaseHandler] = [_AsTold()]
    if _is_this_machine(address):
        handlers.append(ProxyHandler({}))
    try:
        with build_opener(*handlers).open(
            Request(address, headers=headers),  # noqa: S310 -- http or https, see address_of
            timeout=timeout,
        ) as answer:
            status, told = answer.status, answer.headers
            body: bytes = answer.read(_LARGEST + 1)
    except URLError as exc:
        raise ReplyError(f"cannot reach {address}: {_reason(exc.reason)}") from exc
    except TimeoutError as exc:
        raise ReplyError(f"{address} did not answer within {timeout:g} s") from exc
    except (OSError, HTTPException, ValueError) as exc:
        raise ReplyError(f"{address} broke off its answer: {_reason(exc)}") from exc
    if status != HTTPStatus.OK:
        raise ReplyError(f"{address} {_refusal(status, told, token)}")
    if len(body) > _LARGEST:
        raise ReplyError(f"{address} answered with more than {_LARGEST // 2**20} MiB")
    declared = told.get("Content-Length")
    if declared is not None and declared != str(len(body)):
        # A bounded read does not complain about this by itself.
        raise ReplyError(f"{address} broke off its answer: {len(body)} of {declared} bytes came")
    return body


def _is_this_machine(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(status: int, headers: Message, token: str | None) -> str:
    match status:
        case 401 if token is None:
            return "wants a token: --token or HHS_PERF_TOKEN (401)"
        case 401:
            return "does not know this token (401)"
        case 403:
            return "refuses: the token lacks the role viewer (403)"
        case 404:
            return "has no /api/performance (404)"
        case _ if 300 <= status < 400:  # noqa: PLR2004 -- the redirects
            target = str(headers.get("Location", "elsewhere"))[:200]
            return f"redirects to {target} ({status}); give that address if you trust it"
        case _:
            return f"answered {status}"


def _reason(cause: str | BaseException) -> str:
    match cause:
        case socket.gaierror():
            return "unknown host"
        case ssl.SSLCertVerificationError():
            return f"certificate not trusted ({cause.verify_message})"
        case TimeoutError():
            return "no answer in time"
        case OSError(strerror=str(text)):
            return text
        case HTTPException():
            return "not HTTP, or cut short"
        case _:
            return type(cause).__name__
