"""What a reply means before a platform looks into it: HTTP's statuses, login pages, limits."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .platform import RateSignal
from .values import Failure

if TYPE_CHECKING:
    from .platform import Reply
    from .values import FailureKind

__all__ = ["by_status", "is_no_answer", "merged", "retry_after", "seconds_until", "server_time"]

_KINDS: Final[dict[int, FailureKind]] = {
    401: "auth",
    402: "quota_exhausted",
    403: "forbidden",
    404: "not_found",
    408: "server",
    410: "not_found",
    425: "server",
    429: "rate_limited",
}
_WALL: Final = re.compile(
    rb"just a moment|challenge-platform|cf-chl|captcha|verify you are human|enable javascript and"
    rb"|<form[^>]{0,200}log-?in|name=[\"']?(?:pass|password)\b|/accounts/login|/checkpoint/",
    re.IGNORECASE,
)
_WALL_PATH: Final = re.compile(
    r"log-?in|sign-?in|checkpoint|challenge|captcha|consent|authwall", re.IGNORECASE
)
_LOOKED_AT: Final = 65_536
_SHOWN: Final = 200
_REDIRECT: Final = 300
_REFUSED: Final = 400
_FAILED: Final = 500


def by_status(reply: Reply) -> Failure | None:
    """Tell what a reply means by HTTP alone: its status, where it leads, whether it is a page.

    None is a reply of 2xx that is no page; what is in it is the platform's to say.
    """
    status = reply.status
    kind: FailureKind | None = None
    detail, wait = f"HTTP {status}", None
    if reply.is_cut:
        kind, detail = "schema_changed", "the reply is larger than allowed"
    elif _REDIRECT <= status < _REFUSED:
        to = reply.headers.get("location", "")
        kind = "challenge" if _WALL_PATH.search(to) else "schema_changed"
        detail = f"HTTP {status} leads to {_without_query(to)}"
    elif _is_page(reply) and _WALL.search(reply.body[:_LOOKED_AT]):
        kind, detail = "challenge", f"HTTP {status} with a login page or a challenge"
    elif status >= _REFUSED:
        kind = "server" if status >= _FAILED else _KINDS.get(status, "schema_changed")
        wait = retry_after(reply)
    elif _is_page(reply):
        kind, detail = "schema_changed", f"HTTP {status} with a page, not JSON"
    return None if kind is None else Failure(kind=kind, detail=detail, wait=wait)


def is_no_answer(reply: Reply) -> bool:
    """Tell whether there is nothing in a reply for its platform to look into."""
    return reply.is_cut or _REDIRECT <= reply.status < _REFUSED or _is_page(reply)


def retry_after(reply: Reply) -> float | None:
    """Give the seconds that Retry-After names, as a number or as a date (RFC 9110, 10.2.3)."""
    text = reply.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        at = _moment(text)
        return None if at is None else seconds_until(reply, at)
    return seconds if 0 <= seconds < float("inf") else None


def seconds_until(reply: Reply, at: float) -> float:
    """Give the seconds from the reply to a moment on the server's clock, which may be wrong."""
    return max(0.0, at - server_time(reply))


def server_time(reply: Reply) -> float:
    """Give the server's clock by its Date header, ours where it has none; seconds since 1970."""
    text = reply.headers.get("date")
    at = _moment(text) if text else None
    return reply.received_at if at is None else at


def merged(reply: Reply, signal: RateSignal | None) -> RateSignal | None:
    """Add what Retry-After says to what the platform's own spelling says: the longer holds."""
    wait = retry_after(reply)
    if wait is None:
        return signal
    if signal is None:
        return RateSignal(wait=wait)
    longest = wait if signal.wait is None else max(wait, signal.wait)
    return RateSignal(wait=longest, remaining=signal.remaining, used=signal.used)


# The replies of a second share a date, and reading one takes 10 µs.
@lru_cache(maxsize=64)
def _moment(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _is_page(reply: Reply) -> bool:
    kind = reply.headers.get("content-type", "").lower()
    if "html" in kind:
        return True
    return "json" not in kind and reply.body[:64].lstrip().lower().startswith(
        (b"<!doctype", b"<html")
    )


def _without_query(location: str) -> str:
    return location.partition("?")[0].partition("#")[0][:_SHOWN] or "nowhere"
