"""Mastodon, and Truth Social, which is built on it: https://docs.joinmastodon.org/methods."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ..values import Answer, FakeAccount, FakePlatform, Limits, Refusal, Request, Scene, json_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MASTODON", "TRUTH_SOCIAL"]


def _handles(request: Request) -> tuple[str, ...]:
    return (request.first("acct"),) if request.first("acct") else ()


def _of_server(request: Request) -> tuple[str, ...]:
    names = _handles(request)
    return (*names, f"{names[0]}@{request.host}") if names else ()


def _answer_of_server(scene: Scene, request: Request) -> Answer:
    """Answer as one of many servers, on each of which a name is somebody else's."""
    names = _of_server(request)
    known = next((each for each in names[::-1] if scene.knows(each)), names[-1] if names else "")
    return _look_up(scene, request, known)


def _answer(scene: Scene, request: Request) -> Answer:
    return _look_up(scene, request, request.first("acct"))


def _look_up(scene: Scene, request: Request, name: str) -> Answer:
    if not name or not request.path.endswith("/v1/accounts/lookup"):
        return json_answer({"error": "Record not found"}, 404)
    account = scene.find(name)
    if not account.exists:
        return json_answer({"error": "Record not found"}, 404)
    return json_answer(_entity(account))


def _entity(account: FakeAccount) -> dict[str, object]:
    name = account.handle.partition("@")[0]
    entity: dict[str, object] = {
        "id": account.account_id,
        "username": name,
        "acct": name,
        "display_name": account.display_name,
        "created_at": "2017-04-05T00:00:00.000Z",
        "followers_count": account.count("followers_count"),
        "following_count": account.count("following_count"),
        "statuses_count": account.count("posts_count"),
        "last_status_at": "2026-01-01",
        "url": f"https://example.social/@{name}",
    }
    if account.state == "suspended":
        # It stays visible as an empty shell.
        zeros = dict.fromkeys(("followers_count", "following_count", "statuses_count"), 0)
        return {**entity, **zeros, "display_name": "", "suspended": True}
    return entity


def _limit_headers(limits: Limits) -> Mapping[str, str]:
    reset = datetime.fromtimestamp(limits.reset_at, UTC).isoformat(timespec="microseconds")
    return {
        "x-ratelimit-limit": str(limits.limit),
        "x-ratelimit-remaining": str(limits.remaining),
        "x-ratelimit-reset": reset.replace("+00:00", "Z"),
    }


def _refuse(refusal: Refusal) -> Answer:
    match refusal.kind:
        case "auth":
            return json_answer({"error": "The access token is invalid"}, 401)
        case "forbidden":
            return json_answer({"error": "This action is not allowed"}, 403)
        case _:
            headers = _limit_headers(refusal.limits)
            return json_answer({"error": "Too many requests"}, 429, headers)


MASTODON: Final = FakePlatform(
    name="mastodon",
    handles=_of_server,
    answer=_answer_of_server,
    refuse=_refuse,
    limit_headers=_limit_headers,
    secret=None,
    usual=(300, 300.0),
)
TRUTH_SOCIAL: Final = FakePlatform(
    name="truth_social",
    hosts=("truthsocial.com",),
    handles=_handles,
    answer=_answer,
    refuse=_refuse,
    limit_headers=_limit_headers,
    secret=None,
    usual=(300, 300.0),
)
