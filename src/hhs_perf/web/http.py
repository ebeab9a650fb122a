"""Requests and responses that belong to no framework."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import attrs
import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Request", "Response", "problem"]


@attrs.frozen(kw_only=True)
class Request:
    """A request to one of our routes.

    `query` has the decoded pairs in their order, `headers` lower-case names; `native` is the
    framework's own request, for authenticators of the host.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict)
    native: object = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Response:
    """A response, complete: no framework has to add a header or shorten a body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def problem(
    status: int, detail: str, headers: tuple[tuple[str, str], ...] = (), **extra: object
) -> Response:
    """Make an error body of RFC 9457, `application/problem+json`."""
    told = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    body = msgspec.json.encode({**told, "detail": detail, **extra})
    return Response(
        status=status,
        headers=(
            ("Content-Type", "application/problem+json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *headers,
        ),
        body=body,
    )
