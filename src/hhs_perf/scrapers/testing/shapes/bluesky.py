"""Bluesky's public AppView: https://docs.bsky.app/docs/api."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..values import Answer, FakeAccount, FakePlatform, Limits, Refusal, Request, Scene, json_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BLUESKY"]

_MOST: Final = 25


def _handles(request: Request) -> tuple[str, ...]:
    if request.path.endswith(".getProfiles"):
        return tuple(value for key, value in request.query if key == "actors")
    return (request.first("actor"),) if request.first("actor") else ()


def _answer(scene: Scene, request: Request) -> Answer:
    names = _handles(request)
    found = [scene.find(name, by_id=name.startswith("did:")) for name in names[: _MOST + 1]]
    if request.path.endswith(".getProfiles"):
        if not 1 <= len(names) <= _MOST:
            message = f"Error: actors must not have more than {_MOST} elements"
            return _error("InvalidRequest", message)
        # Whoever is not there is left out in silence.
        there = [_profile(each) for each in found if each.state in ("active", "hidden", "private")]
        return json_answer({"profiles": there})
    if not found or not found[0].exists:
        return _error("InvalidRequest", "Profile not found")
    if found[0].state == "suspended":
        return _error("AccountTakedown", "Account has been suspended")
    return json_answer(_profile(found[0]))


def _profile(account: FakeAccount) -> dict[str, object]:
    profile: dict[str, object] = {"did": account.account_id, "handle": account.handle}
    if account.state == "hidden":
        return profile
    return {
        **profile,
        "displayName": account.display_name,
        "followersCount": account.count("followers_count"),
        "followsCount": account.count("following_count"),
        "postsCount": account.count("posts_count"),
        "indexedAt": "2024-11-20T10:00:00.000Z",
        "createdAt": "2023-07-01T10:00:00.000Z",
        "labels": [],
    }


def _error(error: str, message: str, status: int = 400) -> Answer:
    return json_answer({"error": error, "message": message}, status)


def _limit_headers(limits: Limits) -> Mapping[str, str]:
    return {
        "ratelimit-limit": str(limits.limit),
        "ratelimit-remaining": str(limits.remaining),
        "ratelimit-reset": str(int(-(-limits.reset_at // 1))),
        "ratelimit-policy": f"{limits.limit};w=300",
    }


def _refuse(refusal: Refusal) -> Answer:
    match refusal.kind:
        case "auth":
            return _error("InvalidToken", "Token could not be verified", 401)
        case "forbidden":
            return _error("Forbidden", "Forbidden", 403)
        case _:
            seconds = str(int(-(-refusal.limits.seconds_left // 1)))
            headers = {**_limit_headers(refusal.limits), "retry-after": seconds}
            body = {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}
            return json_answer(body, 429, headers)


BLUESKY: Final = FakePlatform(
    name="bluesky",
    hosts=("public.api.bsky.app", "api.bsky.app"),
    handles=_handles,
    answer=_answer,
    refuse=_refuse,
    limit_headers=_limit_headers,
    secret=None,
    usual=(3000, 300.0),
)
