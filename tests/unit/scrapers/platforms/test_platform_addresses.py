"""Addresses as people write them lead to one spelling of each handle, or to a reason."""

from __future__ import annotations

import pytest

from hhs_perf.scrapers.accounts import Account
from hhs_perf.scrapers.addresses import locate
from hhs_perf.scrapers.platforms import bundled

PLATFORMS = bundled()
CHANNEL = "UCabcdefghijklmnopqrstuv"

ADDRESSES = [
    ("https://x.com/HHSGov", "x", "hhsgov"),
    ("https://twitter.com/HHSGov/", "x", "hhsgov"),
    ("http://mobile.twitter.com/hhsgov?lang=en", "x", "hhsgov"),
    ("HTTPS://WWW.X.COM/HHSGOV?s=20&t=abc#top", "x", "hhsgov"),
    ("x.com/@HHSGov", "x", "hhsgov"),
    ("https://x.com/HHSGov/status/1234567890", "x", "hhsgov"),
    ("https://twitter.com/intent/follow?screen_name=HHSGov", "x", "hhsgov"),
    (f"https://www.youtube.com/channel/{CHANNEL}", "youtube", CHANNEL),
    (f"https://m.youtube.com/channel/{CHANNEL}/videos", "youtube", CHANNEL),
    ("https://www.youtube.com/user/USGOVHHS", "youtube", "user:usgovhhs"),
    (
        "https://youtube.com/c/HHSOfficeofPopulationAffairs/",
        "youtube",
        "c:hhsofficeofpopulationaffairs",
    ),
    ("https://www.youtube.com/@HHS.gov", "youtube", "@hhs.gov"),
    ("https://www.youtube.com/@HHS/featured?app=desktop", "youtube", "@hhs"),
    ("https://www.youtube.com/hivgov", "youtube", "@hivgov"),
    ("https://www.youtube.com/%40HIVgov", "youtube", "@hivgov"),
    ("https://www.facebook.com/HHS", "facebook", "hhs"),
    ("https://facebook.com/HHS/posts/pfbid02abc", "facebook", "hhs"),
    ("https://es-la.facebook.com/HHS/", "facebook", "hhs"),
    ("https://m.facebook.com/HHS?ref=page_internal&fbclid=abc", "facebook", "hhs"),
    ("https://www.facebook.com/Healthcare.gov/", "facebook", "healthcare.gov"),
    ("https://www.facebook.com/profile.php?id=100066204115008", "facebook", "100066204115008"),
    (
        "https://www.facebook.com/profile.php?v=info&id=100066204115008&x=1",
        "facebook",
        "100066204115008",
    ),
    ("https://www.facebook.com/pages/Some-Name/123456789012", "facebook", "123456789012"),
    (
        "https://www.facebook.com/pages/category/Agency/Some-Name-123456789012/",
        "facebook",
        "123456789012",
    ),
    ("https://www.facebook.com/p/Some-Name-100066204115008/", "facebook", "100066204115008"),
    ("https://www.facebook.com/people/Some-Name/100066204115008/", "facebook", "100066204115008"),
    ("https://www.facebook.com/Some-Name-123456789012/", "facebook", "123456789012"),
    ("https://www.facebook.com/pg/HHS/about", "facebook", "hhs"),
    ("https://fb.com/HHS", "facebook", "hhs"),
    ("https://www.instagram.com/hhsgov", "instagram", "hhsgov"),
    ("https://instagram.com/OPRE_ACF/?hl=en&igshid=abc", "instagram", "opre_acf"),
    ("https://www.instagram.com/hhsgov/reel/Cabc/", "instagram", "hhsgov"),
    ("https://www.instagram.com/stories/hhsgov/123/", "instagram", "hhsgov"),
    ("https://www.threads.net/@HHSGov", "threads", "hhsgov"),
    ("https://www.threads.com/@hhsgov/post/abc", "threads", "hhsgov"),
    ("https://www.linkedin.com/company/OPREACF/", "linkedin", "opreacf"),
    ("https://www.linkedin.com/showcase/10897894/", "linkedin", "10897894"),
    ("https://uk.linkedin.com/company/some-agency/about/?trk=x", "linkedin", "some-agency"),
    ("https://www.linkedin.com/school/a-school/posts", "linkedin", "a-school"),
    ("https://www.tiktok.com/@CDCgov", "tiktok", "cdcgov"),
    ("https://www.tiktok.com/@cdcgov/video/7?lang=en", "tiktok", "cdcgov"),
    ("https://www.reddit.com/r/Health/", "reddit", "r/health"),
    ("https://old.reddit.com/r/health/comments/abc/title/", "reddit", "r/health"),
    ("https://www.reddit.com/user/HHS-Gov", "reddit", "u/hhs-gov"),
    ("https://www.reddit.com/u/hhsgov/", "reddit", "u/hhsgov"),
    ("https://www.reddit.com/r/u_hhsgov", "reddit", "u/hhsgov"),
    ("https://www.flickr.com/photos/hhsgov/", "flickr", "hhsgov"),
    ("https://flickr.com/people/HHSgov", "flickr", "hhsgov"),
    ("https://www.flickr.com/photos/12345678@n00/51234", "flickr", "12345678@N00"),
    ("https://bsky.app/profile/HHS.gov", "bluesky", "hhs.gov"),
    (
        "https://bsky.app/profile/did:plc:ewvi7nxzyoun6zhxrhs64oiz",
        "bluesky",
        "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
    ),
    ("https://bsky.app/profile/hhs.gov/post/3kabc", "bluesky", "hhs.gov"),
    ("https://hhsgov.bsky.social", "bluesky", "hhsgov.bsky.social"),
    ("https://mastodon.social/@Gargron", "mastodon", "gargron@mastodon.social"),
    ("https://mastodon.social/@gargron/112233", "mastodon", "gargron@mastodon.social"),
    ("https://mastodon.social/users/Gargron", "mastodon", "gargron@mastodon.social"),
    ("https://mastodon.social/web/@gargron", "mastodon", "gargron@mastodon.social"),
    ("https://mastodon.social/@name@elsewhere.example", "mastodon", "name@elsewhere.example"),
    ("https://www.truthsocial.com/@seckennedy", "truth_social", "seckennedy"),
    ("https://truthsocial.com/@SecKennedy/posts/1", "truth_social", "seckennedy"),
]


@pytest.mark.parametrize(("url", "platform", "handle"), ADDRESSES)
def test_an_address_leads_to_its_handle(url: str, platform: str, handle: str) -> None:
    """The platform need not be named."""
    located = locate(Account(url=url), PLATFORMS)
    assert located.platform is not None
    assert located.target is not None, located.problem
    assert (located.platform.name, located.target.handle) == (platform, handle)


@pytest.mark.parametrize(("url", "platform", "handle"), ADDRESSES)
def test_a_handle_is_written_one_way(url: str, platform: str, handle: str) -> None:
    """Written once more it stays the same; listed with its platform it is the same account."""
    (one,) = (each for each in PLATFORMS if each.name == platform)
    assert one.normalise(handle) == handle
    located = locate(Account(platform=one.title, handle=handle), PLATFORMS)
    assert located.target is not None
    assert located.target.handle == handle


@pytest.mark.parametrize(
    "url",
    [
        "https://x.com/",
        "https://x.com/home",
        "https://x.com/i/user/12345",
        "https://x.com/search?q=hhs",
        "https://x.com/a_name_of_more_than_fifteen",
        "https://www.youtube.com/watch?v=abc",
        "https://youtu.be/dQw4w9WgXcQ",
        "https://www.youtube.com/channel/nothing",
        "https://www.youtube.com/playlist?list=PL1",
        "https://www.facebook.com/groups/12345678",
        "https://www.facebook.com/profile.php",
        "https://www.facebook.com/profile.php?id=me",
        "https://www.facebook.com/events/12345678",
        "https://www.facebook.com/login/?next=%2FHHS",
        "https://notfacebook.com/HHS",
        "https://facebook.com.evil.example/HHS",
        "https://www.instagram.com/p/Cabc/",
        "https://www.instagram.com/explore/",
        "https://www.threads.net/search",
        "https://www.linkedin.com/feed/",
        "https://www.linkedin.com/company/",
        "https://www.tiktok.com/tag/health",
        "https://www.reddit.com/",
        "https://www.reddit.com/search?q=x",
        "https://www.flickr.com/groups/hhs/",
        "https://www.flickr.com/photos/tags/hhs/",
        "https://bsky.app/search",
        "https://mastodon.social/about",
        "https://unknown.example/@somebody",
        "https://truthsocial.com/about",
    ],
)
def test_an_address_that_is_no_account_has_a_reason(url: str) -> None:
    """It is told, not dropped."""
    located = locate(Account(url=url), PLATFORMS)
    assert located.target is None
    assert located.problem


@pytest.mark.parametrize("named", ["", "LinkedIn"])
def test_a_member_of_linkedin_is_refused_with_the_reason(named: str) -> None:
    """Nobody can count a member's followers, and the report says that."""
    url = "https://www.linkedin.com/in/hhscybersecurity/"
    located = locate(Account(platform=named, url=url), PLATFORMS)
    assert located.platform is not None
    assert located.platform.name == "linkedin"
    assert located.target is None
    assert "organizations only" in located.problem


@pytest.mark.parametrize(
    ("named", "platform"),
    [
        ("Facebook Español", "facebook"),
        ("facebook", "facebook"),
        ("Twitter", "x"),
        ("X (Twitter)", "x"),
        ("YOUTUBE", "youtube"),
        ("Truth Social", "truth_social"),
        ("truth_social", "truth_social"),
        ("TikTok", "tiktok"),
    ],
)
def test_lists_call_platforms_by_several_names(named: str, platform: str) -> None:
    """Case does not matter."""
    assert [each.name for each in PLATFORMS if each.answers_to(named)] == [platform]


def test_a_server_that_few_know_is_mastodon_where_the_list_says_so() -> None:
    """Any host may be one, and each has its own people."""
    account = Account(platform="Mastodon", url="https://social.agency.example/@press")
    target = locate(account, PLATFORMS).target
    assert target is not None
    assert (target.handle, target.host) == ("press@social.agency.example", "social.agency.example")


@pytest.mark.parametrize(
    ("platform", "handle"),
    [
        ("mastodon", "nobody-knows-where"),
        ("mastodon", "name@127.0.0.1"),
        ("mastodon", "name@localhost"),
        ("mastodon", "name@host.example/path"),
        ("reddit", "health"),
        ("x", "two words"),
        ("x", "a,b"),
        ("facebook", "a,b"),
        ("instagram", "hhsgov){id}"),
        ("linkedin", "../../me"),
        ("tiktok", "a/b"),
        ("flickr", "a&b=c"),
        ("bluesky", "a b"),
        ("youtube", "@"),
    ],
)
def test_a_handle_that_cannot_be_is_refused(platform: str, handle: str) -> None:
    """It would spoil the batch that it is in, or say something else than a name."""
    located = locate(Account(platform=platform, handle=handle), PLATFORMS)
    assert located.target is None
    assert located.problem
