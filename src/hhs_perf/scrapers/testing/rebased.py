"""Platforms whose requests go elsewhere than to their own hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..platform import Call, Credentials, Platform, Target

    Build = Callable[[tuple[Target, ...], Credentials], Call]

__all__ = ["rebased"]


def rebased(platform: Platform, base_url: str) -> Platform:
    """Lead a platform's requests to `base_url`, those to the hosts of addresses included.

    The path of the platform's own base stays; a host that a request names becomes a part of the
    path, `/-/mastodon.social`.
    """
    base = base_url + urlsplit(platform.base_url).path.rstrip("/")
    resolve = platform.resolve
    if resolve is not None:
        resolve = attrs.evolve(resolve, build=_led(resolve.build))
    return attrs.evolve(
        platform, base_url=base, build=_led(platform.build), resolve=resolve, many_hosts=False
    )


def _led(build: Build) -> Build:
    def lead(targets: tuple[Target, ...], credentials: Credentials) -> Call:
        call = build(targets, credentials)
        if call.host is None:
            return call
        return attrs.evolve(call, host=None, path=f"/-/{call.host}{call.path}")

    return lead
