"""The fake platforms: their shapes, their limits, their faults; read by the bundled plugins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import pytest

from hhs_perf._settings import ScraperSettings
from hhs_perf.scrapers import Account, Outcome, Platform, Reply
from hhs_perf.scrapers.engine.reading import read
from hhs_perf.scrapers.platforms import bundled
from hhs_perf.scrapers.simulate import simulated
from hhs_perf.scrapers.testing import (
    FAULT_KINDS,
    Answer,
    FakeAccount,
    FakePlatform,
    FakeWorld,
    Fault,
    Request,
    json_answer,
)
from hhs_perf.scrapers.testing.bundled_samples import bundled_samples
from hhs_perf.scrapers.testing.samples import played
from hhs_perf.testing import FakeClock

URLS = {
    "bluesky": "https://bsky.app/profile/hhs.gov",
    "facebook": "https://www.facebook.com/HHS",
    "flickr": "https://www.flickr.com/photos/hhsgov/",
    "instagram": "https://www.instagram.com/hhsgov/",
    "linkedin": "https://www.linkedin.com/company/opreacf/",
    "mastodon": "https://mastodon.social/@hhsgov",
    "reddit": "https://www.reddit.com/r/medicine",
    "threads": "https://www.threads.com/@hhsgov",
    "tiktok": "https://www.tiktok.com/@cdcgov",
    "truth_social": "https://truthsocial.com/@seckennedy",
    "x": "https://x.com/HHSGov",
    "youtube": "https://www.youtube.com/@hhsgov",
}
HANDLES = {
    **dict.fromkeys(("instagram", "threads", "x", "youtube"), "hhsgov"),
    "bluesky": "hhs.gov",
    "facebook": "hhs",
    "flickr": "hhsgov",
    "linkedin": "opreacf",
    "mastodon": "hhsgov@mastodon.social",
    "reddit": "r/medicine",
    "tiktok": "cdcgov",
    "truth_social": "seckennedy",
}
HASTY = ScraperSettings(interval=0.0, attempts=1, max_wait=0.01, max_body=64 * 1024)
# Neither of these is seen from outside: X shows protected accounts, and these have no such thing.
SHOWN_WHEN_PRIVATE = {"x", "flickr", "bluesky", "mastodon", "truth_social", "youtube"}


def outcome_of(world: FakeWorld, platform: str) -> Outcome:
    """Scrape one account in process; a failure is not tried again."""
    run = simulated(world=world, latency=0.0, settings=HASTY).run([Account(url=URLS[platform])])
    (outcome,) = list(run)
    return outcome


@pytest.mark.parametrize("platform", sorted(URLS))
def test_every_platform_gives_the_figures_of_its_account(platform: str) -> None:
    """What the plugin reads is what the world holds, rounded where the platform rounds."""
    world = FakeWorld(seed=3)
    snapshot = outcome_of(world, platform).result()
    held = world.account(platform, HANDLES[platform]).figures
    assert snapshot.figures
    for name, figure in snapshot.figures.items():
        if name in ("likes_count", "shares_count", "views_count") or figure.value is None:
            continue
        assert figure.value <= held[name] < figure.value + (figure.granularity or 1)


@pytest.mark.parametrize("platform", sorted(URLS))
def test_an_account_that_is_not_there_is_not_found(platform: str) -> None:
    """Each platform says it in its own way, and all mean the same."""
    failure = outcome_of(FakeWorld(invents=False), platform).failure
    assert failure is not None
    assert failure.kind == "not_found"


@pytest.mark.parametrize("platform", sorted(URLS))
def test_a_suspended_or_private_account_gives_no_figures(platform: str) -> None:
    """No platform's empty shell of an account is taken for an account with 0 followers."""
    world = FakeWorld()
    world.mark(platform, HANDLES[platform], "suspended")
    failure = outcome_of(world, platform).failure
    assert failure is not None
    assert failure.kind in ("suspended", "not_found", "forbidden")
    world.mark(platform, HANDLES[platform], "private")
    private = outcome_of(world, platform)
    assert (private.status == "success") is (platform in SHOWN_WHEN_PRIVATE)
    world.mark(platform, HANDLES[platform], "active")
    assert outcome_of(world, platform).status == "success"


def test_a_hidden_number_is_hidden_and_not_zero() -> None:
    """YouTube says 0 beside the word that it is hidden."""
    world = FakeWorld()
    world.mark("youtube", "@hhsgov", "hidden")
    figure = outcome_of(world, "youtube").result().figure("followers_count")
    assert (figure.status, figure.value) == ("hidden", None)


def test_accounts_that_were_added_have_the_figures_said() -> None:
    """By handle and by id, whatever the case."""
    world = FakeWorld([FakeAccount(platform="x", handle="HHSGov", figures={"followers_count": 7})])
    kept = world.add("facebook", "HHS", account_id="42", display_name="Health", followers_count=9)
    assert world.account("x", "@hhsgov").count("followers_count") == 7
    assert world.account("facebook", "42", by_id=True) == kept
    assert outcome_of(world, "facebook").result().display_name == "Health"


def test_figures_go_by_seed_account_and_day_alone() -> None:
    """Two worlds agree; another seed or another day does not; counts grow."""
    first, again = FakeWorld(seed=1, day=20_000), FakeWorld(seed=1, day=20_000)
    assert first.account("x", "a") == again.account("x", "A")
    by_id = again.account("x", first.account("x", "a").account_id, by_id=True)
    assert by_id.figures == first.account("x", "a").figures
    assert FakeWorld(seed=2, day=20_000).account("x", "a").figures != by_id.figures
    later = FakeWorld(seed=1, day=20_030).account("x", "a")
    assert later.count("followers_count") > by_id.count("followers_count")
    assert later.count("posts_count") > by_id.count("posts_count")


def ask(world: FakeWorld, platform: str, **more: str) -> Answer:
    paths = {
        "x": ("/2/users/by", "usernames=a"),
        "bluesky": ("/xrpc/app.bsky.actor.getProfile", "actor=a.example"),
        "mastodon": ("/api/v1/accounts/lookup", "acct=a"),
        "reddit": ("/r/medicine/about", ""),
        "facebook": ("/v25.0/", "ids=a&fields=id,followers_count"),
    }
    path, query = paths[platform]
    headers = {"authorization": "Bearer t", "user-agent": "python:a:1 (by /u/a)", **more}
    return world.answer_raw(platform, "GET", "example.com", path, query, headers, b"")


@pytest.mark.parametrize("skew", [0.0, 5.0, -300.0])
def test_limits_are_told_in_each_platforms_own_spelling_by_the_servers_clock(skew: float) -> None:
    """Epoch, Retry-After, seconds, a date of ISO 8601, and minutes; a plugin reads 40 seconds."""
    clock = FakeClock()
    world = FakeWorld(clock=clock, skew=skew)
    platforms = {each.name: each for each in bundled()}
    for name in ("x", "bluesky", "mastodon", "reddit", "facebook"):
        world.limit(name, 2, 40.0)
        assert ask(world, name).status == ask(world, name).status == 200
        refused = ask(world, name)
        assert refused.status == (400 if name == "facebook" else 429)
        assert parsedate_to_datetime(refused.headers["date"]).timestamp() == clock.wall() + skew
        reply = Reply(
            status=refused.status,
            headers=refused.headers,
            body=refused.body,
            received_at=clock.wall(),
        )
        answer = read(platforms[name], platforms[name].parse, reply, ())
        assert answer.failure is not None
        assert answer.failure.kind == "rate_limited"
        assert answer.signal is not None
        assert answer.signal.wait == (60.0 if name == "facebook" else 40.0)
        clock.advance(40.0)
        assert ask(world, name).status == 200


def test_a_wrong_or_missing_credential_is_refused() -> None:
    """Any will do, unless one is named."""
    world = FakeWorld(tokens={"x": "right"})
    assert ask(world, "x").status == 401
    assert ask(world, "x", authorization="Bearer right").status == 200
    assert ask(world, "reddit", authorization="").status == 401
    assert ask(world, "bluesky", authorization="").status == 200


def test_reddit_wants_to_know_who_asks() -> None:
    """The name of a browser is not let in."""
    assert ask(FakeWorld(), "reddit", **{"user-agent": "Mozilla/5.0"}).status == 403


def test_hosts_lead_to_their_platforms() -> None:
    """A request to a real host's name is answered as by it; any other host speaks Mastodon."""
    world = FakeWorld()
    token = {"authorization": "Bearer t"}
    world.answer("GET", "api.x.com", "/2/users/by", "usernames=a", token)
    world.answer("GET", "graph.facebook.com", "/v25.0/", "ids=a&access_token=t")
    discovery = "fields=business_discovery.username(a)%7Bid%7D&access_token=t"
    world.answer("GET", "graph.facebook.com", "/v25.0/1", discovery)
    world.answer("GET", "social.example", "/api/v1/accounts/lookup", "acct=a")
    assert dict(world.asked) == {"x": 1, "facebook": 1, "instagram": 1, "mastodon": 1}


def test_a_fault_befalls_what_it_is_aimed_at() -> None:
    """By platform, handle, first requests left alone, and at most so many."""
    world = FakeWorld()
    world.arm(Fault(kind="server", platform="x", handle="@A", skip=1, times=2))
    assert [ask(world, "x").status for _ in range(5)] == [200, 503, 503, 200, 200]
    world.arm(Fault(kind="server", platform="x", handle="b"))
    assert ask(world, "x").status == ask(world, "bluesky").status == 200
    world.arm(Fault(kind="server", status=502))
    assert ask(world, "bluesky").status == 502
    world.heal()
    assert ask(world, "bluesky").status == 200


def test_a_share_of_requests_goes_wrong_by_the_seed() -> None:
    """About as many as said, and the same ones each time."""

    def run() -> list[int]:
        world = FakeWorld(seed=5)
        world.arm(Fault(kind="server", share=0.1))
        return [ask(world, "bluesky").status for _ in range(1000)]

    statuses = run()
    assert statuses == run()
    assert 60 < statuses.count(503) < 140


def test_a_fault_that_nobody_knows_is_refused() -> None:
    """The message lists those that are known."""
    with pytest.raises(ValueError, match="retry_after_date"):
        Fault(kind="bogus")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between 0 and 1"):
        Fault(kind="server", share=2)


RATE = {"rate_limited", "throttled", "retry_after", "retry_after_date"}
HARMLESS = {"slow", "text_type", "hostile", "strings"}
# Flickr's own words for a throttle are those for an outage.
KINDS: Mapping[str, set[str]] = {
    **{key: {"rate_limited", "server"} for key in RATE},
    **{key: {"network"} for key in ("silent", "stalled", "dripped", "closed", "reset", "cut")},
    **{key: {"challenge"} for key in ("login_redirect", "login_page", "challenge")},
    "quota": {"quota_exhausted", "rate_limited"},
    "auth": {"auth"},
    "forbidden": {"forbidden", "auth"},
    "server": {"server"},
    "bare": {"schema_changed", "not_found"},
}


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_no_fault_gives_a_figure_that_is_not_there(kind: str) -> None:
    """On each platform it ends in a failure of its kind, or does no harm; none gives a zero."""
    world = FakeWorld()
    world.arm(Fault(kind=kind, wait=0.05, size=100_000))  # type: ignore[arg-type]
    run = simulated(world=world, latency=0.0, settings=HASTY).run(
        [Account(url=url) for url in URLS.values()]
    )
    outcomes = {each.platform: each for each in run}
    assert outcomes.keys() == URLS.keys()
    for platform, outcome in outcomes.items():
        if outcome.failure is not None:
            allowed = KINDS.get(kind, {"schema_changed"})
            assert outcome.failure.kind in allowed, (platform, outcome.failure)
            continue
        figures = outcome.result().figures.values()
        if kind in HARMLESS:
            assert all(each.value or each.value is None for each in figures), platform
        else:
            # Where every number is optional, a reply without any has nothing to say.
            assert not [each for each in figures if each.value is not None], platform
    if kind in HARMLESS:
        assert all(each.status == "success" for each in outcomes.values())


def test_a_platform_of_ones_own_joins_the_world() -> None:
    """A plugin's author gives its shape, and has faults and limits for nothing."""
    gazette = FakePlatform(
        name="gazette",
        hosts=("api.gazette.example",),
        handles=lambda request: (request.path.rpartition("/")[2],),
        answer=lambda scene, request: json_answer(
            {"readers": scene.find(request.path.rpartition("/")[2]).count("followers_count")}
        ),
        refuse=lambda refusal: json_answer({"why": refusal.kind}, 429),
        secret=None,
    )
    world = FakeWorld(platforms=[gazette])
    world.add("gazette", "daily", followers_count=12)
    request = Request(method="GET", host="", path="/papers/daily")
    assert json.loads(world.answer_as("gazette", request).body) == {"readers": 12}
    world.limit("gazette", 0, 60)
    assert json.loads(world.answer_as("gazette", request).body) == {"why": "rate_limited"}


@pytest.mark.parametrize("platform", bundled(), ids=lambda each: each.name)
def test_bundled_samples_play(platform: Platform) -> None:
    """Each bundled platform has a sample, and each sample gives what it expects."""
    samples = bundled_samples(platform)
    assert samples
    for sample in samples:
        assert played(platform, sample).result.figures == sample.figures  # type: ignore[union-attr]
