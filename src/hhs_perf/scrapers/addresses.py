"""From an account as it is listed to the platform that it is on, and its handle there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs

from .platform import Address, Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .accounts import Account
    from .platform import Platform

__all__ = ["Located", "address_of", "locate"]

_LONGEST: Final = 2000
_LONGEST_HANDLE: Final = 200
_FRONTS: Final = ("www.", "m.", "mobile.", "mbasic.", "web.")
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")
_PLAIN: Final = re.compile(r"https?://([a-z0-9-]+(?:\.[a-z0-9-]+)+)(/[\w.~@/-]*)?", re.ASCII)
_LONGEST_PLAIN: Final = 255
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f]")


@attrs.frozen(kw_only=True)
class Located:
    """The platform and the target of an account, or why there are none."""

    platform: Platform | None
    target: Target | None
    problem: str = ""


def locate(account: Account, platforms: Iterable[Platform]) -> Located:
    """Find the platform that an account is on, and what it is called there.

    The platform that the list names is asked alone; one that no platform answers to leaves it to
    the address.
    """
    listed = tuple(platforms)
    named = [each for each in listed if account.platform and each.answers_to(account.platform)]
    if account.url is None:
        return _by_handle(account, named)
    try:
        address = address_of(account.url, is_named=bool(named))
    except ValueError as exc:
        return Located(platform=named[0] if named else None, target=None, problem=str(exc))
    for platform in named or listed:
        try:
            handle = platform.match(address)
        except ValueError as exc:
            return Located(platform=platform, target=None, problem=str(exc))
        except Exception:  # noqa: BLE001 - a plugin's function: `path[0]` where there is no path, say
            handle = None
        if handle is not None:
            return _as(platform, account, handle, address.host)
    if named:
        problem = f"no account's address on {named[0].title}"
        return Located(platform=named[0], target=None, problem=problem)
    return Located(platform=None, target=None, problem="no platform knows this address")


def address_of(url: str, *, is_named: bool = False) -> Address:
    """Take an address apart. Raises ValueError for what is no address of a public web page."""
    text = url.strip()
    # Nearly all addresses are plain, and to take one apart by the book costs three times as much.
    plain = _PLAIN.fullmatch(text) if len(text) <= _LONGEST_PLAIN else None
    if plain is not None:
        steps = tuple(filter(None, (plain[2] or "").split("/")))
        return Address(host=_host_of(plain[1]), path=steps, query={}, is_named=is_named)
    if len(text) > _LONGEST or _CONTROL.search(text):
        raise ValueError("not an address: too long, or with blanks or control characters")
    parts = urlsplit(text if "://" in text else f"https://{text}")
    if parts.scheme.lower() not in ("http", "https"):
        raise ValueError(f"not a web address: {parts.scheme!r}")
    if "@" in parts.netloc:
        raise ValueError("an address with a login in it is refused")
    if ":" in parts.netloc.rpartition("]")[2] and not parts.netloc.endswith((":80", ":443")):
        raise ValueError("an address with a port of its own is refused")
    query: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, max_num_fields=100):
        query.setdefault(name, value)
    path = tuple(unquote(each) for each in parts.path.split("/") if each)
    return Address(host=_host_of(parts.hostname), path=path, query=query, is_named=is_named)


def _host_of(name: str | None) -> str:
    host = (name or "").rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            host = ""
    if not _HOST.fullmatch(host) or host.rpartition(".")[2].isdigit():
        raise ValueError("an address needs the name of a public host")
    if host.startswith(_FRONTS):
        for front in _FRONTS:
            if host.startswith(front) and "." in host.removeprefix(front):
                return host.removeprefix(front)
    return host


def _by_handle(account: Account, named: list[Platform]) -> Located:
    if not named:
        problem = f"no platform is called {account.platform!r}"
        return Located(platform=None, target=None, problem=problem)
    return _as(named[0], account, account.handle or "", None)


def _as(platform: Platform, account: Account, handle: str, host: str | None) -> Located:
    try:
        handle = platform.normalise(handle)
    except Exception:  # noqa: BLE001 - likewise
        handle = ""
    if not isinstance(handle, str) or not handle or len(handle) > _LONGEST_HANDLE:
        return Located(platform=platform, target=None, problem="no handle in the address")
    target = Target(account=account, handle=handle, account_id=account.account_id, host=host)
    return Located(platform=platform, target=target)
