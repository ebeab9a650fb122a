"""Instagram: professional accounts by business discovery, one a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ..platform import Budget, Call, Credential, Platform, Reading
from . import _graph
from ._handles import REPLY_OF_OTHER, of_other, words, written
from .counts import Fields, figures, identity, section, text

if TYPE_CHECKING:
    from ..platform import Address, Credentials, Reply, Target

__all__ = ["INSTAGRAM"]

_HOSTS: Final = ("instagram.com", "instagr.am")
_OTHER_PAGES: Final = words(
    "about accounts api challenge developer direct directory emails explore legal oauth p press"
    " reel reels tv web"
)
_FOLDERS: Final = ("stories", "_u")
_FIELDS: Final = "followers_count,follows_count,media_count,name,username"
_REQUIRED: Final[Fields] = {
    "followers_count": ("followers_count",),
    "following_count": ("follows_count",),
    "posts_count": ("media_count",),
}

_normalise: Final = written(r"[a-z0-9._]{1,30}")


def _match(address: Address) -> str | None:
    path = address.path
    if address.host not in _HOSTS or not path:
        return None
    first = path[0].lower()
    if first in _FOLDERS:
        return _normalise(path[1]) or None if len(path) > 1 else None
    return None if first in _OTHER_PAGES else _normalise(first) or None


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    name = targets[0].handle
    return Call(
        path=f"/{_graph.VERSION}/{quote(credentials['id'], safe='')}",
        params=(
            ("fields", f"business_discovery.username({name}){{{_FIELDS}}}"),
            ("access_token", credentials["token"]),
        ),
    )


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading]:
    found: dict[str, Any] = section(reply.json(), "business_discovery")
    if of_other(found.get("username"), targets[0].handle):
        raise ValueError(REPLY_OF_OTHER)
    reading = Reading(
        figures=figures(found, _REQUIRED),
        account_id=identity(found.get("id")),
        display_name=text(found.get("name")),
    )
    return {targets[0]: reading}


INSTAGRAM: Final = Platform(
    name="instagram",
    title="Instagram",
    aliases=("ig", "insta"),
    base_url="https://graph.facebook.com",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    classify=_graph.classify,
    rate_signal=_graph.rate_signal,
    figures=("followers_count", "following_count", "posts_count"),
    credentials=(
        Credential(
            name="token",
            how=(
                "A token of an app at developers.facebook.com with instagram_basic,"
                " instagram_manage_insights and pages_read_engagement."
            ),
        ),
        Credential(
            name="id",
            how="The numeric id of your own professional account, as whom the API is asked.",
        ),
    ),
    budget=Budget(unit="percent", limit=100.0),
    notes=(
        "Professional accounts only; those of private people and age-gated ones are not found."
        " Meta counts use in percent, as with Facebook."
    ),
)
