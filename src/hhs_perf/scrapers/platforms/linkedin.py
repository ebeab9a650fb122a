"""LinkedIn: followers of organizations, whose ids are looked up once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..platform import Call, Credential, Platform, Reading, Resolver
from ._handles import of_other, written
from ._replies import failed, missing, said, told
from .counts import Fields, figures, identity, items, text
from .signals import until_hour

if TYPE_CHECKING:
    from ..platform import Address, Credentials, Reply, Target
    from ..values import Failure

__all__ = ["LINKEDIN"]

_HOST: Final = re.compile(r"(?:[a-z]{2}\.)?linkedin\.com")
_ORGANIZATIONS: Final = ("company", "showcase", "school", "company-beta", "organization")
_MEMBERS: Final = ("in", "pub", "profile")
_NUMBER: Final = re.compile(r"(?:urn:li:organization:)?([0-9]{1,18})")
_VERSION: Final = "202601"
_REQUIRED: Final[Fields] = {"followers_count": ("firstDegreeSize",)}
_TOO_MANY: Final = 429
_MIDNIGHT: Final = 0

_normalise: Final = written(r"[^\s/?#,:()\x00-\x1f]{1,100}")


def _match(address: Address) -> str | None:
    """Read an organization's address. Raises ValueError for a member's."""
    if not _HOST.fullmatch(address.host) or not address.path[1:]:
        return None
    kind = address.path[0].lower()
    if kind in _MEMBERS:
        raise ValueError("a member's page: LinkedIn's API counts followers of organizations only")
    return _normalise(address.path[1]) or None if kind in _ORGANIZATIONS else None


def _organization(target: Target) -> str | None:
    for known in (target.account_id, target.handle):
        number = _NUMBER.fullmatch(known) if known is not None else None
        if number is not None:
            return number[1]
    return None


def _headers(credentials: Credentials) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {credentials['token']}",
        "LinkedIn-Version": _VERSION,
        "X-Restli-Protocol-Version": "2.0.0",
    }


def _look_up(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    return Call(
        path="/rest/organizations",
        params=(("q", "vanityName"), ("vanityName", targets[0].handle)),
        headers=_headers(credentials),
    )


def _found(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    elements: list[Any] = items(reply.json(), "elements")
    target = targets[0]
    named = [each for each in elements if not of_other(each.get("vanityName"), target.handle)]
    if not named:
        return {target: missing("no organization has this name")}
    found = named[0]
    number = identity(found.get("id"))
    if not _NUMBER.fullmatch(number):
        raise ValueError("the id of an organization is no number")
    name = text(found.get("localizedName"))
    return {target: Reading(figures=None, account_id=number, display_name=name)}


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    return Call(
        path=f"/rest/networkSizes/urn%3Ali%3Aorganization%3A{_organization(targets[0])}",
        params=(("edgeType", "COMPANY_FOLLOWED_BY_MEMBER"),),
        headers=_headers(credentials),
    )


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading]:
    target = targets[0]
    counted = figures(reply.json(), _REQUIRED)
    return {target: Reading(figures=counted, account_id=_organization(target))}


def _classify(reply: Reply) -> Failure | None:
    message = said(told(reply).get("message", ""))
    if reply.status == _TOO_MANY and " DAY " in message:
        return failed("quota_exhausted", message, until_hour(reply, _MIDNIGHT))
    return None


LINKEDIN: Final = Platform(
    name="linkedin",
    title="LinkedIn",
    base_url="https://api.linkedin.com",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    classify=_classify,
    resolve=Resolver(
        build=_look_up, parse=_found, needs=lambda target: _organization(target) is None
    ),
    figures=("followers_count",),
    credentials=(
        Credential(
            name="token",
            how=(
                "A three-legged token of an app at developer.linkedin.com with the Community"
                " Management API, granted by an administrator with rw_organization_admin."
            ),
        ),
    ),
    notes=(
        "Organizations and showcase pages only; members (/in/…) have no public count. Limits are"
        " by the day, until midnight UTC, and LinkedIn publishes no numbers."
    ),
)
