"""Flickr: photos and views of a member; followers are not in the API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..platform import Call, Credential, Platform, Reading, Resolver
from ._replies import failed, said, told
from .counts import Fields, figures, identity, section, text

if TYPE_CHECKING:
    from ..platform import Address, Credentials, Reply, Target
    from ..values import Failure, FailureKind

__all__ = ["FLICKR"]

_ID: Final = re.compile(r"[0-9]{1,15}@N[0-9]{2}", re.IGNORECASE)
_NAME: Final = re.compile(r"[a-z0-9_.-]{1,60}")
_FOLDERS: Final = ("photos", "people")
_OTHER_PAGES: Final = ("tags", "search", "upload", "organize", "explore")
_REQUIRED: Final[Fields] = {"posts_count": ("count",)}
_OPTIONAL: Final[Fields] = {"views_count": ("views",)}
_CODES: Final[dict[int, FailureKind]] = {
    1: "not_found",
    2: "not_found",
    5: "not_found",
    96: "auth",
    97: "auth",
    98: "auth",
    99: "auth",
    100: "auth",
    105: "server",
    106: "server",
}


def _normalise(handle: str) -> str:
    name = handle.strip()
    if _ID.fullmatch(name):
        return name.upper()
    name = name.removeprefix("@").lower()
    return name if _NAME.fullmatch(name) else ""


def _match(address: Address) -> str | None:
    path = address.path
    if address.host != "flickr.com" or not path[1:]:
        return None
    if path[0].lower() not in _FOLDERS or path[1].lower() in _OTHER_PAGES:
        return None
    return _normalise(path[1]) or None


def _member(target: Target) -> str | None:
    for known in (target.account_id, target.handle):
        if known is not None and _ID.fullmatch(known):
            return known
    return None


def _call(credentials: Credentials, method: str, name: str, value: str) -> Call:
    return Call(
        path="/services/rest/",
        params=(
            ("method", method),
            ("api_key", credentials["key"]),
            (name, value),
            ("format", "json"),
            ("nojsoncallback", "1"),
        ),
    )


def _look_up(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    url = f"https://www.flickr.com/photos/{targets[0].handle}/"
    return _call(credentials, "flickr.urls.lookupUser", "url", url)


def _found(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading]:
    user: dict[str, Any] = section(reply.json(), "user")
    number = identity(user.get("id"))
    if not _ID.fullmatch(number):
        raise ValueError("the id of a member is no NSID")
    return {
        targets[0]: Reading(
            figures=None, account_id=number, display_name=_content(user.get("username"))
        )
    }


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    return _call(credentials, "flickr.people.getInfo", "user_id", _member(targets[0]) or "")


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading]:
    person = section(reply.json(), "person")
    photos = section(person, "photos")
    counted = {key: _unwrapped(photos.get(key)) for key in ("count", "views")}
    name = _content(person.get("realname")) or _content(person.get("username"))
    return {
        targets[0]: Reading(
            figures=figures(counted, _REQUIRED, _OPTIONAL),
            account_id=identity(person.get("nsid") or person.get("id")),
            display_name=name,
        )
    }


def _unwrapped(value: object) -> object:
    return value.get("_content") if isinstance(value, dict) else value


def _content(value: object) -> str | None:
    return text(_unwrapped(value))


def _classify(reply: Reply) -> Failure | None:
    """Tell a failure by its code: they come with HTTP 200."""
    answer = told(reply)
    if answer.get("stat") != "fail":
        return None
    code = answer.get("code")
    kind = _CODES.get(code) if isinstance(code, int) else None
    return failed(kind or "schema_changed", f"code {code}: {said(answer.get('message', ''))}")


FLICKR: Final = Platform(
    name="flickr",
    title="Flickr",
    base_url="https://www.flickr.com",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    classify=_classify,
    resolve=Resolver(build=_look_up, parse=_found, needs=lambda target: _member(target) is None),
    interval=1.0,
    figures=("posts_count", "views_count"),
    credentials=(Credential(name="key", how="An API key from flickr.com/services/apps/create."),),
    notes=(
        "The API has no follower count. 3,600 requests an hour for each key; commercial use needs"
        " Flickr's consent."
    ),
)
