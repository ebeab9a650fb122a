"""What a setting is made of: its variable, its parser, its default, its meaning, its mask."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ._mac_keys import MacKey
    from ._tokens import Token

__all__ = [
    "PREFIX",
    "DigestName",
    "as_boolean",
    "as_digest",
    "as_integer",
    "as_life",
    "as_mac_keys",
    "as_namespace",
    "as_path",
    "as_redis_url",
    "as_seconds",
    "as_tokens",
    "as_words",
    "hidden",
    "masked_redis_url",
    "setting",
    "spellings",
]

V = TypeVar("V")
DigestName = Literal["auto", "fastdigest", "tdigest"]

PREFIX: Final = "HHS_PERF_"
_LONGEST_LIFE: Final = 30 * 86_400.0
_NAMESPACE: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"  # compiled when there is one to check


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


def as_digest(text: str) -> DigestName:
    """Read the name of a digest engine."""
    if text not in ("auto", "fastdigest", "tdigest"):
        raise ValueError(f"must be auto, fastdigest or tdigest, got {text!r}")
    return cast("DigestName", text)


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


def hidden(value: object) -> str:
    """Write that there is a value, and nothing of it."""
    return "********" if value else ""
