"""What all bundled platforms keep to, and what they make of the accounts that HHS lists."""

from __future__ import annotations

import json
import re
from datetime import date
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from hhs_perf._clock import SystemClock
from hhs_perf._settings import Settings
from hhs_perf.scrapers.accounts import Account
from hhs_perf.scrapers.addresses import locate
from hhs_perf.scrapers.platforms import bundled
from hhs_perf.scrapers.scrapers import Scrapers
from hhs_perf.scrapers.simulate import simulate_metrics
from hhs_perf.scrapers.values import Failure
from tests.platform_replies import SECRETS, answer, call, reply, target

if TYPE_CHECKING:
    from pathlib import Path

    from hhs_perf.scrapers.platform import Platform

PLATFORMS = bundled()
HANDLES = {
    "bluesky": "hhs.gov",
    "facebook": "hhs",
    "flickr": "hhsgov",
    "instagram": "hhsgov",
    "linkedin": "hhs",
    "mastodon": "hhs@mastodon.social",
    "reddit": "r/health",
    "threads": "hhsgov",
    "tiktok": "cdcgov",
    "truth_social": "seckennedy",
    "x": "hhsgov",
    "youtube": "@hhs",
}
IDS = {"flickr": "12345678@N00", "linkedin": "622072", "youtube": "UCabcdefghijklmnopqrstuv"}
LATER = {"facebook": 1, "flickr": 1, "instagram": 7, "linkedin": 11, "truth_social": 1}
LATER |= {"x": 1, "youtube": 1}
VARIABLES = {
    each.variable(platform.name): "set"
    for platform in PLATFORMS
    for each in platform.credentials
    if each.required
}


class _Known:
    """A sink that knows what every account is called for ever."""

    def __init__(self, ids: dict[tuple[str, str], str]) -> None:
        self.ids = ids

    def account_ids(self) -> dict[tuple[str, str], str]:
        return self.ids

    def done_on(self, day: date) -> set[tuple[str, str]]:
        return set()

    def write(self, outcomes: Any) -> None:
        raise AssertionError

    def close(self) -> None:
        pass


def _accounts() -> list[Account]:
    listed = json.loads((files("hhs_perf") / "demo" / "accounts.json").read_text("utf-8"))
    return [Account(**each) for each in listed]


def _scrapers() -> Scrapers:
    settings = Settings.from_env(VARIABLES)
    return Scrapers.from_settings(settings, platforms=PLATFORMS, clock=SystemClock())


def test_all_accounts_of_hhs_are_found_but_for_the_member() -> None:
    """98 of 99, each once."""
    located = [locate(each, PLATFORMS) for each in _accounts()]
    found = {
        (each.platform.name, each.target.handle)
        for each in located
        if each.platform is not None and each.target is not None
    }
    problems = [each.problem for each in located if each.target is None]
    assert len(located) == 99
    assert len(found) == 98
    assert len(problems) == 1
    assert "member" in problems[0]


def test_the_first_run_of_the_accounts_takes_at_most_45_requests() -> None:
    """YouTube's look-ups bring the figures along; LinkedIn's and Flickr's are extra."""
    plan = _scrapers().plan(_accounts())
    assert plan.requests <= 45
    by_name = {each.platform: each.requests for each in plan.platforms}
    assert by_name == {**LATER, "flickr": 2, "linkedin": 21, "youtube": 8}


def test_a_later_run_takes_at_most_24_requests_and_43_cents() -> None:
    """Who is who is known by then."""
    scrapers = _scrapers()
    located = [locate(each, PLATFORMS) for each in _accounts()]
    ids = {
        (each.platform.name, each.target.handle): IDS.get(each.platform.name, "1234567")
        for each in located
        if each.platform is not None and each.target is not None
    }
    plan = scrapers.plan(_accounts(), to=_Known(ids))
    assert plan.requests <= 24
    assert {each.platform: each.requests for each in plan.platforms} == LATER
    (x,) = (each for each in plan.platforms if each.platform == "x")
    assert x.cost == pytest.approx(0.43)
    assert x.unit == "USD"


def test_the_engine_sends_what_was_planned(tmp_path: Path) -> None:
    """Against simulated platforms: the first run stores who is who, the next one uses it."""
    runs = []
    for day in (date(2026, 11, 23), date(2026, 11, 24)):
        report = simulate_metrics(to=tmp_path / "snapshots.jsonl", day=day, latency=0.0)
        assert report.succeeded == 98
        assert report.skipped == {"unresolvable": 1}
        runs.append({each.platform: each.requests for each in report.platforms})
    assert runs == [{**LATER, "flickr": 2, "linkedin": 21, "youtube": 8}, LATER]


def test_no_two_platforms_share_a_name_or_an_alias() -> None:
    """A list that names one means one."""
    names = [
        name.casefold()
        for each in PLATFORMS
        for name in {each.name.casefold(), each.title.casefold(), *each.aliases}
    ]
    assert len(names) == len(set(names))
    assert set(HANDLES) == {each.name for each in PLATFORMS}


def _calls(platform: Platform) -> list[Any]:
    one = target(platform, HANDLES[platform.name], IDS.get(platform.name))
    made = [call(platform, one)]
    if platform.resolve is not None:
        made.append(call(platform, target(platform, HANDLES[platform.name]), resolving=True))
    return made


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_no_secret_is_in_a_path_or_shown(platform: Platform) -> None:
    """Queries and headers are not shown."""
    for made in _calls(platform):
        for secret in ("s3cret-token", "s3cret-key"):
            assert secret not in made.path
            assert secret not in repr(made)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_a_request_is_absolute_below_its_host(platform: Platform) -> None:
    """A path begins with a slash and holds no query."""
    for made in _calls(platform):
        assert re.fullmatch(r"/[A-Za-z0-9/._%-]+", made.path)
        assert (made.host is not None) is platform.many_hosts


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_what_must_be_set_is_told(platform: Platform) -> None:
    """With a sentence on where to get it."""
    wanted = [each.variable(platform.name) for each in platform.credentials if each.required]
    assert list(platform.missing({})) == wanted
    assert platform.missing(SECRETS) == ()
    assert all(each.how.endswith(".") for each in platform.credentials)


NOTHING = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"0",
    b'"text"',
    b"{",
    b'{"data":',
    b"\xff\xfe{}",
    b"<html><body>Welcome</body></html>",
    b'{"data":null,"items":null,"profiles":null,"elements":null,"person":null}',
    b'{"data":[null],"kind":"t5"}',
    b'{"data":[],"items":[],"profiles":[],"elements":[],"kind":"youtube#channelListResponse"}',
    b'{"hhs":null,"hhsgov":null}',
    b'{"hhs":{"id":"1","followers_count":null}}',
    b'{"error":null}',
    b'{"error":"text"}',
    b'{"error":[]}',
    b'{"error":{"code":"x","errors":[null,{}]}}',
    b'{"errors":[null,1,"x",{"code":null}]}',
    b'{"errors":{}}',
    b'{"stat":"ok"}',
    b'{"stat":"fail"}',
]


@pytest.mark.parametrize("resolving", [False, True], ids=["figures", "ids"])
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_a_reply_without_figures_gives_none(platform: Platform, resolving: bool) -> None:
    """It is a failure, whatever else it says; never a zero."""
    if resolving and platform.resolve is None:
        return
    one = target(platform, HANDLES[platform.name], None if resolving else IDS.get(platform.name))
    for body in NOTHING:
        for status in (200, 400, 403, 404, 429, 500):
            got = answer(platform, reply(body, status), one, resolving=resolving)
            assert got.failure is not None or isinstance(got.found[one], Failure), (body, status)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "auth"), (403, "forbidden"), (404, "not_found"), (429, "rate_limited"), (503, "server")],
)
def test_a_status_alone_tells_the_kind(platform: Platform, status: int, kind: str) -> None:
    """Where the body says nothing."""
    one = target(platform, HANDLES[platform.name], IDS.get(platform.name))
    failure = answer(platform, reply(b"", status), one).failure
    assert failure is not None
    assert failure.kind == kind


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_a_challenge_is_called_one(platform: Platform) -> None:
    """Cloudflare's page comes with HTTP 403; no way around it is tried."""
    page = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"
    one = target(platform, HANDLES[platform.name], IDS.get(platform.name))
    failure = answer(platform, reply(page, 403, content_type="text/html"), one).failure
    assert failure is not None
    assert failure.kind == "challenge"


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_messages_from_elsewhere_are_one_line_without_tokens(platform: Platform) -> None:
    """Some repeat what was sent."""
    token = "EAAB" + "x" * 60
    said = f"bad\n\x1b[31m {token} does not exist, user not found. API key"
    body = {
        "error": {"code": 100, "message": said, "errors": [{"reason": "keyInvalid"}]},
        "errors": [{"title": "Not Found Error", "value": "hhsgov", "detail": said}],
        "message": said,
        "stat": "fail",
        "code": 1,
    }
    one = target(platform, HANDLES[platform.name], IDS.get(platform.name))
    got = answer(platform, reply(body, 200), one)
    failure = got.failure or got.found[one]
    assert isinstance(failure, Failure)
    assert token not in failure.detail
    assert failure.detail.isprintable()
