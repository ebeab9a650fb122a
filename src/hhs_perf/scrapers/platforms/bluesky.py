"""Bluesky: the public AT Protocol API, 25 accounts a request, without credentials."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..platform import Call, Platform, Reading
from ._replies import failed, missing, said, told
from .counts import Fields, figures, identity, items, text, tried
from .signals import standard

if TYPE_CHECKING:
    from ..platform import Address, Credentials, Reply, Target
    from ..values import Failure, FailureKind

__all__ = ["BLUESKY"]

_ID: Final = re.compile(r"did:[a-z]{3,10}:[A-Za-z0-9._:%-]{3,150}")
_NAME: Final = re.compile(r"(?=.{3,253}\Z)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")
_HOME: Final = ".bsky.social"
_REQUIRED: Final[Fields] = {"followers_count": ("followersCount",)}
_OPTIONAL: Final[Fields] = {
    "following_count": ("followsCount",),
    "posts_count": ("postsCount",),
}
_ERRORS: Final[dict[str, FailureKind]] = {
    "AccountTakedown": "suspended",
    "AccountDeactivated": "suspended",
    "AccountSuspended": "suspended",
    "RateLimitExceeded": "rate_limited",
    "InternalServerError": "server",
    "UpstreamFailure": "server",
    "UpstreamTimeout": "server",
}


def _normalise(handle: str) -> str:
    name = handle.strip()
    if _ID.fullmatch(name):
        return name
    name = name.removeprefix("@").lower()
    name = name if "." in name else f"{name}{_HOME}"
    return name if _NAME.fullmatch(name) else ""


def _match(address: Address) -> str | None:
    if address.host.endswith(_HOME):
        return address.host
    if address.host != "bsky.app" or not address.path[1:]:
        return None
    return _normalise(address.path[1]) or None if address.path[0] == "profile" else None


def _asked(target: Target) -> str:
    known = target.account_id
    return known if known is not None and _ID.fullmatch(known) else target.handle


def _build(targets: tuple[Target, ...], _: Credentials) -> Call:
    return Call(
        path="/xrpc/app.bsky.actor.getProfiles",
        params=tuple(("actors", _asked(each)) for each in targets),
    )


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    profiles: dict[str, Any] = {}
    for profile in items(reply.json(), "profiles"):
        if isinstance(profile, dict):
            profiles[str(profile.get("handle")).lower()] = profile
            profiles[str(profile.get("did"))] = profile
    # Unknown ones are left out without a word.
    gone = missing("no such profile, or it is taken down")
    return {
        target: tried(_read, profiles[asked]) if asked in profiles else gone
        for target in targets
        for asked in (_asked(target),)
    }


def _read(profile: dict[str, Any]) -> Reading:
    return Reading(
        figures=figures(profile, _REQUIRED, _OPTIONAL),
        account_id=identity(profile.get("did")),
        display_name=text(profile.get("displayName")),
    )


def _classify(reply: Reply) -> Failure | None:
    answer = told(reply)
    error, message = answer.get("error"), said(answer.get("message", ""))
    if not isinstance(error, str):
        return None
    kind = _ERRORS.get(error)
    if kind is None and error == "InvalidRequest":
        nobody = "not found" in message.lower() or "valid did or a handle" in message
        kind = "not_found" if nobody else "schema_changed"
    return None if kind is None else failed(kind, f"{error}: {message}")


BLUESKY: Final = Platform(
    name="bluesky",
    title="Bluesky",
    aliases=("bsky",),
    base_url="https://public.api.bsky.app",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    classify=_classify,
    rate_signal=standard,
    batch_size=25,
    figures=("followers_count", "following_count", "posts_count"),
    notes="3,000 requests in five minutes for each address, without credentials.",
)
