"""X, API v2: https://docs.x.com/x-api/users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..values import Answer, FakeAccount, FakePlatform, Limits, Refusal, Request, Scene, json_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["X"]

_MOST: Final = 100
_PROBLEMS: Final = "https://api.x.com/2/problems"


def _handles(request: Request) -> tuple[str, ...]:
    return _asked(request)[0]


def _asked(request: Request) -> tuple[tuple[str, ...], bool, bool]:
    """Give the names, whether they are ids, and whether the form is that for one."""
    path = request.path.rstrip("/")
    if path.endswith("/users/by"):
        return request.listed("usernames"), False, False
    if path.endswith("/users"):
        return request.listed("ids"), True, False
    is_id = "/users/by/username/" not in path
    return (path.rpartition("/")[2],), is_id, True


def _answer(scene: Scene, request: Request) -> Answer:
    names, by_id, is_single = _asked(request)
    parameter = ("id" if by_id else "username") + ("" if is_single else "s")
    if not 1 <= len(names) <= _MOST:
        return _too_many(parameter, len(names))
    found = [(name, scene.find(name, by_id=by_id)) for name in names]
    users = [_user(each) for _, each in found if each.exists and each.state != "suspended"]
    problems = [
        _problem(parameter, name, each)
        for name, each in found
        if not each.exists or each.state == "suspended"
    ]
    body: dict[str, object] = {}
    if users:
        body["data"] = users[0] if is_single else users
    if problems:
        body["errors"] = problems
    return json_answer(body)


def _user(account: FakeAccount) -> dict[str, object]:
    return {
        "id": account.account_id,
        "name": account.display_name,
        "username": account.handle,
        "created_at": "2013-12-14T04:35:55.000Z",
        "verified": True,
        "verified_type": "government",
        "public_metrics": {
            "followers_count": account.count("followers_count"),
            "following_count": account.count("following_count"),
            "tweet_count": account.count("posts_count"),
            "listed_count": 7,
            "like_count": account.count("likes_count"),
            "media_count": 5,
        },
    }


def _problem(parameter: str, name: str, account: FakeAccount) -> dict[str, object]:
    is_suspended = account.state == "suspended"
    return {
        "resource_type": "user",
        "resource_id": name,
        "parameter": parameter,
        "value": name,
        "title": "Forbidden" if is_suspended else "Not Found Error",
        "detail": (
            f"User has been suspended: [{name}]."
            if is_suspended
            else f"Could not find user with {parameter}: [{name}]."
        ),
        "type": f"{_PROBLEMS}/resource-not-found",
    }


def _too_many(parameter: str, count: int) -> Answer:
    message = (
        f"The number of values in the `{parameter}` query parameter list [{count}] "
        f"is not between 1 and {_MOST}"
    )
    return json_answer(
        {
            "errors": [{"parameters": {parameter: []}, "message": message}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": f"{_PROBLEMS}/invalid-request",
        },
        400,
    )


def _limit_headers(limits: Limits) -> Mapping[str, str]:
    return {
        "x-rate-limit-limit": str(limits.limit),
        "x-rate-limit-remaining": str(limits.remaining),
        "x-rate-limit-reset": str(int(-(-limits.reset_at // 1))),
    }


def _refuse(refusal: Refusal) -> Answer:
    match refusal.kind:
        case "quota":
            body: dict[str, object] = {
                "title": "UsageCapExceeded",
                "period": "Monthly",
                "scope": "Product",
                "detail": "Usage cap exceeded: Monthly product cap",
                "type": "https://api.twitter.com/2/problems/usage-capped",
            }
            return json_answer(body, 429)
        case "auth":
            body = {"title": "Unauthorized", "type": "about:blank", "detail": "Unauthorized"}
            return json_answer({**body, "status": 401}, 401)
        case "forbidden":
            body = {
                "client_id": "1",
                "reason": "client-not-enrolled",
                "title": "Client Forbidden",
                "detail": "The project of this client may not ask this.",
                "type": "https://api.twitter.com/2/problems/client-forbidden",
            }
            return json_answer(body, 403)
        case "throttled":
            body = {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}
        case _:
            body = {
                "title": "Too Many Requests",
                "detail": "Too Many Requests",
                "type": "about:blank",
                "status": 429,
            }
    return json_answer(body, 429, _limit_headers(refusal.limits))


X: Final = FakePlatform(
    name="x",
    hosts=("api.x.com", "api.twitter.com"),
    handles=_handles,
    answer=_answer,
    refuse=_refuse,
    limit_headers=_limit_headers,
    usual=(300, 900.0),
)
