"""How the platforms answer that plugins come with: the shapes of their documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import bluesky, flickr, linkedin, mastodon, meta, reddit, tiktok, x, youtube

if TYPE_CHECKING:
    from ..values import FakePlatform

__all__ = ["all_shapes"]


def all_shapes() -> tuple[FakePlatform, ...]:
    """Give every fake platform; where a host belongs to two, the more special one first."""
    return (
        x.X,
        youtube.YOUTUBE,
        meta.INSTAGRAM,
        meta.FACEBOOK,
        meta.THREADS,
        linkedin.LINKEDIN,
        tiktok.TIKTOK,
        reddit.REDDIT,
        flickr.FLICKR,
        bluesky.BLUESKY,
        mastodon.TRUTH_SOCIAL,
        mastodon.MASTODON,
    )
