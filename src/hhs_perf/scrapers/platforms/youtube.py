"""YouTube: the Data API v3, fifty channels a request once their ids are known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..platform import Budget, Call, Credential, Platform, Reading, Resolver
from ..values import HIDDEN, Figure
from ._handles import words
from ._replies import failed, missing, said, told
from .counts import Fields, count, figures, identity, items, section, text, tried
from .signals import until_hour

if TYPE_CHECKING:
    from ..platform import Address, Credentials, Reply, Target
    from ..values import Failure, FailureKind

__all__ = ["YOUTUBE"]

_OTHER_PAGES: Final = words(
    "about account ads attribution_link clip creators embed feed gaming hashtag howyoutubeworks"
    " kids live movies music new oembed playlist post premium redirect results shorts source"
    " studio t trending tv upload v watch"
)
_ID: Final = re.compile(r"UC[A-Za-z0-9_-]{22}")
_HANDLE: Final = re.compile(r"@[\w.·-]{2,60}")
_NAMED: Final = re.compile(r"(?:user|c):[\w.-]{1,100}")
_DIGITS_SHOWN: Final = 3
_PACIFIC_MIDNIGHT: Final = 8  # in winter; in summer an hour earlier, so that this is never early
_OPTIONAL: Final[Fields] = {"posts_count": ("videoCount",), "video_views": ("viewCount",)}
_REASONS: Final[dict[str, FailureKind]] = {
    "quotaExceeded": "quota_exhausted",
    "dailyLimitExceeded": "quota_exhausted",
    "rateLimitExceeded": "rate_limited",
    "userRateLimitExceeded": "rate_limited",
    "keyInvalid": "auth",
    "keyExpired": "auth",
    "authError": "auth",
    "accessNotConfigured": "auth",
    "ipRefererBlocked": "auth",
    "forbidden": "forbidden",
    "channelForbidden": "forbidden",
    "channelNotFound": "not_found",
    "notFound": "not_found",
    "channelSuspended": "suspended",
    "backendError": "server",
    "internalError": "server",
}


def _normalise(handle: str) -> str:
    name = handle.strip()
    if _ID.fullmatch(name):
        return name
    name = name.lower()
    if _NAMED.fullmatch(name):
        return name
    name = f"@{name.removeprefix('@')}"
    return name if _HANDLE.fullmatch(name) else ""


def _match(address: Address) -> str | None:
    if address.host != "youtube.com" or not address.path:
        return None
    first = address.path[0]
    kind = first.lower()
    if kind in ("channel", "user", "c"):
        if len(address.path) == 1:
            return None
        second = address.path[1]
        if kind == "channel":
            return second if _ID.fullmatch(second) else None
        return _normalise(f"{kind}:{second}") or None
    return None if kind in _OTHER_PAGES else _normalise(first) or None


def _channel(target: Target) -> str | None:
    for known in (target.account_id, target.handle):
        if known is not None and _ID.fullmatch(known):
            return known
    return None


def _call(credentials: Credentials, name: str, value: str) -> Call:
    return Call(
        path="/youtube/v3/channels",
        params=(("part", "statistics,snippet"), (name, value), ("key", credentials["key"])),
    )


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    return _call(credentials, "id", ",".join(_channel(each) or "" for each in targets))


def _look_up(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    kind, _, name = targets[0].handle.rpartition(":")
    if kind == "user":
        return _call(credentials, "forUsername", name)
    return _call(credentials, "forHandle", f"@{name.removeprefix('@')}")


def _channels(reply: Reply) -> list[Any]:
    answer = reply.json()
    if answer.get("kind") != "youtube#channelListResponse":
        raise ValueError("no list of channels")
    return items(answer, "items") if answer.get("items") is not None else []


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    channels = {each["id"]: each for each in _channels(reply)}
    gone = missing("there is no such channel, or no longer")
    return {
        target: tried(_read, channels[known]) if known in channels else gone
        for target in targets
        for known in (_channel(target),)
    }


def _found(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    channels = _channels(reply)
    if not channels:
        return {targets[0]: missing("no channel has this name")}
    if len(channels) > 1:
        return {targets[0]: failed("schema_changed", "several channels for one name")}
    return {targets[0]: tried(_read, channels[0])}


def _read(channel: dict[str, Any]) -> Reading:
    statistics = section(channel, "statistics")
    found = figures(statistics, {}, _OPTIONAL)
    if statistics.get("hiddenSubscriberCount") is True:
        found["followers_count"] = HIDDEN
    else:
        shown = count(statistics.get("subscriberCount"), "followers_count").value
        found["followers_count"] = Figure.to_digits(shown or 0, _DIGITS_SHOWN)
    snippet = channel.get("snippet")
    title = snippet.get("title") if isinstance(snippet, dict) else None
    return Reading(figures=found, account_id=identity(channel.get("id")), display_name=text(title))


def _classify(reply: Reply) -> Failure | None:
    error = told(reply).get("error")
    if not isinstance(error, dict):
        return None
    message = said(error.get("message", ""))
    reasons = [
        str(each.get("reason"))
        for each in error.get("errors") or ()
        if isinstance(each, dict) and each.get("reason")
    ]
    kind = next((_REASONS[each] for each in reasons if each in _REASONS), None)
    if "api key" in message.lower():
        kind = "auth"
    if kind is None:
        return None
    wait = until_hour(reply, _PACIFIC_MIDNIGHT) if kind == "quota_exhausted" else None
    return failed(kind, f"{', '.join(reasons)}: {message}", wait)


YOUTUBE: Final = Platform(
    name="youtube",
    title="YouTube",
    aliases=("yt",),
    base_url="https://www.googleapis.com",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    classify=_classify,
    resolve=Resolver(
        build=_look_up,
        parse=_found,
        gives_figures=True,
        needs=lambda target: _channel(target) is None,
    ),
    batch_size=50,
    figures=("followers_count", "posts_count", "video_views"),
    credentials=(
        Credential(
            name="key", how="An API key of a Google Cloud project with YouTube Data API v3 enabled."
        ),
    ),
    budget=Budget(unit="units", per_request=1.0, limit=10_000.0),
    notes=(
        "10,000 units a day, until midnight in California. Subscribers are rounded down to three"
        " digits, and some channels hide them. The API finds no custom names (/c/…), so those are"
        " looked up as handles, which as a rule are the same."
    ),
)
