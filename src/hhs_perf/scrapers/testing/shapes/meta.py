"""Facebook pages, Instagram and Threads: the Graph API, https://developers.facebook.com/docs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from ..values import (
    Answer,
    FakeAccount,
    FakePlatform,
    Limits,
    Refusal,
    Request,
    Scene,
    bearer,
    json_answer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FACEBOOK", "INSTAGRAM", "THREADS"]

_MOST: Final = 50
_VERSION: Final = re.compile(r"^/v\d+\.\d+")
_DISCOVERED: Final = re.compile(r"business_discovery\.username\(([^)]*)\)")
_PERCENT: Final = 100


def _page(account: FakeAccount) -> dict[str, object]:
    followers = account.count("followers_count")
    return {
        "id": account.account_id,
        "name": account.display_name,
        "username": account.handle,
        "followers_count": followers,
        "fan_count": account.count("likes_count") or followers,
    }


def _pages_asked(request: Request) -> tuple[str, ...]:
    name = _VERSION.sub("", request.path).strip("/")
    return (name,) if name else request.listed("ids")


def _pages(scene: Scene, request: Request) -> Answer:
    names = _pages_asked(request)
    if not 1 <= len(names) <= _MOST:
        return _error(400, 100, f"(#100) Too many IDs, maximum: {_MOST}")
    fields = {"id", *request.listed("fields")}
    found: dict[str, dict[str, object]] = {}
    for name in names:
        account = scene.find(name, by_id=name.isdigit())
        if account.state not in ("active", "hidden"):
            # One that is not there fails them all.
            message = (
                f"(#100) Object with ID '{name}' does not exist, cannot be loaded due to missing "
                "permissions, or does not support this operation"
            )
            return _error(400, 100, message)
        page = _page(account)
        if account.state == "hidden":
            del page["followers_count"], page["fan_count"]
        found[name] = {key: value for key, value in page.items() if key in fields}
    is_single = _VERSION.sub("", request.path).strip("/") != ""
    return json_answer(found[names[0]] if is_single else found)


def _discovered(request: Request) -> tuple[str, ...]:
    asked = _DISCOVERED.search(request.first("fields"))
    return (asked[1],) if asked else ()


def _discovery(scene: Scene, request: Request) -> Answer:
    names = _discovered(request)
    if not names:
        return _error(400, 100, "(#100) Tried accessing nonexisting field")
    account = scene.find(names[0])
    if account.state not in ("active", "hidden"):
        return _error(400, 110, "Invalid user id", subcode=2207013)
    own = _VERSION.sub("", request.path).strip("/")
    discovered: dict[str, object] = {
        "followers_count": account.count("followers_count"),
        "follows_count": account.count("following_count"),
        "media_count": account.count("posts_count"),
        "name": account.display_name,
        "username": account.handle,
        "id": account.account_id,
    }
    return json_answer({"business_discovery": discovered, "id": own})


def _looked_up(request: Request) -> tuple[str, ...]:
    return (request.first("username"),) if request.first("username") else ()


def _profile(scene: Scene, request: Request) -> Answer:
    names = _looked_up(request)
    if not names or not request.path.endswith("/profile_lookup"):
        return _error(400, 100, "(#100) The parameter username is required")
    account = scene.find(names[0])
    if account.state == "private":
        return _error(403, 10, "(#10) Application does not have permission for this action")
    if account.state not in ("active", "hidden"):
        return _error(400, 100, f"(#100) The user with username {names[0]} does not exist")
    shares = account.count("shares_count")
    return json_answer(
        {
            "username": account.handle,
            "name": account.display_name,
            "biography": "",
            "is_verified": True,
            "follower_count": account.count("followers_count"),
            "likes_count": account.count("likes_count"),
            "quotes_count": shares // 5,
            "replies_count": account.count("comments_count"),
            "reposts_count": shares - shares // 5,
            "views_count": account.count("views_count"),
        }
    )


def _error(
    status: int,
    code: int,
    message: str,
    headers: Mapping[str, str] | None = None,
    *,
    subcode: int | None = None,
) -> Answer:
    error: dict[str, object] = {"message": message, "type": "OAuthException", "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    return json_answer({"error": {**error, "fbtrace_id": "A1"}}, status, headers)


def _usage(limits: Limits) -> Mapping[str, str]:
    percent = min(_PERCENT, _PERCENT * limits.used // limits.limit)
    usage = {"call_count": percent, "total_time": percent // 2, "total_cputime": percent // 2}
    return {"x-app-usage": msgspec.json.encode(usage).decode()}


def _used_up(limits: Limits, kind: str) -> Mapping[str, str]:
    usage = {
        "type": kind,
        "call_count": _PERCENT,
        "total_cputime": 25,
        "total_time": 25,
        # In minutes: part of one counts as one.
        "estimated_time_to_regain_access": int(-(-limits.seconds_left // 60)),
    }
    return {
        "x-app-usage": '{"call_count":100,"total_time":25,"total_cputime":25}',
        "x-business-use-case-usage": msgspec.json.encode({"10101": [usage]}).decode(),
    }


def _refuse(refusal: Refusal, code: int, kind: str) -> Answer:
    match refusal.kind:
        case "auth":
            message = "Error validating access token: Session has expired"
            return _error(401, 190, message, subcode=463)
        case "forbidden":
            message = "(#10) This endpoint requires the 'pages_read_engagement' permission"
            return _error(403, 10, message)
        case "throttled":
            status = refusal.status or 403
            message = "(#32) Page request limit reached"
            return _error(status, 32, message, _used_up(refusal.limits, kind))
        case _:
            status = refusal.status or 400
            message = f"(#{code}) Application request limit reached"
            return _error(status, code, message, _used_up(refusal.limits, kind))


def _token(request: Request) -> str:
    return request.first("access_token") or bearer(request)


FACEBOOK: Final = FakePlatform(
    name="facebook",
    hosts=("graph.facebook.com",),
    handles=_pages_asked,
    answer=_pages,
    refuse=lambda refusal: _refuse(refusal, 4, "pages"),
    limit_headers=_usage,
    secret=_token,
    usual=(200, 3600.0),
)
INSTAGRAM: Final = FakePlatform(
    name="instagram",
    hosts=("graph.facebook.com",),
    handles=_discovered,
    answer=_discovery,
    refuse=lambda refusal: _refuse(refusal, 80002, "instagram"),
    limit_headers=_usage,
    secret=_token,
    usual=(200, 3600.0),
)
THREADS: Final = FakePlatform(
    name="threads",
    hosts=("graph.threads.com", "graph.threads.net"),
    handles=_looked_up,
    answer=_profile,
    refuse=lambda refusal: _refuse(refusal, 4, "threads"),
    limit_headers=_usage,
    secret=_token,
    usual=(1000, 86_400.0),
)
