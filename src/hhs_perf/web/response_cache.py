"""Cached responses: what may be kept of a view's answer, under which key, and how it is answered.

HTTP's own rules for caches are RFC 9111; the sections are named where they decide something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from re import compile as compiled
from typing import Final, Literal
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

import attrs
import msgspec

from ..cache.naming.own import response_key
from ..cache.policy import check_ttl
from ..exceptions import ConfigurationError
from .http import Response
from .negotiate import matches

__all__ = [
    "CREDENTIALS",
    "Asked",
    "Credentials",
    "Plan",
    "Seen",
    "Stored",
    "answer",
    "kept_apart",
    "key_of",
    "life_of",
    "private",
    "store",
]

Credentials = Literal["bypass", "vary", "ignore"]

CREDENTIALS: Final = ("authorization", "cookie", "x-api-key")
"""The headers by which a request says who asks."""
_MODES: Final = ("bypass", "vary", "ignore")
_LARGEST: Final = 1024 * 1024
_NOT_ASCII: Final = compiled(r"([^\x00-\x7f]+)")
# What belongs to one transfer, and what is made anew for each answer.
_NOT_STORED: Final = frozenset(
    {"age", "connection", "content-length", "date", "keep-alive", "transfer-encoding"}
)
_FORBID: Final = frozenset({"no-store", "private", "no-cache"})


def _lower(names: str | Iterable[str]) -> tuple[str, ...]:
    given = (names,) if isinstance(names, str) else names
    return tuple(dict.fromkeys(name.strip().lower() for name in given))


def _names(names: str | Iterable[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    return frozenset((names,) if isinstance(names, str) else names)


def _codes(codes: Iterable[int]) -> frozenset[int]:
    return frozenset(codes)


def _words(words: str | Iterable[str]) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


@attrs.frozen(kw_only=True)
class Plan:
    """How the responses of one view are cached.

    `ttl` in seconds; None for CACHE_DEFAULT_TIMEOUT. `vary` names the request headers that the
    response depends on; `query` the parameters that count, None for all. `max_age` is the longest
    time in seconds that browsers may keep a response, None for as long as we do. Responses of
    more than `largest` bytes are not kept.

    Raises ConfigurationError for values that make no sense.
    """

    ttl: float | None = None
    tags: tuple[str, ...] = attrs.field(default=(), converter=_words)
    vary: tuple[str, ...] = attrs.field(default=(), converter=_lower)
    query: frozenset[str] | None = attrs.field(default=None, converter=_names)
    credentials: Credentials = "bypass"
    statuses: frozenset[int] = attrs.field(default=(200,), converter=_codes)
    max_age: float | None = None
    largest: int = _LARGEST

    def __attrs_post_init__(self) -> None:
        problems: list[str] = []
        if self.ttl is not None:
            try:
                check_ttl(self.ttl)
            except ValueError as exc:
                problems.append(str(exc))
        if self.credentials not in _MODES:
            problems.append(
                f"credentials: must be one of {', '.join(_MODES)}, got {self.credentials!r}"
            )
        if self.max_age is not None and self.max_age < 0:
            problems.append(f"max_age: must be at least 0 seconds, got {self.max_age!r}")
        if isinstance(self.largest, bool) or not isinstance(self.largest, int) or self.largest < 0:
            problems.append(f"largest: must be a whole number of bytes, got {self.largest!r}")
        if "*" in self.vary:
            problems.append("vary: '*' means that no two requests are alike: leave the cache out")
        if problems:
            raise ConfigurationError([f"cached_response: {problem}" for problem in problems])

    @property
    def credential_headers(self) -> tuple[str, ...]:
        """The headers with credentials that the answer depends on."""
        return () if self.credentials == "ignore" else CREDENTIALS


@attrs.frozen(kw_only=True)
class Asked:
    """What a request says, as far as a cache wants to know it.

    `base` is scheme and host: responses may hold links that are made of them. `query` is as it
    came, `header` gives a header by its lower-case name, all its lines in one. `route` is the
    template that the path was matched to, empty where that is not known.
    """

    method: str
    base: str
    path: str
    query: str
    header: Callable[[str], str | None]
    route: str = ""

    def has_body(self) -> bool:
        """Tell whether the request has a body, on which the answer may depend."""
        length = self.header("content-length")
        return bool(length and length.strip("0 ")) or self.header("transfer-encoding") is not None

    def names_somebody(self) -> bool:
        """Tell whether the request carries credentials."""
        return any(self.header(name) is not None for name in CREDENTIALS)


@attrs.frozen(kw_only=True)
class Seen:
    """A whole response of a view: its status, header lines and body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


# A Struct, as msgspec writes and reads it: L2 gives it back typed and checked.
class Stored(msgspec.Struct, frozen=True, gc=False):
    """A response as the cache holds it; a response object of the framework is made for each hit.

    `created` is wall time in seconds since 1970, `life` the seconds that it is kept.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    etag: str
    control: str | None
    created: float
    life: float


def key_of(plan: Plan, asked: Asked) -> str | None:
    """Give the key of a request: path, canonical query, chosen headers; None: not for the cache.

    Parameters are ordered by name; the values of one name keep their order, which may matter.
    """
    if asked.method not in ("GET", "HEAD") or asked.has_body():
        return None
    who: tuple[str | None, ...] = ()
    if plan.credentials != "ignore" and asked.names_somebody():
        if plan.credentials == "bypass":
            return None
        who = tuple(asked.header(name) for name in CREDENTIALS)
    pairs = sorted(_pairs(plan, asked.query), key=lambda pair: pair[0])
    path = asked.path.encode("utf-8", "surrogatepass")
    parts = (asked.base, path, pairs, [asked.header(name) for name in plan.vary], who)
    digest = blake2b(msgspec.msgpack.encode(parts), digest_size=16).hexdigest()
    return response_key(path.decode("utf-8", "replace"), asked.route, digest)


def _pairs(plan: Plan, query: str) -> Iterable[tuple[str, str]]:
    """Give the parameters that count, neither decoded nor as they came but written in one way.

    Flask and Starlette decode what is not UTF-8 differently. Here other bytes are another text,
    whoever reads them.
    """
    wanted = None if plan.query is None else {quote(name, safe="") for name in plan.query}
    for item in query.split("&"):
        if item:
            name, _, value = item.partition("=")
            name = _rewritten(name)
            # What no client that keeps to the rules sends may be read as any name.
            if wanted is None or name in wanted or not name.isascii():
                yield name, _rewritten(value)


def _rewritten(text: str) -> str:
    return "".join(
        quote_from_bytes(unquote_to_bytes(piece), safe="") if piece.isascii() else piece
        for piece in _NOT_ASCII.split(text.replace("+", " "))
    )


def life_of(plan: Plan, seen: Seen, ttl: float) -> float | None:
    """Give the seconds to keep a response, at most `ttl`; None: it belongs to one request alone."""
    if seen.status not in plan.statuses or len(seen.body) > plan.largest:
        return None
    if _values(seen.headers, "set-cookie"):
        return None
    varies = set(_list(seen.headers, "vary"))
    if varies - {*plan.vary, *plan.credential_headers}:
        return None  # it depends on what is not in the key
    told = _directives(seen.headers)
    if told.keys() & _FORBID:
        return None
    # What the view says itself binds us as any other shared cache (RFC 9111, 4.2.1).
    for name in ("s-maxage", "max-age"):
        if name in told:
            ttl = min(ttl, _seconds(told[name]))
            break
    return ttl if ttl > 0 else None


def store(plan: Plan, asked: Asked, seen: Seen, life: float, now: float) -> Stored:
    """Make what is kept of a response: with an entity tag, and Vary as it has to be."""
    kept = [(n, v) for n, v in seen.headers if n.lower() not in {*_NOT_STORED, "vary"}]
    etag = next(iter(_values(seen.headers, "etag")), None)
    if etag is None:
        etag = _etag(seen)
        kept.append(("ETag", etag))
    varies = [*_list(seen.headers, "vary"), *plan.vary, *plan.credential_headers]
    if varies:
        kept.append(("Vary", _vary(varies)))
    control = None
    if not _values(seen.headers, "cache-control"):
        is_personal = plan.credentials == "vary" and asked.names_somebody()
        control = "private" if is_personal else "public"
    return Stored(seen.status, tuple(kept), seen.body, etag, control, now, life)


def _etag(seen: Seen) -> str:
    # Weak: what compresses the response later does not change the tag (RFC 9110, 8.8.1).
    name = blake2b(seen.body, digest_size=12)
    for kind in ("content-type", "content-encoding", "content-language"):
        name.update("\0".join(_values(seen.headers, kind)).encode("utf-8", "replace"))
    return f'W/"{name.hexdigest()}"'


def answer(
    plan: Plan, asked: Asked, stored: Stored, now: float, *, may_be_public: bool = True
) -> Response:
    """Make the response to one request: whole, its head alone, or 304 where the client has it.

    Clients take Age off max-age (RFC 9111, 4.2.3), so that what they keep ends when ours does.
    `may_be_public` is False where nobody could take that back when a cookie is added later.
    """
    age = int(min(max(0.0, now - stored.created), stored.life))
    headers = [*stored.headers]
    if stored.control is not None:
        control = stored.control if may_be_public else "private"
        headers.append(("Cache-Control", _control(plan, stored, age, control)))
    headers.append(("Age", str(age)))
    if matches(asked.header("if-none-match"), stored.etag):
        return Response(status=304, headers=tuple(h for h in headers if _is_of_304(h[0])))
    headers.append(("Content-Length", str(len(stored.body))))
    body = b"" if asked.method == "HEAD" else stored.body
    return Response(status=stored.status, headers=tuple(headers), body=body)


def private(control: str) -> str:
    """Give the directives of a response without what lets others than its receiver keep it."""
    items = [item.strip() for item in control.split(",")]
    names = ("public", "private", "s-maxage", "proxy-revalidate")
    kept = [each for each in items if each and each.partition("=")[0].strip().lower() not in names]
    return ", ".join(["private", *kept])


def _control(plan: Plan, stored: Stored, age: int, control: str) -> str:
    if plan.max_age is None:
        return f"{control}, max-age={int(stored.life)}"
    if not plan.max_age:
        return f"{control}, no-cache"
    return f"{control}, max-age={int(min(stored.life, age + plan.max_age))}"


def _is_of_304(name: str) -> bool:
    # Nothing of the body that is not sent (RFC 9110, 15.4.5).
    lower = name.lower()
    return not lower.startswith("content-") or lower == "content-location"


def kept_apart(plan: Plan, vary: str | None, control: str | None) -> dict[str, str]:
    """Give the headers to set on the answer to somebody whom the cache was left out for.

    Caches further on must not give it to others, who had another answer (RFC 9110, 12.5.5).
    `vary` and `control` are what the response has.
    """
    headers = {"Vary": _vary([*(vary or "").split(","), *plan.vary, *CREDENTIALS])}
    if control is None:
        headers["Cache-Control"] = "private"
    return headers


def _vary(names: Iterable[str]) -> str:
    cleaned = (name.strip().lower() for name in names)
    written = {name: name.title().replace("Api", "API") for name in cleaned if name}
    return ", ".join(written.values())


def _values(headers: Iterable[tuple[str, str]], name: str) -> list[str]:
    return [value for header, value in headers if header.lower() == name]


def _list(headers: Iterable[tuple[str, str]], name: str) -> list[str]:
    items = ",".join(_values(headers, name)).lower().split(",")
    return [item.strip() for item in items if item.strip()]


def _directives(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    pairs = (item.partition("=") for item in _list(headers, "cache-control"))
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _seconds(text: str) -> float:
    # RFC 9111, 4.2.1: what cannot be read is best taken as stale.
    return float(text) if text.isascii() and text.isdigit() else 0.0
