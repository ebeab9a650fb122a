"""Threads: public profiles by profile discovery, one a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..platform import Budget, Call, Credential, Platform, Reading
from . import _graph
from ._handles import REPLY_OF_OTHER, of_other, written
from .counts import Fields, figures, text

if TYPE_CHECKING:
    from ..platform import Address, Credentials, Reply, Target

__all__ = ["THREADS"]

_HOSTS: Final = ("threads.com", "threads.net")
_FIELDS: Final = (
    "username,name,is_verified,follower_count,likes_count,quotes_count,replies_count,"
    "reposts_count,views_count"
)
_REQUIRED: Final[Fields] = {"followers_count": ("follower_count",)}
_OPTIONAL: Final[Fields] = {
    "likes_count": ("likes_count",),
    "comments_count": ("replies_count",),
    "shares_count": ("reposts_count",),
    "views_count": ("views_count",),
}

_normalise: Final = written(r"[a-z0-9._]{1,30}")


def _match(address: Address) -> str | None:
    if address.host not in _HOSTS or not address.path or not address.path[0].startswith("@"):
        return None
    return _normalise(address.path[0]) or None


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    return Call(
        path="/v1.0/profile_lookup",
        params=(
            ("username", targets[0].handle),
            ("fields", _FIELDS),
            ("access_token", credentials["token"]),
        ),
    )


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading]:
    answer = reply.json()
    wrapped = answer.get("data")
    found: dict[str, Any] = wrapped[0] if isinstance(wrapped, list) and wrapped else answer
    if of_other(found.get("username"), targets[0].handle):
        raise ValueError(REPLY_OF_OTHER)
    counted = figures(found, _REQUIRED, _OPTIONAL)
    return {targets[0]: Reading(figures=counted, display_name=text(found.get("name")))}


THREADS: Final = Platform(
    name="threads",
    title="Threads",
    base_url="https://graph.threads.com",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    classify=_graph.classify,
    rate_signal=_graph.rate_signal,
    figures=("followers_count", "likes_count", "comments_count", "shares_count", "views_count"),
    credentials=(
        Credential(
            name="token",
            how=(
                "A token of an app at developers.facebook.com with threads_basic and"
                " threads_profile_discovery."
            ),
        ),
    ),
    budget=Budget(unit="requests", per_request=1.0, limit=1_000.0),
    notes=(
        "1,000 requests in 24 hours. Standard access sees Meta's own accounts alone; advanced"
        " access sees public ones with enough followers. Likes, replies, reposts and views are"
        " those of the past seven days."
    ),
)
