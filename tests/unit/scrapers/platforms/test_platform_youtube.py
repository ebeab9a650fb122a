"""YouTube: numbers as text, rounded to three digits, hidden by some; 403 with a dozen meanings."""

from __future__ import annotations

from typing import Any

import pytest

from hhs_perf.scrapers.platform import Reading
from hhs_perf.scrapers.platforms.youtube import YOUTUBE
from hhs_perf.scrapers.values import Failure
from tests.platform_replies import call, counts, failure, found, reply, target

ID, OTHER = "UC_x5XG1OV2P6uZZ5FSM9Ttw", "UCabcdefghijklmnopqrstuv"
KNOWN = target(YOUTUBE, "user:googledevelopers", ID)
NAMED = target(YOUTUBE, "@GoogleDevelopers")


def _list(*channels: Any, **more: Any) -> dict[str, Any]:
    page = {"totalResults": len(channels), "resultsPerPage": 5}
    body: dict[str, Any] = {"kind": "youtube#channelListResponse", "etag": "e", "pageInfo": page}
    return body | ({"items": list(channels)} if channels else {}) | more


def _channel(channel: str = ID, **statistics: Any) -> dict[str, Any]:
    usual = {
        "viewCount": "160361638",
        "subscriberCount": "1920000",
        "hiddenSubscriberCount": False,
        "videoCount": "5026",
    }
    snippet = {"title": "Google Developers", "customUrl": "@googledevelopers"}
    return {
        "kind": "youtube#channel",
        "id": channel,
        "snippet": snippet,
        "statistics": usual | statistics,
    }


def test_numbers_are_text_and_subscribers_are_rounded() -> None:
    """The id is kept, so that the next run asks for fifty at once."""
    (one,) = found(YOUTUBE, reply(_list(_channel())), KNOWN)
    assert isinstance(one, Reading)
    assert counts(one) == {
        "posts_count": 5026,
        "video_views": 160361638,
        "followers_count": 1920000,
    }
    assert one.figures is not None
    assert one.figures["followers_count"].status == "rounded"
    assert one.figures["followers_count"].granularity == 10_000
    assert one.figures["video_views"].status == "ok"
    assert (one.account_id, one.display_name) == (ID, "Google Developers")


@pytest.mark.parametrize("shown", ["0", "7", "999"])
def test_few_subscribers_are_exact(shown: str) -> None:
    """Zero is a number that the platform gave."""
    (one,) = found(YOUTUBE, reply(_list(_channel(subscriberCount=shown))), KNOWN)
    assert isinstance(one, Reading)
    assert one.figures is not None
    assert one.figures["followers_count"].status == "ok"
    assert one.figures["followers_count"].value == int(shown)


def test_hidden_subscribers_are_no_zero() -> None:
    """Though a 0 stands beside it."""
    hidden = _channel(hiddenSubscriberCount=True, subscriberCount="0")
    (one,) = found(YOUTUBE, reply(_list(hidden)), KNOWN)
    assert counts(one)["followers_count"] == "hidden"
    del hidden["statistics"]["subscriberCount"]
    (one,) = found(YOUTUBE, reply(_list(hidden)), KNOWN)
    assert counts(one)["followers_count"] == "hidden"


@pytest.mark.parametrize(
    ("handle", "param"),
    [
        ("user:USGOVHHS", ("forUsername", "usgovhhs")),
        ("@HIVgov", ("forHandle", "@hivgov")),
        ("c:HHSOfficeofPopulationAffairs", ("forHandle", "@hhsofficeofpopulationaffairs")),
    ],
)
def test_a_name_is_looked_up_by_its_kind(handle: str, param: tuple[str, str]) -> None:
    """One unit each, and the figures come along."""
    made = call(YOUTUBE, target(YOUTUBE, handle), resolving=True)
    assert param in tuple(made.params)
    assert ("part", "statistics,snippet") in tuple(made.params)
    (one,) = found(YOUTUBE, reply(_list(_channel())), target(YOUTUBE, handle), resolving=True)
    assert counts(one)["posts_count"] == 5026


def test_ids_need_no_look_up() -> None:
    """Neither do those in the address; a foreign id is none."""
    assert YOUTUBE.resolve is not None
    needs = YOUTUBE.resolve.needs
    assert not needs(target(YOUTUBE, ID))
    assert not needs(KNOWN)
    assert needs(NAMED)
    assert needs(target(YOUTUBE, "@hhs", "4711"))
    made = call(YOUTUBE, KNOWN, target(YOUTUBE, OTHER))
    assert ("id", f"{ID},{OTHER}") in tuple(made.params)


def test_a_channel_that_is_not_in_the_list_is_gone() -> None:
    """The others are read."""
    one, gone = found(YOUTUBE, reply(_list(_channel())), KNOWN, target(YOUTUBE, OTHER))
    assert isinstance(one, Reading)
    assert isinstance(gone, Failure)
    assert gone.kind == "not_found"


@pytest.mark.parametrize("body", [_list(), _list(items=[])], ids=["absent", "empty"])
@pytest.mark.parametrize("resolving", [False, True])
def test_nothing_found_is_an_answer(body: Any, resolving: bool) -> None:
    """HTTP 200 without items."""
    one = NAMED if resolving else KNOWN
    assert failure(YOUTUBE, reply(body), one, resolving=resolving).kind == "not_found"


@pytest.mark.parametrize(
    "statistics",
    [
        {"subscriberCount": None},
        {"subscriberCount": "-5"},
        {"subscriberCount": "1.92M"},
        {"subscriberCount": True},
        {"subscriberCount": "9" * 19},
        {"viewCount": "many"},
        {"videoCount": -1},
    ],
)
def test_bad_figures_are_refused(statistics: Any) -> None:
    """Never read as something near."""
    body = _list(_channel(**statistics))
    assert failure(YOUTUBE, reply(body), KNOWN).kind == "schema_changed"
    assert failure(YOUTUBE, reply(body), NAMED, resolving=True).kind == "schema_changed"


def _refused(status: int, reason: str, message: str = "no") -> Any:
    error = {"message": message, "domain": "youtube.quota", "reason": reason}
    return reply({"error": {"code": status, "message": message, "errors": [error]}}, status)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (403, "quotaExceeded", "quota_exhausted"),
        (403, "dailyLimitExceeded", "quota_exhausted"),
        (429, "rateLimitExceeded", "rate_limited"),
        (403, "rateLimitExceeded", "rate_limited"),
        (403, "userRateLimitExceeded", "rate_limited"),
        (400, "keyInvalid", "auth"),
        (403, "accessNotConfigured", "auth"),
        (403, "forbidden", "forbidden"),
        (404, "channelNotFound", "not_found"),
        (403, "channelSuspended", "suspended"),
        (500, "backendError", "server"),
        (400, "badRequest", "schema_changed"),
        (403, "somethingNew", "forbidden"),
    ],
)
def test_the_reason_tells_the_kind(status: int, reason: str, kind: str) -> None:
    """HTTP 403 is a quota, a limit, a key or a channel."""
    assert failure(YOUTUBE, _refused(status, reason), KNOWN).kind == kind


def test_a_bad_request_about_the_key_is_about_the_key() -> None:
    """By its message: the reason is that of any bad request."""
    message = "API key not valid. Please pass a valid API key."
    assert failure(YOUTUBE, _refused(400, "badRequest", message), KNOWN).kind == "auth"


def test_a_quota_lasts_until_midnight_in_california() -> None:
    """Eight o'clock UTC in winter: twenty hours from noon."""
    assert failure(YOUTUBE, _refused(403, "quotaExceeded"), KNOWN).wait == 20 * 3600
