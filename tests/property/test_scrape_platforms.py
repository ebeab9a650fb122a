"""Whatever an address, a handle or a reply says: an answer or one error, and no false number."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from hhs_perf.scrapers.accounts import Account
from hhs_perf.scrapers.addresses import locate
from hhs_perf.scrapers.platform import Reading
from hhs_perf.scrapers.platforms import bundled
from hhs_perf.scrapers.values import FAILURE_KINDS, Failure
from tests.platform_replies import answer, call, reply, target

PLATFORMS = bundled()
HANDLES = {
    "bluesky": ("hhs.gov", None),
    "facebook": ("hhs", None),
    "flickr": ("hhs", "1@N00"),
    "instagram": ("hhs", None),
    "linkedin": ("hhs", "7"),
    "mastodon": ("hhs@hhs.gov", None),
    "reddit": ("u/hhs", None),
    "threads": ("hhs", None),
    "tiktok": ("hhs", None),
    "truth_social": ("hhs", None),
    "x": ("hhs", None),
    "youtube": ("@hhs", "UCabcdefghijklmnopqrstuv"),
}
HOSTS = [
    *("x.com", "youtube.com", "facebook.com", "fb.com", "instagram.com", "threads.net"),
    *("linkedin.com", "tiktok.com", "reddit.com", "flickr.com", "bsky.app", "a.bsky.social"),
    *("mastodon.social", "truthsocial.com", "elsewhere.example"),
]
KEYS = [
    *("data", "error", "errors", "items", "kind", "id", "name", "username", "public_metrics"),
    *("followers_count", "following_count", "tweet_count", "statistics", "subscriberCount"),
    *("videoCount", "viewCount", "hiddenSubscriberCount", "business_discovery", "media_count"),
    *("follower_count", "firstDegreeSize", "elements", "person", "photos", "count", "_content"),
    *("profiles", "did", "handle", "followersCount", "subreddit", "subscribers", "nsid", "stat"),
    *("code", "message", "reason", "type", "title", "hhs", "statuses_count", "pleroma", "user"),
]
WORDS = ["hhs", "hhs.gov", "t2", "ok", "fail", "youtube#channelListResponse", "7", "-7", "1@N00"]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=8)
)
bodies = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=20,
)
paths = st.lists(
    st.sampled_from(["in", "u", "r", "c", "user", "pages", "p", "profile", "company", "%00", "@"])
    | st.text(max_size=12),
    max_size=4,
)


@given(host=st.sampled_from(HOSTS), path=paths, query=st.text(max_size=20))
@example(host="linkedin.com", path=["in", "x"], query="")
@example(host="facebook.com", path=["profile.php"], query="id=%00")
def test_an_address_leads_somewhere_or_has_a_reason(host: str, path: list[str], query: str) -> None:
    """Nothing is raised, and what is found is a handle that stays as it is."""
    url = f"https://{host}/{'/'.join(path)}?{query}"
    located = locate(Account(url=url), PLATFORMS)
    if located.target is None:
        assert located.problem
        return
    assert located.platform is not None
    assert located.platform.normalise(located.target.handle) == located.target.handle


@given(st.text(max_size=60))
@example("UCabcdefghijklmnopqrstuv")
@example("@@a")
@example("İ")
def test_a_handle_is_written_one_way(text: str) -> None:
    """Or refused; what is kept makes a request within its path."""
    for platform in PLATFORMS:
        handle = platform.normalise(text)
        assert platform.normalise(handle) == handle
        if not handle:
            continue
        account_id = HANDLES[platform.name][1]
        made = call(platform, target(platform, handle, account_id))
        assert made.path.startswith("/")
        assert not set("?#\\ \r\n") & set(made.path)
        assert ".." not in made.path.split("/")


@given(body=bodies, status=st.sampled_from([200, 200, 400, 403, 404, 429, 500]))
def test_a_reply_is_read_or_is_a_failure(body: Any, status: int) -> None:
    """What is read has declared figures, each of them a number that stands in the reply."""
    numbers = json.dumps(body).replace(".0", "")
    for platform in PLATFORMS:
        handle, account_id = HANDLES[platform.name]
        for resolving in (False, True) if platform.resolve is not None else (False,):
            one = target(platform, handle, None if resolving else account_id)
            got = answer(platform, reply(body, status), one, resolving=resolving)
            result = got.failure or got.found[one]
            if isinstance(result, Failure):
                assert result.kind in FAILURE_KINDS
                continue
            assert isinstance(result, Reading)
            assert status == 200
            for name, figure in (result.figures or {}).items():
                assert name in platform.figures
                assert figure.value is None or str(figure.value) in numbers
