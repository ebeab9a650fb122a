"""X: the API v2, a hundred accounts a request, paid by the account."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..platform import Budget, Call, Credential, Platform, RateSignal, Reading
from ._handles import words, written
from ._replies import failed, said, told
from .counts import Fields, figures, identity, items, section, text, tried
from .signals import tightest, window

if TYPE_CHECKING:
    from ..platform import Address, Credentials, Reply, Target
    from ..values import Failure

__all__ = ["X"]

_HOSTS: Final = ("x.com", "twitter.com")
_NAME: Final = r"[a-z0-9_]{1,15}"
_OTHER_PAGES: Final = words(
    "about account compose download explore hashtag help home i intent jobs login logout"
    " messages notifications oauth privacy search settings share signup tos who_to_follow"
)
_REQUIRED: Final[Fields] = {
    "followers_count": ("followers_count",),
    "following_count": ("following_count",),
    # The documentation says one, the published OpenAPI document the other.
    "posts_count": ("post_count", "tweet_count"),
}
_IN_BRACKETS: Final = re.compile(r"\[([^\]]{1,40})\]")
_RATE, _TOKENS, _DOWN = 88, (32, 89, 99, 215), (130, 131)
_FORBIDDEN, _TOO_MANY = 403, 429

_normalise: Final = written(_NAME)


def _match(address: Address) -> str | None:
    if address.host not in _HOSTS or not address.path:
        return None
    first = address.path[0].lower()
    if first == "intent":
        return address.query.get("screen_name")
    name = _normalise(first)
    return name if name and first not in _OTHER_PAGES else None


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    return Call(
        path="/2/users/by",
        params=(
            ("usernames", ",".join(each.handle for each in targets)),
            ("user.fields", "public_metrics,created_at,verified,verified_type"),
        ),
        headers={"Authorization": f"Bearer {credentials['token']}"},
    )


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    answer = reply.json()
    data = answer.get("data")
    users = {
        str(user.get("username")).lower(): user
        for user in ([data] if isinstance(data, dict) else data or [])
        if isinstance(user, dict)
    }
    errors = answer.get("errors")
    problems = _problems(items(answer, "errors")) if errors is not None else {}
    found: dict[Target, Reading | Failure] = {}
    for target in targets:
        if target.handle in users:
            found[target] = tried(_read, users[target.handle])
        elif target.handle in problems:
            found[target] = problems[target.handle]
    return found


def _read(user: dict[str, Any]) -> Reading:
    return Reading(
        figures=figures(section(user, "public_metrics"), _REQUIRED),
        account_id=identity(user.get("id")),
        display_name=text(user.get("name")),
    )


def _problems(errors: list[Any]) -> dict[str, Failure]:
    problems: dict[str, Failure] = {}
    for error in errors:
        if not isinstance(error, dict):
            continue
        detail = str(error.get("detail", ""))
        value = error.get("value") or error.get("resource_id")
        named = _IN_BRACKETS.search(detail)
        name = value if isinstance(value, str) else named[1] if named else ""
        problems[name.lower()] = _problem(error, detail)
    return problems


def _problem(error: dict[str, Any], detail: str) -> Failure:
    said_all = f"{error.get('title')} {error.get('type')}"
    if "suspended" in detail.lower():
        return failed("suspended", detail)
    if "Not Found" in said_all:
        return failed("not_found", detail)
    if "Forbidden" in said_all or "uthoriz" in said_all:
        return failed("forbidden", detail or said_all)
    return failed("schema_changed", f"{said_all} {detail}")


def _classify(reply: Reply) -> Failure | None:
    answer = told(reply)
    kind, title = str(answer.get("type", "")), str(answer.get("title", ""))
    detail = said(answer.get("detail") or title)
    if title == "UsageCapExceeded" or kind.endswith("/usage-capped"):
        return failed("quota_exhausted", detail)
    if reply.status == _FORBIDDEN and kind.endswith(
        ("/client-forbidden", "/unsupported-authentication", "/unsupported-authentication-type")
    ):
        return failed("auth", f"the app may not ask this: {detail}")
    if answer.get("data"):
        return None
    return _by_code(reply, answer, detail)


def _by_code(reply: Reply, answer: dict[str, Any], detail: str) -> Failure | None:
    errors = answer.get("errors")
    codes = {
        error.get("code")
        for error in (errors if isinstance(errors, list) else ())
        if isinstance(error, dict)
    }
    hidden = answer.get("title") == "Too Many Requests" and reply.status != _TOO_MANY
    if _RATE in codes or hidden:
        return failed("rate_limited", f"HTTP {reply.status}: {detail or 'code 88'}")
    if codes.intersection(_TOKENS):
        return failed("auth", f"HTTP {reply.status}: bad token")
    if codes.intersection(_DOWN):
        return failed("server", f"HTTP {reply.status}: over capacity")
    return None


def _rate_signal(reply: Reply) -> RateSignal | None:
    return tightest(
        window(reply, "x-rate-limit-"),
        window(reply, "x-app-limit-24hour-"),
        window(reply, "x-user-limit-24hour-"),
    )


X: Final = Platform(
    name="x",
    title="X",
    aliases=("twitter", "X (Twitter)", "X/Twitter", "Twitter/X"),
    base_url="https://api.x.com",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    classify=_classify,
    rate_signal=_rate_signal,
    batch_size=100,
    figures=("followers_count", "following_count", "posts_count"),
    credentials=(
        Credential(
            name="token",
            how="A bearer token of an app at developer.x.com, with credits to pay from.",
        ),
    ),
    budget=Budget(unit="USD", per_account=0.010),
    notes=(
        "Each account costs 0.010 USD a UTC day, however often it is asked for. 300 requests in"
        " 15 minutes. Automation other than by the API ends in suspension. The likes that X"
        " counts are those an account gave, so they are left out."
    ),
)
