"""X: a hundred accounts a request, partial errors inside of a 200, quotas that look like limits."""

from __future__ import annotations

from typing import Any

import pytest

from hhs_perf.scrapers.platforms.x import X
from hhs_perf.scrapers.values import Failure
from tests.platform_replies import call, counts, failure, found, reply, target

USER: dict[str, Any] = {
    "id": "2244994945",
    "name": "X Developers",
    "username": "XDevelopers",
    "created_at": "2013-12-14T04:35:55.000Z",
    "verified_type": "government",
    "public_metrics": {
        "followers_count": 583423,
        "following_count": 2048,
        "tweet_count": 14052,
        "listed_count": 1672,
        "like_count": 3,
    },
}
DEVELOPERS = target(X, "@XDevelopers")


def _error(value: str | None, title: str, detail: str, **more: str) -> dict[str, Any]:
    kind = "https://api.x.com/2/problems/resource-not-found"
    return {"parameter": "usernames", "value": value, "title": title, "detail": detail} | {
        "type": kind,
        **more,
    }


def test_names_are_asked_for_together() -> None:
    """With a bearer token."""
    made = call(X, DEVELOPERS, target(X, "HHSGov"))
    assert made.path == "/2/users/by"
    assert dict(made.params)["usernames"] == "xdevelopers,hhsgov"
    assert made.headers == {"Authorization": "Bearer s3cret-token"}


@pytest.mark.parametrize("is_list", [True, False], ids=["of many", "of one"])
@pytest.mark.parametrize("posts", ["tweet_count", "post_count"])
def test_posts_go_by_two_names(is_list: bool, posts: str) -> None:
    """And the answer about one account is no list. Likes that it gave are not its figures."""
    metrics = {
        "followers_count": 583423,
        "following_count": 2048,
        posts: 14052,
        "like_count": None,
    }
    user = {**USER, "public_metrics": metrics}
    data = [user] if is_list else user
    (one,) = found(X, reply({"data": data}), DEVELOPERS)
    assert counts(one) == {
        "followers_count": 583423,
        "following_count": 2048,
        "posts_count": 14052,
    }
    assert (one.account_id, one.display_name) == ("2244994945", "X Developers")


def test_errors_inside_of_a_good_reply_are_each_their_accounts_own() -> None:
    """Found, unknown, suspended, protected by law, and one of which nothing is said."""
    names = ["XDevelopers", "nope", "Bad_One", "hidden", "forgotten"]
    targets = [target(X, each) for each in names]
    body = {
        "data": [USER],
        "errors": [
            _error("nope", "Not Found Error", "Could not find user with usernames: [nope]."),
            _error(None, "Forbidden", "User has been suspended: [Bad_One]."),
            _error("hidden", "Authorization Error", "Sorry, you may not see [hidden]."),
        ],
    }
    one, *others, forgotten = found(X, reply(body), *targets)
    assert counts(one)["followers_count"] == 583423
    assert [each.kind for each in others if isinstance(each, Failure)] == [
        "not_found",
        "suspended",
        "forbidden",
    ]
    assert isinstance(forgotten, Failure)
    assert forgotten.kind == "schema_changed"


@pytest.mark.parametrize(
    "metrics",
    [
        None,
        {},
        {"followers_count": None, "following_count": 1, "tweet_count": 1},
        {"followers_count": -1, "following_count": 1, "tweet_count": 1},
        {"followers_count": 1, "following_count": True, "tweet_count": 1},
        {"followers_count": 1, "following_count": 1, "tweet_count": 10**30},
        {"followers_count": 1, "following_count": 1},
    ],
)
def test_bad_figures_spoil_their_own_account_alone(metrics: Any) -> None:
    """The others of the batch are read."""
    bad = {"id": "7", "name": "Bad", "username": "bad", "public_metrics": metrics}
    broken, one = found(X, reply({"data": [bad, USER]}), target(X, "bad"), DEVELOPERS)
    assert isinstance(broken, Failure)
    assert broken.kind == "schema_changed"
    assert counts(one)["followers_count"] == 583423


PROBLEM = "https://api.twitter.com/2/problems"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}, "rate_limited"),
        (200, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}, "rate_limited"),
        (429, {"title": "Too Many Requests", "type": "about:blank"}, "rate_limited"),
        (403, {"title": "Too Many Requests", "type": "about:blank"}, "rate_limited"),
        (
            429,
            {"title": "UsageCapExceeded", "period": "Monthly", "type": f"{PROBLEM}/usage-capped"},
            "quota_exhausted",
        ),
        (429, {"type": f"{PROBLEM}/usage-capped"}, "quota_exhausted"),
        (402, {"title": "CreditsDepleted"}, "quota_exhausted"),
        (401, {"title": "Unauthorized", "status": 401, "detail": "Unauthorized"}, "auth"),
        (400, {"errors": [{"code": 89, "message": "Invalid or expired token"}]}, "auth"),
        (403, {"title": "Client Forbidden", "type": f"{PROBLEM}/client-forbidden"}, "auth"),
        (403, {"title": "Forbidden", "type": "about:blank"}, "forbidden"),
        (404, {"errors": [_error("xdevelopers", "Not Found Error", "No such user")]}, "not_found"),
        (200, {"errors": [_error("xdevelopers", "Not Found Error", "No such user")]}, "not_found"),
        (503, {"errors": [{"code": 130, "message": "Over capacity"}]}, "server"),
        (500, {}, "server"),
        (400, {"title": "Invalid Request"}, "schema_changed"),
    ],
)
def test_a_failure_has_a_kind(status: int, body: Any, kind: str) -> None:
    """429 is a limit or the end of the quota; a client that may not ask is asked no further."""
    assert failure(X, reply(body, status), DEVELOPERS).kind == kind
