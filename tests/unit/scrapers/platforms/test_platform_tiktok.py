"""TikTok: errors that come with HTTP 200."""

from __future__ import annotations

from typing import Any

import pytest

from hhs_perf.scrapers.platforms.tiktok import TIKTOK
from tests.platform_replies import call, counts, failure, found, reply, target

CDC = target(TIKTOK, "@CDCgov")
USER = {
    "display_name": "CDC",
    "is_verified": True,
    "follower_count": 12,
    "following_count": 2,
    "likes_count": 345,
    "video_count": 64,
}
OK = {"code": "ok", "message": "", "log_id": "x"}


def test_the_name_is_in_the_body() -> None:
    """Of a POST."""
    made = call(TIKTOK, CDC)
    assert (made.method, made.json) == ("POST", {"username": "cdcgov"})
    assert made.path == "/v2/research/user/info/"


@pytest.mark.parametrize("data", [USER, {"user": USER | {"username": "cdcgov"}}])
def test_figures_are_read(data: Any) -> None:
    """Flat, or as the API of own accounts has them."""
    (one,) = found(TIKTOK, reply({"data": data, "error": OK}), CDC)
    assert counts(one) == {
        "followers_count": 12,
        "following_count": 2,
        "likes_count": 345,
        "posts_count": 64,
    }


@pytest.mark.parametrize("value", [None, -1, True, "x", 10**14])
def test_bad_followers_are_refused(value: Any) -> None:
    """Null too."""
    body = {"data": {**USER, "follower_count": value}, "error": OK}
    assert failure(TIKTOK, reply(body), CDC).kind == "schema_changed"


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("code", "message", "kind", "wait"),
    [
        ("access_token_invalid", "", "auth", None),
        ("scope_not_authorized", "", "auth", None),
        ("rate_limit_exceeded", "Too many", "rate_limited", None),
        ("daily_quota_limit_exceeded", "", "quota_exhausted", 43_200),
        ("internal_error", "", "server", None),
        ("user_not_found", "", "not_found", None),
        ("invalid_params", "cannot find user: nope", "not_found", None),
        ("invalid_params", "The user is private", "forbidden", None),
        ("invalid_params", "The user is banned", "suspended", None),
        ("invalid_params", "Fields are invalid", "schema_changed", None),
        ("something_new", "", "schema_changed", None),
    ],
)
def test_the_code_tells_the_kind(
    status: int, code: str, message: str, kind: str, wait: float | None
) -> None:
    """Whatever the status, and though figures stand beside it."""
    body = {"data": USER, "error": {"code": code, "message": message, "log_id": "x"}}
    failed = failure(TIKTOK, reply(body, status), CDC)
    assert (failed.kind, failed.wait) == (kind, wait)
