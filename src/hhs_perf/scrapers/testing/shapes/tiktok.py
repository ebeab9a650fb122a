"""TikTok's research API and that of own accounts: https://developers.tiktok.com/doc."""

from __future__ import annotations

from typing import Final

from ..values import Answer, FakePlatform, Refusal, Request, Scene, json_answer

__all__ = ["TIKTOK"]


def _handles(request: Request) -> tuple[str, ...]:
    name = request.field("username")
    return (name,) if name else ()


def _answer(scene: Scene, request: Request) -> Answer:
    is_research = request.path.rstrip("/").endswith("/research/user/info")
    names = _handles(request)
    if is_research and (request.method != "POST" or not names):
        return _error(400, "invalid_params", "The username is missing")
    if not is_research and not request.path.rstrip("/").endswith("/user/info"):
        return _error(404, "invalid_params", "No such path")
    account = scene.find(names[0] if names else "me")
    if account.state == "private":
        return _error(403, "access_denied", "The account is private")
    if account.state not in ("active", "hidden"):
        return _error(404, "not_found", "The user does not exist")
    figures: dict[str, object] = {
        "follower_count": account.count("followers_count"),
        "following_count": account.count("following_count"),
        "likes_count": account.count("likes_count"),
        "video_count": account.count("posts_count"),
    }
    fine = {"code": "ok", "message": "", "log_id": "20260101"}
    if is_research:
        flat = {"display_name": account.display_name, "is_verified": True, **figures}
        return json_answer({"data": flat, "error": fine})
    own = {"open_id": account.account_id, "username": account.handle, **figures}
    return json_answer({"data": {"user": own}, "error": fine})


def _error(status: int, code: str, message: str) -> Answer:
    error = {"code": code, "message": message, "log_id": "20260101"}
    return json_answer({"data": {}, "error": error}, status)


def _refuse(refusal: Refusal) -> Answer:
    match refusal.kind:
        case "auth":
            message = "The access token is invalid or not found in the request."
            return _error(refusal.status or 401, "access_token_invalid", message)
        case "forbidden":
            message = "The user did not authorize the scope required for completing this request."
            return _error(refusal.status or 401, "scope_not_authorized", message)
        case "quota":
            return _error(429, "daily_quota_limit_exceeded", "The daily quota is used up.")
        case "throttled":
            message = "The API rate limit was exceeded."
            return _error(refusal.status or 200, "rate_limit_exceeded", message)
        case _:
            message = "The API rate limit was exceeded."
            return _error(refusal.status or 429, "rate_limit_exceeded", message)


TIKTOK: Final = FakePlatform(
    name="tiktok",
    hosts=("open.tiktokapis.com",),
    handles=_handles,
    answer=_answer,
    refuse=_refuse,
    usual=(1000, 86_400.0),
)
