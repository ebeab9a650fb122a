"""Samples of the bundled platforms, with the replies of the fake ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

import attrs
import msgspec

from ..accounts import Account
from ..addresses import locate
from ..engine.reading import read
from ..platform import Reading, Reply
from .samples import Sample, credentials_of
from .world import FakeWorld

if TYPE_CHECKING:
    from ..platform import Call, Platform

__all__ = ["bundled_samples"]

_URLS: Final = {
    "x": ("https://x.com/HHSGov", "https://twitter.com/HHS_Region_10"),
    "youtube": (
        "https://www.youtube.com/@hhsgov",
        "https://www.youtube.com/user/USGOVHHS",
        "https://www.youtube.com/channel/UC_x5XG1OV2P6uZZ5FSM9Ttw",
    ),
    "facebook": (
        "https://www.facebook.com/HHS",
        "https://www.facebook.com/profile.php?id=100066204115008",
    ),
    "instagram": ("https://www.instagram.com/hhsgov/",),
    "threads": ("https://www.threads.com/@hhsgov",),
    "linkedin": (
        "https://www.linkedin.com/company/opreacf/",
        "https://www.linkedin.com/showcase/10897894/",
    ),
    "tiktok": ("https://www.tiktok.com/@cdcgov",),
    "reddit": ("https://www.reddit.com/r/medicine", "https://www.reddit.com/user/hhsgov"),
    "flickr": ("https://www.flickr.com/photos/hhsgov/",),
    "bluesky": ("https://bsky.app/profile/hhs.gov",),
    "mastodon": ("https://mastodon.social/@hhsgov",),
    "truth_social": ("https://truthsocial.com/@seckennedy",),
}
_DAY: Final = 20_000


def bundled_samples(platform: Platform) -> tuple[Sample, ...]:
    """Make the samples of a platform; none for one that is not bundled.

    The figures expected are those that the plugin reads, so that they show what is kept from one
    check to the next, not that it is right: this is for tests of each plugin.
    """
    world = FakeWorld(day=_DAY)
    return tuple(_sample(world, platform, url) for url in _URLS.get(platform.name, ()))


def _sample(world: FakeWorld, platform: Platform, url: str) -> Sample:
    target = locate(Account(url=url, platform=platform.title), [platform]).target
    if target is None:
        raise AssertionError(f"{platform.name} does not know {url}")
    handle, replies = target.handle, []
    credentials = credentials_of(platform)
    if platform.resolve is not None and platform.resolve.needs(target):
        replies.append(_reply(world, platform, platform.resolve.build((target,), credentials)))
        result = read(platform, platform.resolve.parse, replies[-1], (target,)).found[target]
        if isinstance(result, Reading) and result.figures is None:
            target = attrs.evolve(target, account_id=result.account_id)
            replies.append(_reply(world, platform, platform.build((target,), credentials)))
            result = read(platform, platform.parse, replies[-1], (target,)).found[target]
    else:
        replies.append(_reply(world, platform, platform.build((target,), credentials)))
        result = read(platform, platform.parse, replies[-1], (target,)).found[target]
    if not isinstance(result, Reading):
        raise AssertionError(f"{url}: {result}")  # noqa: TRY004 - no argument is of a wrong type
    return Sample(
        platform=platform.name,
        url=url,
        handle=handle,
        replies=replies,
        expected=dict(result.figures or {}),
    )


def _reply(world: FakeWorld, platform: Platform, call: Call) -> Reply:
    answer = world.answer_raw(
        platform.name,
        call.method,
        call.host or urlsplit(platform.base_url).netloc,
        urlsplit(platform.base_url).path.rstrip("/") + call.path,
        urlencode(list(call.params)),
        {name.lower(): value for name, value in call.headers.items()},
        b"" if call.json is None else msgspec.json.encode(call.json),
    )
    return Reply(
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        received_at=world.now(),
    )
