"""LinkedIn organizations: https://learn.microsoft.com/linkedin/marketing/."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from ..values import Answer, FakePlatform, Refusal, Request, Scene, json_answer

if TYPE_CHECKING:
    from ..values import FakeAccount

__all__ = ["LINKEDIN"]

_URN: Final = re.compile(r"urn:li:organization(?:brand)?:(\d+)")
_VERSION: Final = re.compile(r"20\d{4}")
_THROTTLED: Final = (
    "Resource level throttle APPLICATION DAY limit for calls to this resource is reached."
)


def _handles(request: Request) -> tuple[str, ...]:
    urn = _URN.search(unquote(request.path))
    if urn:
        return (urn[1],)
    return (request.first("vanityName"),) if request.first("vanityName") else ()


def _answer(scene: Scene, request: Request) -> Answer:
    if not _VERSION.fullmatch(request.headers.get("linkedin-version", "")):
        return _error(400, "VERSION_MISSING", "A version must be present", 0)
    names = _handles(request)
    if names and request.path.endswith("/organizations"):
        return _organizations(scene.find(names[0]))
    if names and "/networkSizes/" in request.path:
        return _size(scene.find(names[0], by_id=True), request.first("edgeType"))
    return _error(404, "RESOURCE_NOT_FOUND", f"No virtual resource found for {request.path}", 0)


def _organizations(account: FakeAccount) -> Answer:
    elements = []
    if account.state in ("active", "hidden", "private"):
        elements.append(
            {
                "id": int(account.account_id),
                "vanityName": account.handle,
                "localizedName": account.display_name,
                "primaryOrganizationType": "NONE",
            }
        )
    paging = {"start": 0, "count": 10, "links": [], "total": len(elements)}
    return json_answer({"paging": paging, "elements": elements})


def _size(account: FakeAccount, edge: str) -> Answer:
    if edge != "COMPANY_FOLLOWED_BY_MEMBER":
        return _error(400, "PARAM_INVALID", f"Invalid value for param: edgeType {edge}", 0)
    if account.state == "private":
        message = "Member does not have permission to perform this action"
        return _error(403, "ACCESS_DENIED", message, 100)
    if account.state not in ("active", "hidden"):
        return _error(404, "NOT_FOUND", "Not found", 0)
    return json_answer({"firstDegreeSize": account.count("followers_count")})


def _error(status: int, code: str, message: str, service: int) -> Answer:
    body = {"status": status, "serviceErrorCode": service, "code": code, "message": message}
    return json_answer(body, status)


def _refuse(refusal: Refusal) -> Answer:
    match refusal.kind:
        case "auth":
            return _error(401, "EXPIRED_ACCESS_TOKEN", "The token used has expired", 65602)
        case "forbidden":
            message = "Not enough permissions to access: networkSizes.GET.20260101"
            return _error(403, "ACCESS_DENIED", message, 100)
        case "quota":
            body = {"message": _THROTTLED, "serviceErrorCode": 101, "status": 429}
        case _:
            message = _THROTTLED.replace("APPLICATION DAY", "APPLICATION_AND_MEMBER MINUTE")
            body = {"message": message, "serviceErrorCode": 101, "status": 429}
    return json_answer(body, 429)


LINKEDIN: Final = FakePlatform(
    name="linkedin",
    hosts=("api.linkedin.com",),
    handles=_handles,
    answer=_answer,
    refuse=_refuse,
    usual=(500, 86_400.0),
)
