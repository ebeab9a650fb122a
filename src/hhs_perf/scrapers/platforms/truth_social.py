"""Truth Social: Mastodon's API, where its guard lets a program through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..platform import Credential, Platform
from . import _mastodon_api as api
from ._handles import written
from .signals import standard

if TYPE_CHECKING:
    from ..platform import Address, Call, Credentials, Reading, Reply, Target
    from ..values import Failure

__all__ = ["TRUTH_SOCIAL"]

_normalise: Final = written(r"[a-z0-9_]{1,30}")


def _match(address: Address) -> str | None:
    if address.host != "truthsocial.com" or not address.path:
        return None
    path = address.path
    if path[0].startswith("@"):
        return _normalise(path[0]) or None
    return _normalise(path[1]) or None if path[0] == "users" and len(path) > 1 else None


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    return api.look_up(targets[0].handle, credentials)


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    return api.read(reply, targets[0], targets[0].handle)


TRUTH_SOCIAL: Final = Platform(
    name="truth_social",
    title="Truth Social",
    aliases=("truth", "truthsocial"),
    base_url="https://truthsocial.com",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    rate_signal=standard,
    interval=api.INTERVAL,
    figures=("followers_count", "following_count", "posts_count"),
    credentials=(
        Credential(
            name="token",
            how="A token of an account; without one the look-up sometimes works.",
            required=False,
        ),
    ),
    notes=(
        "Cloudflare may answer with a challenge: the outcome then is `challenge`, and no way"
        " around it is tried. 300 requests in five minutes."
    ),
)
