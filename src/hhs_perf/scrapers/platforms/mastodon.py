"""Mastodon: accounts on any server that speaks its API, one a request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from ..platform import Credential, Platform, Reading
from . import _mastodon_api as api
from ._handles import words
from .signals import standard

if TYPE_CHECKING:
    from ..platform import Address, Call, Credentials, Reply, Target
    from ..values import Failure

__all__ = ["MASTODON"]

_HOME: Final = "mastodon.social"
_KNOWN_HOSTS: Final = words(
    "aus.social fosstodon.org hachyderm.io infosec.exchange journa.host mas.to mastodon.green"
    " mastodon.online mastodon.social mastodon.world masto.ai mstdn.jp mstdn.social"
    " pawoo.net sciences.social social.coop social.vivaldi.net techhub.social toot.community"
    " universeodon.com med-mastodon.com mastodon.education"
)
_HANDLE: Final = re.compile(
    r"[a-z0-9_](?:[a-z0-9_.-]{0,60}[a-z0-9_])?@(?=.{4,120}\Z)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*"
    r"\.(?=[a-z0-9-]*[a-z])[a-z0-9-]{2,63}"
)
_FOLDERS: Final = ("users", "web", "deck")


def _normalise(handle: str) -> str:
    name = handle.strip().removeprefix("@").lower()
    return name if _HANDLE.fullmatch(name) else ""


def _match(address: Address) -> str | None:
    """Read /@name, /users/name and /@name@home; a name belongs to the server of its address."""
    if not address.path or not (address.is_named or address.host in _KNOWN_HOSTS):
        return None
    path = address.path
    first = path[0]
    if first.lower() in _FOLDERS and len(path) > 1:
        first = path[1] if first == "users" or path[1].startswith("@") else ""
        first = first if first.startswith("@") else f"@{first}"
    if not first.startswith("@"):
        return None
    name, _, home = first.removeprefix("@").partition("@")
    return _normalise(f"{name}@{home or address.host}") or None


def _host_of(target: Target) -> str:
    return target.handle.partition("@")[2]


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    name, _, home = targets[0].handle.partition("@")
    # A list may name any server: the token is for the one alone that gave it.
    is_known = home == credentials.get("host", _HOME)
    return api.look_up(name, credentials if is_known else {}, home)


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    name, _, home = targets[0].handle.partition("@")
    read = api.read(reply, targets[0], name)
    # Each server numbers its own accounts.
    return {
        target: attrs.evolve(found, account_id=f"{found.account_id}@{home}")
        if isinstance(found, Reading)
        else found
        for target, found in read.items()
    }


MASTODON: Final = Platform(
    name="mastodon",
    title="Mastodon",
    aliases=("fediverse",),
    base_url=f"https://{_HOME}",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    rate_signal=standard,
    interval=api.INTERVAL,
    many_hosts=True,
    host_of=_host_of,
    figures=("followers_count", "following_count", "posts_count"),
    credentials=(
        Credential(
            name="token",
            how="A token from Preferences, Development of an account, where a server wants one.",
            required=False,
        ),
        Credential(
            name="host",
            how="The server that the token is of; without it, mastodon.social. No other gets it.",
            required=False,
        ),
    ),
    notes=(
        "Handles are name@server. Addresses on servers that are not among the well-known ones"
        " need the platform named beside them. 300 requests in five minutes for each server."
    ),
)
