"""The platforms that come with hhs_perf, each a value of `Platform` in a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .bluesky import BLUESKY
from .facebook import FACEBOOK
from .flickr import FLICKR
from .instagram import INSTAGRAM
from .linkedin import LINKEDIN
from .mastodon import MASTODON
from .reddit import REDDIT
from .threads import THREADS
from .tiktok import TIKTOK
from .truth_social import TRUTH_SOCIAL
from .x import X
from .youtube import YOUTUBE

if TYPE_CHECKING:
    from ..platform import Platform

__all__ = ["bundled"]


def bundled() -> tuple[Platform, ...]:
    """Give the bundled platforms, by name; Mastodon, which is on any host, comes last."""
    return (
        BLUESKY,
        FACEBOOK,
        FLICKR,
        INSTAGRAM,
        LINKEDIN,
        REDDIT,
        THREADS,
        TIKTOK,
        TRUTH_SOCIAL,
        X,
        YOUTUBE,
        MASTODON,
    )
