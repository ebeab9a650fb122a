"""What Mastodon and Truth Social share: the account look-up, its errors and its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..platform import Call, Reading
from ..values import HIDDEN
from ._handles import REPLY_OF_OTHER, of_other
from ._replies import failed
from .counts import Fields, figures, identity, text

if TYPE_CHECKING:
    from ..platform import Credentials, Reply, Target
    from ..values import Failure, FigureName

__all__ = ["INTERVAL", "look_up", "read"]

INTERVAL: Final = 1.0  # 300 in five minutes

_REQUIRED: Final[Fields] = {
    "followers_count": ("followers_count",),
    "following_count": ("following_count",),
    "posts_count": ("statuses_count",),
}
_HIDDEN: Final[dict[FigureName, str]] = {
    "followers_count": "hide_followers_count",
    "following_count": "hide_follows_count",
}


def look_up(name: str, credentials: Credentials, host: str | None = None) -> Call:
    """Ask for one account by its name on its own server."""
    token = credentials.get("token")
    return Call(
        path="/api/v1/accounts/lookup",
        params=(("acct", name),),
        headers={"Authorization": f"Bearer {token}"} if token else {},
        host=host,
    )


def read(reply: Reply, target: Target, name: str) -> dict[Target, Reading | Failure]:
    """Read the figures of an account, which must be the one of that name."""
    account: dict[str, Any] = reply.json()
    if account.get("suspended") is True:
        return {target: failed("suspended", "suspended by its server")}
    counted = figures(account, _REQUIRED)
    if of_other(account.get("username"), name):
        raise ValueError(REPLY_OF_OTHER)
    # Pleroma and its kin show 0 where an owner hides the number.
    other = account.get("pleroma")
    if isinstance(other, dict):
        for figure, field in _HIDDEN.items():
            if other.get(field) is True:
                counted[figure] = HIDDEN
    return {
        target: Reading(
            figures=counted,
            account_id=identity(account.get("id")),
            display_name=text(account.get("display_name")),
        )
    }
