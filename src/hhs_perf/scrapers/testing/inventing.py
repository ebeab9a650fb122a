"""Accounts that nobody wrote down: figures from a seed, the account and the day."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from functools import lru_cache
from typing import Final

from .values import FakeAccount

__all__ = ["folded", "id_of", "invented", "looks_like_id"]

_FIRST_DAY: Final = 18_262  # 2020-01-01: everybody starts to grow here
_IDS: Final = {
    "youtube": re.compile(r"UC[\w-]{22}"),
    "flickr": re.compile(r"\d+@N\d\d"),
    "bluesky": re.compile(r"did:[a-z]+:.+"),
    "facebook": re.compile(r"\d+"),
    "linkedin": re.compile(r"\d+"),
}


_KIND: Final = re.compile(r"^(?:user|c|channel):")


def folded(handle: str) -> str:
    """Write a handle as lookups compare it: `@HHS`, `user:hhs` and `hhs` are the same."""
    return _KIND.sub("", handle.lower()).removeprefix("@")


def looks_like_id(platform: str, name: str) -> bool:
    """Tell whether a platform that takes either would take this for an id."""
    pattern = _IDS.get(platform)
    return pattern is not None and pattern.fullmatch(name) is not None


@lru_cache(maxsize=8192)
def id_of(seed: int, platform: str, handle: str) -> str:
    """Make up the id of a handle, in the platform's form."""
    digest = _digest(seed, platform, handle)
    number = int.from_bytes(digest[:6], "big")
    if platform == "youtube":
        return "UC" + base64.urlsafe_b64encode(digest + digest)[:22].decode()
    if platform == "flickr":
        return f"{number % 10**8}@N{number % 9:02d}"
    if platform == "bluesky":
        return "did:plc:" + base64.b32encode(digest)[:24].decode().lower()
    if platform == "linkedin":
        return str(number % 10**8 + 1)
    return str(number + 10**14)


@lru_cache(maxsize=8192)
def invented(seed: int, platform: str, handle: str, account_id: str, day: int) -> FakeAccount:
    """Make up an account's figures of a day, the days since 1970-01-01.

    They grow with the days, are the same for the same arguments, and go by the id alone, so that
    asking by handle or by id makes no difference.
    """
    digest = _digest(seed, platform, account_id)
    size, pace, share, spread = (
        int.from_bytes(digest[start : start + 4], "big") / 2**32 for start in (0, 4, 8, 12)
    )
    base = 10 ** (3.0 + 3.2 * size)
    age = max(1, day - _FIRST_DAY)
    noise = zlib.crc32(f"{account_id}{day}".encode()) / 2**32
    followers = int(base * (1 + (0.0001 + 0.0006 * pace) * (age + noise)))
    posts = int(60 + (0.3 + 3 * share) * (age + noise))
    likes = int(posts * followers * (0.0005 + 0.002 * spread))
    views = likes * 20 + posts
    if platform == "facebook":
        likes = followers * 93 // 100  # of the page, not of its posts
    return FakeAccount(
        platform=platform,
        handle=handle,
        account_id=account_id,
        display_name=handle,
        figures={
            "followers_count": followers,
            "following_count": int(20 + 900 * spread),
            "posts_count": posts,
            "likes_count": likes,
            "comments_count": likes // 25,
            "shares_count": likes // 10,
            "video_views": views,
            "views_count": views,
        },
    )


def _digest(seed: int, platform: str, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{platform}\0{name}".encode(), digest_size=16).digest()
