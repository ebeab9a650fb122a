"""What can go wrong with a platform, to be armed one by one."""

from __future__ import annotations

import gzip
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, get_args

import attrs
import msgspec

from .inventing import folded
from .values import Answer, Limits, Refusal

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from .values import Delivery, FakePlatform

__all__ = ["FAULT_KINDS", "Armed", "Fault", "FaultKind"]

FaultKind = Literal[
    "rate_limited",  # in the platform's own spelling
    "throttled",  # likewise, hidden in another status: 403, 400 or 200
    "retry_after",  # 429 with Retry-After in seconds and nothing else
    "retry_after_date",  # 429 with Retry-After as a date of the server's clock
    "quota",
    "auth",
    "forbidden",
    "server",  # 503, or the `status` asked for
    "slow",  # the right answer after `wait` seconds
    "silent",  # no answer at all
    "stalled",  # headers and half of the body, then nothing
    "dripped",  # a byte each `wait` seconds
    "closed",  # the connection ends instead of an answer
    "reset",  # likewise, by RST
    "cut",  # the connection ends within the body
    "truncated",  # half of the JSON, as if it were all
    "huge",  # a body of `size` bytes
    "bomb",  # a small one that unpacks to `size` bytes
    "login_redirect",
    "login_page",  # 200 with a form
    "challenge",  # 403 with a page that asks for JavaScript
    "page",  # 200 with a page of any kind
    "page_type",  # the right JSON, called text/html
    "text_type",  # the right JSON, called text/plain
    "utf8",  # bytes that are no UTF-8
    "empty",  # 200 without a body
    "bare",  # 200 with {}
    "missing",  # the right JSON without any number
    "strings",  # with numbers as strings
    "nulls",
    "negative",
    "absurd",  # numbers of 40 digits
    "booleans",
    "hostile",  # markup, formulas and control characters for names
]
FAULT_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)

HOSTILE: Final = (
    "=cmd|'/C calc'!A0 <script>alert(1)</script> \u202ees\u0000\x1b[31m'; DROP TABLE x--"
)

_DELIVERIES: Final[dict[str, Delivery]] = {
    "slow": "whole",
    "silent": "silent",
    "stalled": "stalled",
    "dripped": "dripped",
    "closed": "closed",
    "reset": "reset",
    "cut": "cut",
}
_HTML: Final = {"content-type": "text/html; charset=utf-8"}
_PAGES: Final = {
    "login_page": (
        200,
        (
            b'<!DOCTYPE html><html><body><form action="/login"><input name="username">'
            b'<input name="password" type="password"></form></body></html>'
        ),
    ),
    "challenge": (
        403,
        (
            b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>"
            b'<script src="/cdn-cgi/challenge-platform/h/b/orchestrate"></script></body></html>'
        ),
    ),
    "page": (200, b"<!DOCTYPE html><html><body><h1>Welcome</h1></body></html>"),
}
_COUNTS: Final = ("count", "size", "subscribers", "total", "fan_")
_NAMES: Final = ("name", "displayname", "title", "localizedname", "display_name")


@attrs.frozen(kw_only=True)
class Fault:
    """One way to go wrong, and which requests it befalls.

    Of the requests to `platform`, or to all, that ask for `handle`, or for any, it leaves the
    first `skip` alone and takes a `share` of the others, by a seed, and at most `times` of them.
    """

    kind: FaultKind
    platform: str | None = None
    handle: str | None = None
    share: float = 1.0
    skip: int = 0
    times: int | None = None
    wait: float | None = None
    """Seconds: until the platform may be asked again, or that the fault takes."""
    status: int | None = None
    """Another status than the usual one, where there is a choice."""
    size: int = 16 * 1024 * 1024

    def __attrs_post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"no such fault: {self.kind!r}; known are {', '.join(FAULT_KINDS)}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"a share is between 0 and 1, not {self.share!r}")

    def falsify(
        self, platform: FakePlatform, limits: Limits, right: Callable[[], Answer]
    ) -> Answer:
        """Give the wrong answer in place of the right one."""
        if self.kind in _DELIVERIES:
            pause = self.wait or (0.05 if self.kind == "dripped" else 0.0)
            return attrs.evolve(right(), delivery=_DELIVERIES[self.kind], pause=pause)
        refused = self._refused(platform, limits)
        if refused is not None:
            return refused
        if self.kind in _PAGES:
            status, page = _PAGES[self.kind]
            return Answer(status=status, headers=dict(_HTML), body=page)
        return _rewritten(self, right())

    def _refused(self, platform: FakePlatform, limits: Limits) -> Answer | None:
        wait = 2.0 if self.wait is None else self.wait
        match self.kind:
            case "rate_limited" | "throttled" | "quota" | "auth" | "forbidden":
                used_up = attrs.evolve(limits, used=limits.limit, reset_at=limits.now + wait)
                refusal = Refusal(kind=self.kind, limits=used_up, status=self.status)
                return platform.refuse(refusal)
            case "retry_after":
                return _too_many(str(int(wait)) if wait == int(wait) else str(wait))
            case "retry_after_date":
                return _too_many(formatdate(limits.now + wait, usegmt=True))
            case "server":
                headers = {} if self.wait is None else {"retry-after": str(int(self.wait))}
                return Answer(status=self.status or 503, headers=headers, body=b"unavailable")
            case "login_redirect":
                return Answer(status=302, headers={"location": "/accounts/login/?next=%2F"})
            case _:
                return None


@attrs.define
class Armed:
    """A fault and how far it is; guarded by the lock of its world."""

    fault: Fault
    _random: random.Random
    _seen: int = 0
    _left: int | None = None

    def __attrs_post_init__(self) -> None:
        self._left = self.fault.times

    def befalls(self, platform: str, handles: tuple[str, ...]) -> bool:
        """Tell whether a request goes wrong by it, and count it."""
        fault = self.fault
        if fault.platform is not None and fault.platform != platform:
            return False
        if fault.handle is not None and folded(fault.handle) not in map(folded, handles):
            return False
        self._seen += 1
        if self._seen <= fault.skip or self._left == 0:
            return False
        if fault.share < 1 and self._random.random() >= fault.share:
            return False
        if self._left is not None:
            self._left -= 1
        return True


def _too_many(retry_after: str) -> Answer:
    headers = {"content-type": "text/plain", "retry-after": retry_after}
    return Answer(status=429, headers=headers, body=b"Too Many Requests")


def _rewritten(fault: Fault, right: Answer) -> Answer:
    headers, body = right.headers, right.body
    match fault.kind:
        case "truncated":
            body = body[: len(body) // 2]
        case "huge":
            body = body[:-1] + b',"padding":"' + b"x" * fault.size + b'"}'
        case "bomb":
            headers = {**headers, "content-encoding": "gzip"}
            body = _bomb(fault.size)
        case "page_type":
            headers = {**headers, **_HTML}
        case "text_type":
            headers = {**headers, "content-type": "text/plain; charset=utf-8"}
        case "utf8":
            body = body.replace(b'":', b'\xff\xfe":', 1)
        case "empty":
            body = b""
        case "bare":
            body = b"{}"
        case _:
            changed = _changed(msgspec.json.decode(body), fault.kind)
            # A number of 40 digits is beyond what the encoder writes.
            body = msgspec.json.encode(changed).replace(b'"\\u0007', b"").replace(b'\\u0007"', b"")
    return attrs.evolve(right, headers=headers, body=body)


@lru_cache(maxsize=2)
def _bomb(size: int) -> bytes:
    return gzip.compress(b'{"padding":"' + b" " * size + b'"}', compresslevel=6)


def _changed(value: object, kind: FaultKind, key: str = "") -> object:
    """Change all numbers that are somebody's figures, or the names."""
    if isinstance(value, dict):
        held = {name: _changed(each, kind, name) for name, each in value.items()}
        if "title" in value and "display_name" in value:
            held["display_name"] = value["display_name"]  # the handle, on Reddit
        if kind == "missing":
            return {name: each for name, each in held.items() if not _is_count(name, value[name])}
        return held
    if isinstance(value, list):
        return [_changed(each, kind, key) for each in value]
    if kind == "hostile":
        is_name = isinstance(value, str) and key.lower() in _NAMES
        return f"{HOSTILE} {value}" if is_name else value
    return _false(value, kind) if _is_count(key, value) else value


def _is_count(key: str, value: object) -> bool:
    if isinstance(value, dict) and "_content" in value:
        value = value["_content"]
    is_number = isinstance(value, int) or (isinstance(value, str) and value.isdigit())
    plain = key.lower()
    return is_number and (plain == "_content" or any(each in plain for each in _COUNTS))


def _false(value: object, kind: FaultKind) -> object:
    match kind:
        case "strings":
            return str(value)
        case "nulls":
            return None
        case "negative":
            return f"-{value}" if isinstance(value, str) else -1
        case "absurd":
            return "9" * 40 if isinstance(value, str) else "\x07" + "9" * 40 + "\x07"
        case "booleans":
            return True
        case _:
            return value
