"""Facebook: public pages by Meta's Graph API, fifty a request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..platform import Budget, Call, Credential, Platform, Reading
from . import _graph
from ._handles import words, written
from .counts import Fields, figures, identity, text, tried

if TYPE_CHECKING:
    from ..platform import Address, Credentials, Reply, Target
    from ..values import Failure

__all__ = ["FACEBOOK"]

_HOST: Final = re.compile(r"(?:(?:[a-z]{2,3}-[a-z]{2}|touch|business|new)\.)?facebook\.com|fb\.com")
_OTHER_PAGES: Final = words(
    "about ads business dialog events gaming groups hashtag help legal live login login.php"
    " marketplace messages notes photo photo.php photos plugins policies privacy reel search"
    " settings share share.php sharer sharer.php stories terms tr watch watch.php"
)
_BY_QUERY: Final = ("profile.php", "permalink.php", "story.php")
_FOLDERS: Final = ("pages", "people", "p", "pg")
_LAST_DIGITS: Final = re.compile(r"(?:.*[-_])?([0-9]{5,20})")
_WITH_DIGITS: Final = re.compile(r".*-([0-9]{8,20})")
_REQUIRED: Final[Fields] = {"followers_count": ("followers_count",)}
_OPTIONAL: Final[Fields] = {"likes_count": ("fan_count",)}

_normalise: Final = written(r"[a-z0-9.]{2,80}")


def _match(address: Address) -> str | None:
    if not _HOST.fullmatch(address.host) or not address.path:
        return None
    first = address.path[0].lower()
    if first in _BY_QUERY:
        number = address.query.get("id", "")
        return number if number.isascii() and number.isdigit() else None
    if first in _FOLDERS:
        return _below(address.path[1:], first)
    dashed = _WITH_DIGITS.fullmatch(first)
    if dashed is not None:
        return dashed[1]
    return None if first in _OTHER_PAGES else _normalise(first) or None


def _below(path: tuple[str, ...], folder: str) -> str | None:
    """Read /pages/Name/123, /pages/category/Kind/Name-123, /people/Name/123, /p/Name-123."""
    if folder == "pg":
        return _normalise(path[0]) or None if path else None
    for part in path:
        numbered = _LAST_DIGITS.fullmatch(part)
        if numbered is not None:
            return numbered[1]
    return None


def _asked(target: Target) -> str:
    known = target.account_id
    return known if known is not None and known.isascii() and known.isdigit() else target.handle


def _build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    return Call(
        path=f"/{_graph.VERSION}/",
        params=(
            ("ids", ",".join(map(_asked, targets))),
            ("fields", "id,name,username,followers_count,fan_count"),
            ("access_token", credentials["token"]),
        ),
    )


def _parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    pages: dict[str, Any] = {}
    for key, page in reply.json().items():
        if not isinstance(page, dict):
            continue
        # Keyed by what was asked for; a page is also known by its id and by its name.
        for name in (page.get("username"), page.get("id"), key):
            if isinstance(name, str):
                pages[name.lower()] = page
    return {
        target: tried(_read, pages[asked])
        for target in targets
        for asked in (_asked(target).lower(),)
        if asked in pages
    }


def _read(page: dict[str, Any]) -> Reading:
    return Reading(
        figures=figures(page, _REQUIRED, _OPTIONAL),
        account_id=identity(page.get("id")),
        display_name=text(page.get("name")),
    )


FACEBOOK: Final = Platform(
    name="facebook",
    title="Facebook",
    aliases=("fb", "Facebook Español", "Facebook Espanol", "Facebook Page"),
    base_url="https://graph.facebook.com",
    match=_match,
    normalise=_normalise,
    build=_build,
    parse=_parse,
    classify=_graph.classify,
    rate_signal=_graph.rate_signal,
    batch_size=50,
    figures=("followers_count", "likes_count"),
    credentials=(
        Credential(
            name="token",
            how=(
                "A token of an app at developers.facebook.com with Page Public Metadata Access"
                " (app review and business verification), or of the page itself."
            ),
        ),
    ),
    budget=Budget(unit="percent", limit=100.0),
    notes=(
        "Pages only, not people's profiles. Meta counts an app's use of a rolling hour in percent"
        " and tells in minutes when a throttled one may come back. Likes are those of the page."
    ),
)
