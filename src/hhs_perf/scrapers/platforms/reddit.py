"""Reddit: subscribers of a subreddit or of a user's profile, one a request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ..platform import Call, Credential, Platform, Reading
from ..values import ABSENT, HIDDEN
from ._handles import REPLY_OF_OTHER, of_other
from ._replies import failed, told
from .counts import Fields, figures, section, text
from .signals import standard

if TYPE_CHECKING:
    from ..platform import Address, Credentials, Reply, Target
    from ..values import Failure

__all__ = ["REDDIT"]

_HOSTS: Final = ("reddit.com", "old.reddit.com", "new.reddit.com", "np.reddit.com", "sh.reddit.com")
_HANDLE: Final = re.compile(r"r/[a-z0-9_]{2,24}|u/[a-z0-9_-]{2,24}")
_SUBSCRIBERS: Final[Fields] = {"followers_count": ("subscribers",)}
_LEFT: Final = "user"


def _normalise(handle: str) -> str:
    kind, _, name = handle.strip().lower().removeprefix("/").removesuffix("/").partition("/")
    if kind == "r" and name.startswith("u_"):
        kind, name = "u", name.removeprefix("u_")
    name = f"{'u' if kind == _LEFT else kind}/{name}"
    return name if _HANDLE.fullmatch(name) else ""


def _match(address: Address) -> str | None:
    if address.host not in _HOSTS or not address.path[1:]:
        return None
    return _normalise("/".join(address.path[:2])) or None


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    kind, _, name = targets[0].handle.partition("/")
    folder = "user" if kind == "u" else "r"
    return Call(
        path=f"/{folder}/{quote(name, safe='')}/about",
        params=(("raw_json", "1"),),
        headers={
            "Authorization": f"Bearer {credentials['token']}",
            "User-Agent": f"python:hhs_perf:1 (by /u/{credentials['user'].removeprefix('u/')})",
        },
    )


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    target, answer = targets[0], reply.json()
    data = section(answer, "data")
    kind, _, name = target.handle.partition("/")
    if answer.get("kind") != ("t2" if kind == "u" else "t5"):
        raise ValueError(f"the reply is about a {str(answer.get('kind'))[:20]}")
    if of_other(data.get("name" if kind == "u" else "display_name"), name):
        raise ValueError(REPLY_OF_OTHER)
    if kind == "u":
        return {target: _user(data)}
    return {target: _reading(data, data.get("title"), data)}


def _user(data: dict[str, Any]) -> Reading | Failure:
    if data.get("is_suspended") is True:
        return failed("suspended", "the user is suspended")
    if data.get("subreddit", ABSENT) is None:
        # Old users who never opened a profile: nobody can follow them.
        return Reading(figures={"followers_count": ABSENT}, account_id=text(data.get("id")))
    profile = section(data, "subreddit")
    return _reading(profile, profile.get("title"), data)


def _reading(counted: dict[str, Any], title: object, whole: dict[str, Any]) -> Reading:
    is_hidden = counted.get("subscribers", ABSENT) is None
    return Reading(
        figures={"followers_count": HIDDEN} if is_hidden else figures(counted, _SUBSCRIBERS),
        account_id=text(whole.get("id")),
        display_name=text(title) or text(whole.get("display_name")) or text(whole.get("name")),
    )


def _classify(reply: Reply) -> Failure | None:
    answer = told(reply)
    reason, code = answer.get("reason"), answer.get("error")
    if code is None:
        return None
    if reason == "banned":
        return failed("suspended", "banned by Reddit")
    if reason in ("private", "quarantined", "gold_only"):
        return failed("forbidden", f"the community is {reason}")
    return None


REDDIT: Final = Platform(
    name="reddit",
    title="Reddit",
    base_url="https://oauth.reddit.com",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    classify=_classify,
    rate_signal=standard,
    interval=1.0,
    figures=("followers_count",),
    credentials=(
        Credential(
            name="token",
            how="A bearer token by client credentials of an app at reddit.com/prefs/apps.",
        ),
        Credential(
            name="user",
            how="The name of the user whose app it is: Reddit wants it in the User-Agent.",
        ),
    ),
    notes=(
        "Followers are the subscribers of a subreddit (r/…) or of a user's profile (u/…). About"
        " 600 requests in ten minutes; tokens last a day. A User-Agent that says who asks is"
        " required."
    ),
)
