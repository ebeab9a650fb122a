"""YouTube Data API v3: https://developers.google.com/youtube/v3/docs/channels/list."""

from __future__ import annotations

from typing import Final

from ..values import Answer, FakeAccount, FakePlatform, Refusal, Request, Scene, json_answer

__all__ = ["YOUTUBE"]

_MOST: Final = 50
_DIGITS: Final = 3
_MESSAGES: Final = {
    "quotaExceeded": "The request cannot be completed because you have exceeded your quota.",
    "rateLimitExceeded": "Rate Limit Exceeded",
    "keyInvalid": "API key not valid. Please pass a valid API key.",
    "forbidden": "Access forbidden. The request may not be properly authorized.",
    "invalidParameter": "The request specifies an invalid parameter.",
    "missingRequiredParameter": "No filter selected. Expected one of: id, forHandle, forUsername",
}


def _handles(request: Request) -> tuple[str, ...]:
    single = request.first("forHandle") or request.first("forUsername")
    return (single,) if single else request.listed("id")


def _answer(scene: Scene, request: Request) -> Answer:
    names = _handles(request)
    if not names:
        return _error(400, "missingRequiredParameter", "youtube.parameter")
    if len(names) > _MOST:
        return _error(400, "invalidParameter", "youtube.parameter")
    by_id = not (request.first("forHandle") or request.first("forUsername"))
    found = (scene.find(name, by_id=by_id) for name in names)
    items = [_channel(each) for each in found if each.exists and each.state != "suspended"]
    body: dict[str, object] = {
        "kind": "youtube#channelListResponse",
        "etag": "RuuXzTIr0OoDqI4S0RU6n4FqKEM",
        "pageInfo": {"totalResults": len(items), "resultsPerPage": len(names)},
    }
    if items:
        body["items"] = items
    return json_answer(body)


def _channel(account: FakeAccount) -> dict[str, object]:
    is_hidden = account.state == "hidden"
    # The number that others than the owner see has three digits; a hidden one reads 0.
    followers = 0 if is_hidden else _three_digits(account.count("followers_count"))
    return {
        "kind": "youtube#channel",
        "etag": "0j-8ZrtfVyI7y9pYM2hLwdWRZ2M",
        "id": account.account_id,
        "snippet": {
            "title": account.display_name,
            "customUrl": f"@{account.handle}",
            "publishedAt": "2007-08-23T00:34:43Z",
        },
        "statistics": {
            "viewCount": str(account.count("video_views")),
            "subscriberCount": str(followers),
            "hiddenSubscriberCount": is_hidden,
            "videoCount": str(account.count("posts_count")),
        },
    }


def _three_digits(count: int) -> int:
    unit: int = 10 ** max(0, len(str(count)) - _DIGITS)
    return count // unit * unit


def _error(status: int, reason: str, domain: str) -> Answer:
    message = _MESSAGES[reason]
    errors = [{"message": message, "domain": domain, "reason": reason}]
    return json_answer({"error": {"code": status, "message": message, "errors": errors}}, status)


def _refuse(refusal: Refusal) -> Answer:
    match refusal.kind:
        case "quota":
            return _error(403, "quotaExceeded", "youtube.quota")
        case "auth":
            return _error(400, "keyInvalid", "usageLimits")
        case "forbidden":
            return _error(403, "forbidden", "youtube.channel")
        case "throttled":
            return _error(refusal.status or 403, "rateLimitExceeded", "usageLimits")
        case _:
            return _error(refusal.status or 429, "rateLimitExceeded", "usageLimits")


YOUTUBE: Final = FakePlatform(
    name="youtube",
    hosts=("www.googleapis.com", "youtube.googleapis.com"),
    handles=_handles,
    answer=_answer,
    refuse=_refuse,
    secret=lambda request: request.first("key") or request.headers.get("x-goog-api-key", ""),
    usual=(10_000, 86_400.0),
)
