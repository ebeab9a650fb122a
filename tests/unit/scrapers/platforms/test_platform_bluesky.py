"""Bluesky: 25 profiles a request, of which those unknown are left out without a word."""

from __future__ import annotations

from typing import Any

import pytest

from hhs_perf.scrapers.platform import Reading
from hhs_perf.scrapers.platforms.bluesky import BLUESKY
from hhs_perf.scrapers.values import Failure
from tests.platform_replies import call, counts, failure, found, reply, target

DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
HHS = target(BLUESKY, "@HHS.gov")
PROFILE = {
    "did": DID,
    "handle": "hhs.gov",
    "displayName": "HHS",
    "followersCount": 35471536,
    "followsCount": 3,
    "postsCount": 907,
    "labels": [],
}


def test_actors_are_named_one_by_one() -> None:
    """By their DID once it is known, which outlives the handle."""
    made = call(BLUESKY, HHS, target(BLUESKY, "old.name", DID))
    assert made.path == "/xrpc/app.bsky.actor.getProfiles"
    assert list(made.params) == [("actors", "hhs.gov"), ("actors", DID)]
    assert not made.headers


@pytest.mark.parametrize("one", [HHS, target(BLUESKY, "old.name", DID), target(BLUESKY, DID)])
def test_figures_are_read(one: Any) -> None:
    """Of whoever was asked for, by handle or DID."""
    (read,) = found(BLUESKY, reply({"profiles": [PROFILE]}), one)
    assert counts(read) == {
        "followers_count": 35471536,
        "following_count": 3,
        "posts_count": 907,
    }
    assert isinstance(read, Reading)
    assert (read.account_id, read.display_name) == (DID, "HHS")


def test_who_is_left_out_is_not_there() -> None:
    """The others are read; a profile without its counts is no zero."""
    bare = {"did": "did:plc:bare", "handle": "bare.example"}
    targets = [HHS, target(BLUESKY, "nobody.example"), target(BLUESKY, "bare.example")]
    one, nobody, empty = found(BLUESKY, reply({"profiles": [PROFILE, bare, None]}), *targets)
    assert counts(one)["posts_count"] == 907
    assert isinstance(nobody, Failure)
    assert nobody.kind == "not_found"
    assert isinstance(empty, Failure)
    assert empty.kind == "schema_changed"


def test_a_short_name_lives_at_bluesky() -> None:
    """As its app takes it."""
    assert BLUESKY.normalise("@HHSgov") == "hhsgov.bsky.social"


@pytest.mark.parametrize("value", [-1, True, "x", 10**14])
def test_bad_followers_are_refused(value: Any) -> None:
    """Never read as something near."""
    body = {"profiles": [{**PROFILE, "followersCount": value}]}
    assert failure(BLUESKY, reply(body), HHS).kind == "schema_changed"


@pytest.mark.parametrize(
    ("status", "error", "message", "kind"),
    [
        (400, "InvalidRequest", "Profile not found", "not_found"),
        (400, "InvalidRequest", "Error: actors/0 must be a valid did or a handle", "not_found"),
        (400, "InvalidRequest", "Error: actors is required", "schema_changed"),
        (400, "AccountTakedown", "Account has been suspended", "suspended"),
        (400, "AccountDeactivated", "Account is deactivated", "suspended"),
        (429, "RateLimitExceeded", "Rate Limit Exceeded", "rate_limited"),
        (502, "UpstreamFailure", "Upstream Failure", "server"),
        (500, "InternalServerError", "Internal Server Error", "server"),
        (403, "Somewhat", "new", "forbidden"),
    ],
)
def test_a_failure_has_a_kind(status: int, error: str, message: str, kind: str) -> None:
    """By its name, then by HTTP."""
    failed = failure(BLUESKY, reply({"error": error, "message": message}, status), HHS)
    assert failed.kind == kind
