"""Flickr's REST API: https://www.flickr.com/services/api/. Its errors are of status 200."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ..values import Answer, FakePlatform, Refusal, Request, Scene, json_answer

if TYPE_CHECKING:
    from ..values import FakeAccount

__all__ = ["FLICKR"]


def _handles(request: Request) -> tuple[str, ...]:
    if request.first("user_id"):
        return (request.first("user_id"),)
    segments = [each for each in urlsplit(request.first("url")).path.split("/") if each]
    return (segments[-1],) if segments else ()


def _answer(scene: Scene, request: Request) -> Answer:
    if request.first("format") != "json" or request.first("nojsoncallback") != "1":
        body = b'<?xml version="1.0" encoding="utf-8" ?><rsp stat="ok"></rsp>'
        return Answer(headers={"content-type": "text/xml; charset=utf-8"}, body=body)
    names = _handles(request)
    method = request.first("method")
    if method not in ("flickr.urls.lookupUser", "flickr.people.getInfo", _CONTACTS):
        return _fail(112, f'Method "{method}" not found')
    by_id = method != "flickr.urls.lookupUser"
    account = scene.find(names[0], by_id=by_id) if names else None
    if account is None or account.state not in ("active", "hidden", "private"):
        return _fail(1, "User not found")
    if method == _CONTACTS:
        total = account.count("following_count")
        contacts = {"page": 1, "pages": total, "per_page": 1, "perpage": 1, "total": total}
        return json_answer({"contacts": {**contacts, "contact": []}, "stat": "ok"})
    username = {"_content": account.display_name}
    if method == "flickr.urls.lookupUser":
        user = {"id": account.account_id, "username": username}
        return json_answer({"user": user, "stat": "ok"})
    return json_answer({"person": _person(account), "stat": "ok"})


_CONTACTS: Final = "flickr.contacts.getPublicList"


def _person(account: FakeAccount) -> dict[str, object]:
    return {
        "id": account.account_id,
        "nsid": account.account_id,
        "ispro": 1,
        "path_alias": account.handle,
        "username": {"_content": account.display_name},
        "photos": {
            "firstdate": {"_content": "1215027005"},
            "count": {"_content": str(account.count("posts_count"))},
            "views": {"_content": str(account.count("views_count"))},
        },
    }


def _fail(code: int, message: str) -> Answer:
    return json_answer({"stat": "fail", "code": code, "message": message})


def _refuse(refusal: Refusal) -> Answer:
    match refusal.kind:
        case "auth":
            return _fail(100, "Invalid API Key (Key has invalid format)")
        case "forbidden":
            return _fail(99, "Insufficient permissions. Method requires read privileges")
        case "throttled":
            return _fail(105, "Service currently unavailable")
        case _:
            seconds = str(int(-(-refusal.limits.seconds_left // 1)))
            headers = {"content-type": "text/plain", "retry-after": seconds}
            return Answer(status=429, headers=headers, body=b"Too Many Requests")


FLICKR: Final = FakePlatform(
    name="flickr",
    hosts=("www.flickr.com", "api.flickr.com"),
    handles=_handles,
    answer=_answer,
    refuse=_refuse,
    secret=lambda request: request.first("api_key"),
    usual=(3600, 3600.0),
)
