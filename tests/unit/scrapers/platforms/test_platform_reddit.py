"""Reddit: subscribers of communities and of users, and who may ask."""

from __future__ import annotations

from typing import Any

import pytest

from hhs_perf.scrapers.platforms.reddit import REDDIT
from tests.platform_replies import call, counts, failure, found, reply, target

HEALTH, USER = target(REDDIT, "r/Health"), target(REDDIT, "/u/HHS-Gov")


def _community(**more: Any) -> dict[str, Any]:
    data = {"id": "2qh", "display_name": "Health", "subscribers": 9, "accounts_active": 11}
    return {"kind": "t5", "data": data | more}


def _user(**more: Any) -> dict[str, Any]:
    profile = {"subscribers": 7, "display_name": "u_HHS-Gov", "title": "HHS"}
    data = {"id": "1w", "name": "HHS-Gov", "total_karma": 1, "subreddit": profile}
    return {"kind": "t2", "data": data | more}


@pytest.mark.parametrize(
    ("one", "path"), [(HEALTH, "/r/health/about"), (USER, "/user/hhs-gov/about")]
)
def test_who_asks_is_told(one: Any, path: str) -> None:
    """Reddit wants the name of a user in the User-Agent."""
    made = call(REDDIT, one)
    assert made.path == path
    assert made.headers["User-Agent"].endswith("(by /u/hhs)")


def test_subscribers_are_followers() -> None:
    """Karma is no figure of ours."""
    (one,) = found(REDDIT, reply(_community()), HEALTH)
    assert counts(one) == {"followers_count": 9}
    (one,) = found(REDDIT, reply(_user()), USER)
    assert counts(one) == {"followers_count": 7}
    assert one.display_name == "HHS"


def test_subscribers_that_are_kept_back_are_hidden() -> None:
    """And a user without a profile has none to count."""
    (one,) = found(REDDIT, reply(_community(subscribers=None)), HEALTH)
    assert counts(one) == {"followers_count": "hidden"}
    (one,) = found(REDDIT, reply(_user(subreddit=None)), USER)
    assert counts(one) == {"followers_count": "absent"}


@pytest.mark.parametrize(
    "body",
    [
        _community(subscribers=-1),
        _community(subscribers="x"),
        _community(display_name="Other"),
        {"kind": "t5", "data": {"display_name": "health"}},
        {"kind": "t2", "data": {"name": "health"}},
        {"kind": "Listing", "data": {"children": []}},
    ],
)
def test_what_is_no_community_is_refused(body: Any) -> None:
    """A search that it leads to, or another one."""
    assert failure(REDDIT, reply(body), HEALTH).kind == "schema_changed"


def test_a_suspended_user_has_a_reply_of_its_own() -> None:
    """With HTTP 200."""
    body = {"kind": "t2", "data": {"name": "hhs-gov", "is_suspended": True}}
    assert failure(REDDIT, reply(body), USER).kind == "suspended"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, {"message": "Forbidden", "error": 403, "reason": "private"}, "forbidden"),
        (403, {"message": "Forbidden", "error": 403, "reason": "quarantined"}, "forbidden"),
        (404, {"reason": "banned", "message": "Not Found", "error": 404}, "suspended"),
        (404, {"message": "Not Found", "error": 404}, "not_found"),
        (401, {"message": "Unauthorized", "error": 401}, "auth"),
        (429, {"message": "Too Many Requests", "error": 429}, "rate_limited"),
        (500, {"message": "Internal Server Error", "error": 500}, "server"),
    ],
)
def test_a_failure_has_a_kind(status: int, body: Any, kind: str) -> None:
    """A banned community is not one that never was."""
    assert failure(REDDIT, reply(body, status), HEALTH).kind == kind
