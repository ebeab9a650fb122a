"""Facebook, Instagram and Threads: Meta's errors, whose status says little."""

from __future__ import annotations

from typing import Any

import pytest

from hhs_perf.scrapers.platform import Platform, Reading
from hhs_perf.scrapers.platforms.facebook import FACEBOOK
from hhs_perf.scrapers.platforms.instagram import INSTAGRAM
from hhs_perf.scrapers.platforms.threads import THREADS
from hhs_perf.scrapers.values import Failure
from tests.platform_replies import call, counts, failure, found, reply, target

PAGE = {
    "id": "19292868552",
    "name": "Meta for Developers",
    "username": "FacebookForDevelopers",
    "followers_count": 7970001,
    "fan_count": 7966989,
}
DISCOVERED = {
    "followers_count": 267793,
    "follows_count": 10,
    "media_count": 1205,
    "username": "BlueBottle",
    "name": "Blue Bottle",
    "id": "17841401441775531",
}
PROFILE = {
    "username": "x",
    "name": "X",
    "biography": "…",
    "is_verified": True,
    "follower_count": 1200,
    "likes_count": 4500,
    "quotes_count": 21,
    "replies_count": 98,
    "reposts_count": 77,
    "views_count": 90000,
}
ONES = [
    pytest.param(FACEBOOK, target(FACEBOOK, "hhs"), id="facebook"),
    pytest.param(INSTAGRAM, target(INSTAGRAM, "hhsgov"), id="instagram"),
    pytest.param(THREADS, target(THREADS, "hhsgov"), id="threads"),
]


def test_pages_are_asked_for_together() -> None:
    """By their ids once those are known; what a list calls an id need not be one."""
    known, foreign = target(FACEBOOK, "CDCgov", "4711"), target(FACEBOOK, "NIH", "row 7, nih")
    made = call(FACEBOOK, target(FACEBOOK, "HHS"), known, foreign)
    assert made.path == "/v25.0/"
    assert ("ids", "hhs,4711,nih") in tuple(made.params)
    assert ("access_token", "s3cret-token") in tuple(made.params)


@pytest.mark.parametrize("key", ["facebookfordevelopers", "FacebookForDevelopers", "19292868552"])
def test_a_page_is_found_by_the_key_that_it_comes_under(key: str) -> None:
    """As it was asked for, or by its id."""
    one = target(FACEBOOK, "FacebookForDevelopers")
    (read,) = found(FACEBOOK, reply({key: PAGE}), one)
    assert counts(read) == {"followers_count": 7970001, "likes_count": 7966989}
    assert isinstance(read, Reading)
    assert (read.account_id, read.display_name) == ("19292868552", "Meta for Developers")
    (read,) = found(FACEBOOK, reply({key: PAGE}), target(FACEBOOK, "oldname", "19292868552"))
    assert counts(read)["followers_count"] == 7970001


def test_likes_that_are_not_given_are_left_out() -> None:
    """Followers have to be there."""
    one = target(FACEBOOK, "hhs")
    (read,) = found(FACEBOOK, reply({"hhs": {"id": "1", "followers_count": 0}}), one)
    assert counts(read) == {"followers_count": 0}
    assert failure(FACEBOOK, reply({"hhs": {"id": "1", "fan_count": 5}}), one).kind == (
        "schema_changed"
    )


def test_a_page_that_is_missing_or_bad_spoils_no_other() -> None:
    """Each has a failure of its own."""
    body = {"hhs": {"id": "1", "followers_count": 5}, "bad": {"id": "2", "followers_count": -5}}
    targets = [target(FACEBOOK, each) for each in ("hhs", "bad", "missing")]
    one, *others = found(FACEBOOK, reply(body), *targets)
    assert counts(one) == {"followers_count": 5}
    assert all(isinstance(each, Failure) and each.kind == "schema_changed" for each in others)


def test_instagram_is_asked_as_ones_own_account() -> None:
    """One name a request."""
    made = call(INSTAGRAM, target(INSTAGRAM, "@HHSGov"))
    assert made.path == "/v25.0/17841405309211844"
    assert dict(made.params)["fields"].startswith("business_discovery.username(hhsgov){followers")
    body = {"business_discovery": DISCOVERED, "id": "17841405309211844"}
    (read,) = found(INSTAGRAM, reply(body), target(INSTAGRAM, "bluebottle"))
    assert counts(read) == {
        "followers_count": 267793,
        "following_count": 10,
        "posts_count": 1205,
    }
    assert isinstance(read, Reading)
    assert read.account_id == "17841401441775531"


@pytest.mark.parametrize("body", [PROFILE, {"data": [PROFILE]}], ids=["flat", "wrapped"])
def test_threads_may_wrap_a_profile(body: Any) -> None:
    """Both forms are read."""
    (read,) = found(THREADS, reply(body), target(THREADS, "x"))
    assert counts(read) == {
        "followers_count": 1200,
        "likes_count": 4500,
        "comments_count": 98,
        "shares_count": 77,
        "views_count": 90000,
    }


def test_a_reply_about_another_account_is_not_taken() -> None:
    """Whatever cache it came from."""
    for one, body in (
        (target(INSTAGRAM, "hhsgov"), {"business_discovery": DISCOVERED}),
        (target(THREADS, "hhsgov"), PROFILE),
    ):
        platform = INSTAGRAM if "business_discovery" in body else THREADS
        assert failure(platform, reply(body), one).kind == "schema_changed"


def _error(code: int, message: str = "no", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "OAuthException", "code": code, **more}}


@pytest.mark.parametrize(("platform", "one"), ONES)
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, _error(4, "(#4) Application request limit reached"), "rate_limited"),
        (403, _error(4, "(#4) Application request limit reached"), "rate_limited"),
        (200, _error(4, "(#4) Application request limit reached"), "rate_limited"),
        *((400, _error(code), "rate_limited") for code in (17, 32, 341, 613)),
        *((400, _error(code), "rate_limited") for code in range(80001, 80007)),
        (400, _error(190, "Session has expired", error_subcode=463), "auth"),
        (401, _error(190), "auth"),
        (400, _error(102), "auth"),
        (403, _error(10, "(#10) This endpoint requires the 'x' permission"), "auth"),
        (403, _error(10, "(#10) Application does not have permission for this"), "forbidden"),
        (403, _error(200), "forbidden"),
        (
            400,
            _error(100, "(#100) Object does not exist, cannot be loaded due to missing permission"),
            "not_found",
        ),
        (400, _error(100, "Unsupported get request.", error_subcode=33), "not_found"),
        (404, _error(803, "(#803) Some of the aliases you requested do not exist"), "not_found"),
        (400, _error(110, "Invalid user id", error_subcode=2207013), "not_found"),
        (400, _error(100, "(#100) Tried accessing nonexisting field"), "schema_changed"),
        (400, _error(123_456), "schema_changed"),
        (500, _error(1), "server"),
        (400, _error(2, "Service temporarily unavailable"), "server"),
        (503, {}, "server"),
    ],
)
def test_the_code_tells_the_kind(
    platform: Platform, one: Any, status: int, body: Any, kind: str
) -> None:
    """Throttles come as HTTP 400 and 403, an account that is missing as 400."""
    assert failure(platform, reply(body, status), one).kind == kind


@pytest.mark.parametrize(("platform", "one"), ONES)
def test_a_throttle_says_when_to_come_back(platform: Platform, one: Any) -> None:
    """In minutes, in a header."""
    usage = '{"1":[{"type":"pages","call_count":100,"estimated_time_to_regain_access":19}]}'
    throttled = reply(_error(4), 400, x_business_use_case_usage=usage)
    assert failure(platform, throttled, one).wait == 19 * 60


@pytest.mark.parametrize("value", [-1, True, 10**15, 1.5, "many", [], {"count": 1}])
def test_absurd_followers_are_refused(value: Any) -> None:
    """On all three."""
    discovered = {**DISCOVERED, "username": "hhs", "followers_count": value}
    for platform, body in (
        (FACEBOOK, {"hhs": {"id": "1", "followers_count": value}}),
        (INSTAGRAM, {"business_discovery": discovered}),
        (THREADS, {**PROFILE, "username": "hhs", "follower_count": value}),
    ):
        assert failure(platform, reply(body), target(platform, "hhs")).kind == "schema_changed"
