"""What a setting is made of: its variable, its parser, its default, its meaning, its mask."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ._mac_keys import MacKey
    from ._tokens import Token

__all__ = [
    "PREFIX",
    "DigestName",
    "NPlusOneMode",
    "QueryDetail",
    "TransportName",
    "as_boolean",
    "as_database_url",
    "as_database_urls",
    "as_header",
    "as_integer",
    "as_life",
    "as_mac_keys",
    "as_namespace",
    "as_one_of",
    "as_path",
    "as_pause",
    "as_recycle",
    "as_redis_url",
    "as_seconds",
    "as_tokens",
    "as_words",
    "hidden",
    "masked_database_url",
    "masked_database_urls",
    "masked_redis_url",
    "setting",
    "spellings",
]

V = TypeVar("V")
DigestName = Literal["auto", "fastdigest", "tdigest"]
QueryDetail = Literal["full", "timing"]
NPlusOneMode = Literal["record", "warn", "raise", "off"]
TransportName = Literal["auto", "httpx", "httpx2", "aiohttp"]

PREFIX: Final = "HHS_PERF_"
_LONGEST_LIFE: Final = 30 * 86_400.0
# Expressions are compiled when there is a text to check.
_NAMESPACE: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
# The grammar of `sqlalchemy.engine.make_url`, which takes any sign but '@' for one of a password.
_DATABASE_URL: Final = (
    r"(?P<dialect>[a-z]\w*(?:\+[a-z]\w*)?)://"
    r"(?:(?P<username>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<host>\[[^/?\]]+\]|[^/:?@]+)?(?::(?P<port>[^/?@]*))?"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
)
_MASKED_OPTION: Final = r"pass|pwd|secret|token|credential|key|odbc_connect"
_HIDDEN: Final = "********"


def setting(
    variable: str,
    parse: Callable[[str], V],
    default: V | tuple[()],
    meaning: str,
    *,
    mask: Callable[[V], str] | None = None,
) -> Any:
    """Make a field that is read from `variable`; `mask` writes a value that holds a secret."""
    metadata = {"variable": variable, "parse": parse, "meaning": meaning, "mask": mask}
    shown = True if mask is None else lambda value: repr(mask(value))
    return attrs.field(default=default, metadata=metadata, repr=shown)


def spellings(variable: str) -> tuple[str, ...]:
    """Give the names that a setting is read from; the first that is set wins."""
    return (variable,) if variable.startswith(PREFIX) else (PREFIX + variable, variable)


def as_boolean(text: str) -> bool:
    """Read `true`, `1`, `yes`, `on` or their opposites."""
    known = {"true": True, "1": True, "yes": True, "on": True}
    known |= {"false": False, "0": False, "no": False, "off": False}
    try:
        return known[text.strip().lower()]
    except KeyError:
        raise ValueError(f"must be true or false, got {text!r}") from None


def as_integer(at_least: int) -> Callable[[str], int]:
    """Make a parser of whole numbers from `at_least` on."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"must be a whole number, got {text!r}") from None
        if value < at_least:
            raise ValueError(f"must be at least {at_least}, got {value}")
        return value

    return parse


def as_seconds(text: str) -> float:
    """Read a finite number of seconds greater than 0."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"must be a number of seconds, got {text!r}") from None
    if not 0 < value < math.inf:
        raise ValueError(f"must be more than 0 seconds and finite, got {text}")
    return value


def as_pause(text: str) -> float:
    """Read a finite number of seconds, 0 among them."""
    return 0.0 if text.strip() in {"0", "0.0"} else as_seconds(text)


def as_header(text: str) -> str:
    """Read what may stand in a header of HTTP: printable ASCII, 200 signs at most."""
    if not re.fullmatch(r"[\x20-\x7e]{1,200}", text):
        raise ValueError("must be 1 to 200 printable signs of ASCII")
    return text


def as_life(text: str) -> float:
    """Read how many seconds something lives in the cache: above 0, and 30 days at most."""
    value = as_seconds(text)
    if value > _LONGEST_LIFE:
        raise ValueError(f"must be at most 30 days, {_LONGEST_LIFE:.0f} seconds, got {text}")
    return value


def as_words(text: str) -> tuple[str, ...]:
    """Read a comma-separated list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def as_path(text: str) -> Path:
    """Read a path."""
    from pathlib import Path  # noqa: PLC0415 - slow, and most processes have no file

    return Path(text)


def as_tokens(text: str) -> tuple[Token, ...]:
    """Read Bearer tokens; no message holds a part of them."""
    from ._tokens import parse_tokens  # noqa: PLC0415 - hashlib is slow to import

    return parse_tokens(text)


def as_one_of(*words: str) -> Callable[[str], str]:
    """Make a parser of one of two or more words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be {', '.join(words[:-1])} or {words[-1]}, got {text!r}")
        return text

    return parse


def as_recycle(text: str) -> float:
    """Read after how many seconds a connection is replaced: more than 0, or -1 for never."""
    return -1.0 if text.strip() == "-1" else as_seconds(text)


def as_namespace(text: str) -> str:
    """Read a namespace: what all keys and channels of one application begin with."""
    if not re.fullmatch(_NAMESPACE, text):
        raise ValueError(
            "must be 1 to 64 letters, digits, '.', '_' or '-', and begin with a letter or digit,"
            f" got {text!r}"
        )
    return text


def as_mac_keys(text: str) -> tuple[MacKey, ...]:
    """Read keys that sign what the cache writes; no message holds a part of a secret."""
    from ._mac_keys import MacKey  # noqa: PLC0415 - most processes have none

    return MacKey.parse(text)


def as_redis_url(text: str) -> str:
    """Check a Redis URL and keep it as it is; no message holds a part of it."""
    from ._redis.address import Address  # noqa: PLC0415 - most processes have none

    Address.parse(text)
    return text


def masked_redis_url(url: str | None) -> str:
    """Write a Redis URL without its passwords."""
    if url is None:
        return ""
    from ._redis.address import masked  # noqa: PLC0415 - most processes have none

    return masked(url)


def as_database_url(text: str) -> str:
    """Check the form of a URL as SQLAlchemy takes it; no message holds a part of it."""
    url = text.strip()
    parts = _parts_of(url)
    if parts is None:
        raise ValueError(
            "must be dialect[+driver]://[user[:password]@][host][:port][/database][?options];"
            " '@' in a password is written %40"
        )
    port = parts["port"]
    if port is not None and not re.fullmatch(r"[0-9]{1,5}", port):
        raise ValueError("the port must be a whole number")
    return url


def as_database_urls(text: str) -> tuple[str, ...]:
    """Read URLs between which there are commas; no message holds a part of them."""
    urls = []
    # A comma may also stand in a password, and between the hosts in the options of one URL.
    entries = re.split(r",(?=\s*[A-Za-z]\w*(?:\+\w+)?://)", text)
    for number, entry in enumerate(filter(None, (entry.strip(" ,") for entry in entries)), 1):
        try:
            url = as_database_url(entry)
        except ValueError as exc:
            raise ValueError(f"entry {number}: {exc}") from None
        parts = _parts_of(url)
        if parts is None or "," in (parts["database"] or ""):
            raise ValueError(f"entry {number}: what follows a comma must begin with dialect://")
        urls.append(url)
    return tuple(urls)


def masked_database_url(url: str | None) -> str:
    """Write a database URL without its passwords, and one that cannot be read not at all."""
    if url is None:
        return ""
    parts = _parts_of(url)
    if parts is None:
        return _HIDDEN
    shown = url
    # From the end, so that the places before it stay where they are.
    if parts["query"]:
        options = "&".join(map(_masked_option, parts["query"].split("&")))
        shown = shown[: parts.start("query")] + options
    if parts["password"]:
        shown = shown[: parts.start("password")] + _HIDDEN + shown[parts.end("password") :]
    return shown


def masked_database_urls(urls: tuple[str, ...]) -> str:
    """Write database URLs without their passwords."""
    return ",".join(map(masked_database_url, urls))


def _parts_of(url: str) -> re.Match[str] | None:
    parts = re.fullmatch(_DATABASE_URL, url)
    if parts is not None and parts["username"] is None and parts["host"]:
        # A bare '@' in a password has moved the rest of the login into the name of the database.
        return None if "@" in (parts["database"] or "") else parts
    return parts


def _masked_option(option: str) -> str:
    from urllib.parse import unquote_plus  # noqa: PLC0415 - most URLs have no options

    name, equals, value = option.partition("=")
    if value and re.search(_MASKED_OPTION, unquote_plus(name), re.IGNORECASE):
        return name + equals + _HIDDEN
    return option


def hidden(value: object) -> str:
    """Write that there is a value, and nothing of it."""
    return _HIDDEN if value else ""
