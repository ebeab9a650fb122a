"""Mastodon on any host, and Truth Social, which speaks the same."""

from __future__ import annotations

from typing import Any

import pytest

from hhs_perf._clock import SystemClock
from hhs_perf._settings import ScraperSettings
from hhs_perf.scrapers.accounts import Account
from hhs_perf.scrapers.platform import Platform, Reading, Target
from hhs_perf.scrapers.platforms.mastodon import MASTODON
from hhs_perf.scrapers.platforms.truth_social import TRUTH_SOCIAL
from hhs_perf.scrapers.scrapers import Scrapers
from tests.platform_replies import call, counts, failure, found, reply, target

ACCOUNT: dict[str, Any] = {
    "id": "23634",
    "username": "SecKennedy",
    "acct": "SecKennedy",
    "display_name": "Secretary",
    "followers_count": 547,
    "following_count": 404,
    "statuses_count": 28468,
    "url": "https://mastodon.example/@SecKennedy",
}
MASTODON_ONE = target(MASTODON, "@SecKennedy@mastodon.example")
ONES = [
    pytest.param(MASTODON, MASTODON_ONE, id="mastodon"),
    pytest.param(TRUTH_SOCIAL, target(TRUTH_SOCIAL, "@SecKennedy"), id="truth_social"),
]


def test_an_account_is_asked_for_at_home() -> None:
    """The server of the handle; a token is optional."""
    made = MASTODON.build((MASTODON_ONE,), {})
    assert made.host == "mastodon.example"
    assert (made.path, dict(made.params)) == ("/api/v1/accounts/lookup", {"acct": "seckennedy"})
    assert not made.headers
    assert not call(MASTODON, MASTODON_ONE).headers
    assert MASTODON.missing({}) == TRUTH_SOCIAL.missing({}) == ()


@pytest.mark.parametrize(("platform", "one"), ONES)
def test_figures_are_read(platform: Platform, one: Any) -> None:
    """Names differ in case only."""
    (read,) = found(platform, reply(ACCOUNT), one)
    assert counts(read) == {
        "followers_count": 547,
        "following_count": 404,
        "posts_count": 28468,
    }
    assert isinstance(read, Reading)
    # Each server numbers its own accounts.
    known = {"mastodon": "23634@mastodon.example", "truth_social": "23634"}
    assert (read.account_id, read.display_name) == (known[platform.name], "Secretary")


def test_counts_that_an_owner_hides_are_no_zeros() -> None:
    """Pleroma shows 0 and says beside it that the number is hidden."""
    hiding = {"hide_followers_count": True, "hide_follows_count": True}
    body = ACCOUNT | {"followers_count": 0, "following_count": 0, "pleroma": hiding}
    (read,) = found(MASTODON, reply(body), MASTODON_ONE)
    assert counts(read) == {
        "followers_count": "hidden",
        "following_count": "hidden",
        "posts_count": 28468,
    }


@pytest.mark.parametrize(("platform", "one"), ONES)
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, {"error": "Record not found"}, "not_found"),
        (410, {"error": "Gone"}, "not_found"),
        (401, {"error": "The access token is invalid"}, "auth"),
        (403, {"error": "This action is not allowed"}, "forbidden"),
        (429, {"error": "Too many requests"}, "rate_limited"),
        (503, {"error": "Remote data could not be fetched"}, "server"),
        (200, ACCOUNT | {"suspended": True}, "suspended"),
        (200, ACCOUNT | {"username": "another"}, "schema_changed"),
        (200, ACCOUNT | {"followers_count": None}, "schema_changed"),
        (200, ACCOUNT | {"followers_count": -1}, "schema_changed"),
        (200, ACCOUNT | {"statuses_count": True}, "schema_changed"),
        (200, ACCOUNT | {"id": None}, "schema_changed"),
        (200, [ACCOUNT], "schema_changed"),
    ],
)
def test_a_failure_has_a_kind(
    platform: Platform, one: Any, status: int, body: Any, kind: str
) -> None:
    """An account that is suspended may come with zeros."""
    assert failure(platform, reply(body, status), one).kind == kind


def test_a_server_that_the_environment_names_stands_for_all_hosts() -> None:
    """A fake one, or a proxy: the host of an address is not asked then."""
    asked = []

    class Recorder:
        def __init__(self, platform: Platform, options: Any) -> None:
            pass

        async def send(self, url: str, call: Any) -> Any:
            asked.append(url)
            return reply(ACCOUNT)

        async def close(self) -> None:
            pass

    for variables in ({}, {"HHS_PERF_MASTODON_URL": "http://127.0.0.1:9/"}):
        scrapers = Scrapers(
            ScraperSettings(),
            platforms=[MASTODON],
            clock=SystemClock(),
            variables=variables,
            transport=Recorder,
        )
        account = Account(platform="Mastodon", url="https://mastodon.example/@SecKennedy")
        assert scrapers.scrape([account]).succeeded == 1
    path = "/api/v1/accounts/lookup"
    assert asked == [f"https://mastodon.example{path}", f"http://127.0.0.1:9{path}"]


@pytest.mark.parametrize(
    ("handle", "host", "is_sent"),
    [
        ("a@mastodon.social", None, True),
        ("a@evil.example", None, False),
        ("a@home.example", "home.example", True),
        ("a@mastodon.social", "home.example", False),
    ],
)
def test_the_token_goes_to_its_own_server_alone(
    handle: str, host: str | None, is_sent: bool
) -> None:
    """A list of accounts may name any server."""
    credentials = {"token": "secret"} | ({} if host is None else {"host": host})
    target = Target(account=Account(platform="mastodon", handle=handle), handle=handle)
    call = MASTODON.build((target,), credentials)
    assert call.host == handle.partition("@")[2]
    assert ("Authorization" in call.headers) is is_sent
