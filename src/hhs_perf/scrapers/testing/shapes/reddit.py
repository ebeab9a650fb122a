"""Reddit's OAuth API: https://www.reddit.com/dev/api."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..values import Answer, FakeAccount, FakePlatform, Limits, Refusal, Request, Scene, json_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["REDDIT"]

_ABOUT: Final = re.compile(r"/(r|u|user)/([^/]+)/about(?:\.json)?/?$")
_NAMED: Final = "(by /u/"


def _handles(request: Request) -> tuple[str, ...]:
    asked = _ABOUT.search(request.path)
    # Communities and people may have the same name, and are known apart by these prefixes.
    return (f"{'r' if asked[1] == 'r' else 'u'}/{asked[2]}",) if asked else ()


def _answer(scene: Scene, request: Request) -> Answer:
    if _NAMED not in request.headers.get("user-agent", ""):
        return _error(403, "Forbidden")  # no client may go without a name, or with a browser's
    names = _handles(request)
    account = scene.find(names[0]) if names else None
    if account is None or not account.exists:
        return _error(404, "Not Found")
    kind, _, name = names[0].partition("/")
    return _community(account) if kind == "r" else _user(account, name)


def _community(account: FakeAccount) -> Answer:
    if account.state == "private":
        return _error(403, "Forbidden", reason="private")
    if account.state == "suspended":
        return _error(404, "Not Found", reason="banned")
    about: dict[str, object] = {
        "id": account.account_id,
        "name": f"t5_{account.account_id}",
        "display_name": account.handle.rpartition("/")[2],
        "title": account.display_name,
        "accounts_active": 11,
        "active_user_count": 11,
        "created_utc": 1503537915.0,
        "subreddit_type": "public",
        "subscribers": None if account.state == "hidden" else account.count("followers_count"),
    }
    return json_answer({"kind": "t5", "data": about})


def _user(account: FakeAccount, name: str) -> Answer:
    if account.state == "suspended":
        return json_answer({"kind": "t2", "data": {"name": name, "is_suspended": True}})
    about: dict[str, object] = {
        "id": account.account_id,
        "name": name,
        "link_karma": 1,
        "comment_karma": 0,
        "total_karma": 1,
        "is_suspended": False,
        "subreddit": {
            "display_name": f"u_{name}",
            "title": account.display_name,
            "subscribers": account.count("followers_count"),
        },
    }
    return json_answer({"kind": "t2", "data": about})


def _error(status: int, message: str, *, reason: str = "") -> Answer:
    body: dict[str, object] = {"message": message, "error": status}
    return json_answer({**body, "reason": reason} if reason else body, status)


def _limit_headers(limits: Limits) -> Mapping[str, str]:
    return {
        "x-ratelimit-used": str(limits.used),
        "x-ratelimit-remaining": f"{limits.remaining:.1f}",
        "x-ratelimit-reset": str(int(-(-limits.seconds_left // 1))),
    }


def _refuse(refusal: Refusal) -> Answer:
    match refusal.kind:
        case "auth":
            return _error(401, "Unauthorized")
        case "forbidden":
            return _error(403, "Forbidden")
        case _:
            body = {"message": "Too Many Requests", "error": 429}
            return json_answer(body, 429, _limit_headers(refusal.limits))


REDDIT: Final = FakePlatform(
    name="reddit",
    hosts=("oauth.reddit.com",),
    handles=_handles,
    answer=_answer,
    refuse=_refuse,
    limit_headers=_limit_headers,
    usual=(600, 600.0),
)
