"""TikTok: any public account by the Research API, one a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..platform import Budget, Call, Credential, Platform, Reading
from ._handles import REPLY_OF_OTHER, of_other, written
from ._replies import failed, said, told
from .counts import Fields, figures, section, text
from .signals import standard, until_hour

if TYPE_CHECKING:
    from ..platform import Address, Credentials, Reply, Target
    from ..values import Failure, FailureKind

__all__ = ["TIKTOK"]

_FIELDS: Final = "display_name,is_verified,follower_count,following_count,likes_count,video_count"
_REQUIRED: Final[Fields] = {"followers_count": ("follower_count",)}
_OPTIONAL: Final[Fields] = {
    "following_count": ("following_count",),
    "likes_count": ("likes_count",),
    "posts_count": ("video_count",),
}
_CODES: Final[dict[str, FailureKind]] = {
    "access_token_invalid": "auth",
    "access_token_expired": "auth",
    "scope_not_authorized": "auth",
    "scope_permission_missed": "auth",
    "rate_limit_exceeded": "rate_limited",
    "internal_error": "server",
    "timeout": "server",
    "not_found": "not_found",
    "user_not_found": "not_found",
}
_MIDNIGHT: Final = 0

_normalise: Final = written(r"[a-z0-9._]{1,30}")


def _match(address: Address) -> str | None:
    if address.host != "tiktok.com" or not address.path or not address.path[0].startswith("@"):
        return None
    return _normalise(address.path[0]) or None


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    return Call(
        method="POST",
        path="/v2/research/user/info/",
        params=(("fields", _FIELDS),),
        headers={"Authorization": f"Bearer {credentials['token']}"},
        json={"username": targets[0].handle},
    )


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading]:
    data: dict[str, Any] = section(reply.json(), "data")
    found = section(data, "user") if "user" in data else data
    if of_other(found.get("username"), targets[0].handle):
        raise ValueError(REPLY_OF_OTHER)
    counted = figures(found, _REQUIRED, _OPTIONAL)
    return {targets[0]: Reading(figures=counted, display_name=text(found.get("display_name")))}


def _classify(reply: Reply) -> Failure | None:
    """Tell a failure by its code, which also comes with HTTP 200."""
    error = told(reply).get("error")
    if not isinstance(error, dict):
        return None
    code, message = str(error.get("code", "")), said(error.get("message", ""))
    if code in ("ok", ""):
        return None
    detail = f"{code}: {message}"
    if "quota" in code or "daily" in message.lower():
        return failed("quota_exhausted", detail, until_hour(reply, _MIDNIGHT))
    return failed(_CODES.get(code) or _by_message(message.lower()), detail)


def _by_message(message: str) -> FailureKind:
    if "private" in message:
        return "forbidden"
    if "banned" in message or "suspended" in message:
        return "suspended"
    about_user = "user" in message and ("not found" in message or "cannot find" in message)
    if about_user or "not exist" in message:
        return "not_found"
    return "schema_changed"


TIKTOK: Final = Platform(
    name="tiktok",
    title="TikTok",
    aliases=("tik tok",),
    base_url="https://open.tiktokapis.com",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    classify=_classify,
    rate_signal=standard,
    figures=("followers_count", "following_count", "likes_count", "posts_count"),
    credentials=(
        Credential(
            name="token",
            how="A client token of a project that TikTok admitted to its Research API.",
        ),
    ),
    budget=Budget(unit="requests", per_request=1.0, limit=1_000.0),
    notes=(
        "1,000 requests a UTC day. The Research API is for researchers of non-profit institutions."
    ),
)
