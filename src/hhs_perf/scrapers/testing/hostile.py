"""Texts, bodies and numbers that no platform should send, and some that do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from ..platform import Reply
    from ..values import FailureKind

__all__ = [
    "HANDLES",
    "JUNK",
    "LIMIT_HEADERS",
    "STATUSES",
    "URLS",
    "bodies",
    "replaced",
    "without_numbers",
]

HANDLES: Final = (
    "",
    " ",
    "@",
    "@@a",
    "A",
    "a b",
    "a/../../b",
    "..",
    "a?access_token=1",
    "a&b=c",
    "a#b",
    "a,b",
    "a%2Fb",
    "a\r\nHost: example.com",
    "a\x00b",
    "\u202eabc",
    "ünï",
    "一二三",
    "<script>",
    "'; DROP TABLE x--",
    "a){followers_count}",
    "1" * 300,
    "user:",
    "r/",
)
URLS: Final = (
    "https://x.com",
    "https://x.com/%00",
    "https://www.facebook.com/profile.php",
    "https://www.facebook.com/profile.php?id=",
    "https://www.youtube.com/@",
    "https://www.youtube.com/channel/",
    "https://www.youtube.com/watch?v=1",
    "https://www.linkedin.com/in/somebody",
    "https://www.reddit.com/r/",
    "https://bsky.app/profile/",
    "https://mastodon.social/@",
    "https://truthsocial.com/@%2F..%2F",
    "https://x.com/a/b/c/d/e/f",
    "https://x.com/?q=1",
    "https://xn--e1afmkfd.example/@a",
)
LIMIT_HEADERS: Final = (
    "retry-after",
    "date",
    "x-rate-limit-limit",
    "x-rate-limit-remaining",
    "x-rate-limit-reset",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-used",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "ratelimit-policy",
    "x-app-usage",
    "x-business-use-case-usage",
)
STATUSES: Final[Mapping[int, AbstractSet[FailureKind]]] = {
    301: {"schema_changed", "challenge"},
    400: {"schema_changed", "rate_limited", "auth", "forbidden", "not_found", "suspended"},
    401: {"auth", "forbidden"},
    403: {"forbidden", "auth", "rate_limited", "quota_exhausted", "suspended", "challenge"},
    404: {"not_found", "suspended"},
    429: {"rate_limited", "quota_exhausted"},
    500: {"server"},
    502: {"server"},
    503: {"server"},
}
JUNK: Final[tuple[tuple[str, Callable[[object], object]], ...]] = (
    ("null", lambda _: None),
    ("a negative number", lambda _: -1),
    ("a negative text", lambda _: "-1"),
    ("an absurd text", lambda _: "9" * 40),
    ("an absurd number", lambda _: 2**63),
    ("true", lambda _: True),
    ("a word", lambda _: "many"),
    ("an empty text", lambda _: ""),
    ("a list", lambda _: [1]),
    ("an object", lambda _: {"n": 1}),
    ("a fraction", lambda _: 0.5),
)

_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Hello</h1></body></html>"
_LOGIN: Final = (
    b'<html><form action="/login"><input name="username"><input name="password"></form></html>'
)
_HTML: Final = {"content-type": "text/html; charset=utf-8"}


def bodies(right: Reply) -> Iterator[tuple[str, Mapping[str, str], bytes]]:
    """Give bodies that hold no figures: what each is, its headers, and its bytes."""
    headers, body = right.headers, right.body
    yield "a page", _HTML, _PAGE
    yield "a page called JSON", headers, _PAGE
    yield "a login page", _HTML, _LOGIN
    yield "right JSON called a page", _HTML, body
    yield "broken UTF-8", headers, b"\xff\xfe" + body[2:]
    for fragment in (b"", b"{}", b"[]", b"null", b"0", b"true", b'"text"', b"[[]]", b'{"a":{}}'):
        yield fragment.decode() or "nothing", headers, fragment
    for length in {1, len(body) // 3, len(body) // 2, len(body) - 1} - {0}:
        yield f"the first {length} bytes", headers, body[:length]
    for name in ("data", "items", "error", "errors", "profiles", "elements", "person", "user"):
        for inner in (b"null", b"[]", b"{}", b"1", b'"x"', b"[null]", b"[[]]", b"[1]"):
            yield f"{name}: {inner.decode()}", headers, b'{"%s":%s}' % (name.encode(), inner)


def replaced(
    node: object, put: Callable[[object], object], *, only: AbstractSet[int | None]
) -> object:
    """Put something else in the place of each number, or text of digits, that is among `only`."""
    if isinstance(node, dict):
        return {key: replaced(each, put, only=only) for key, each in node.items()}
    if isinstance(node, list):
        return [replaced(each, put, only=only) for each in node]
    number = _number(node)
    return put(node) if number is not None and number in only else node


def without_numbers(node: object) -> object:
    """Give the same without any number: what is left has names and texts alone."""
    if isinstance(node, dict):
        kept = {key: without_numbers(each) for key, each in node.items() if _number(each) is None}
        return {key: each for key, each in kept.items() if not isinstance(each, float)}
    if isinstance(node, list):
        return [without_numbers(each) for each in node if _number(each) is None]
    return node


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isdecimal() and value.isascii():
        return int(value)
    return None
