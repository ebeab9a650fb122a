"""The spellings of "when may I come back": by an epoch, in seconds, as a date, until an hour."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ..judging import seconds_until, server_time
from ..platform import RateSignal

if TYPE_CHECKING:
    from ..platform import Reply

__all__ = ["reset_in", "standard", "tightest", "until_hour", "window"]

# Seconds to wait are not counted in decades: a number so large is a moment.
_EPOCH: Final = 1e9
_EPOCH_IN_MS: Final = 1e12
_ITEM: Final = re.compile(r"\b([rt])=([0-9]{1,9})\b")


def window(reply: Reply, prefix: str) -> RateSignal | None:
    """Read `<prefix>remaining` and `<prefix>reset`, in whichever spelling the reset is."""
    remaining = _number(reply.headers.get(f"{prefix}remaining", ""))
    wait = reset_in(reply, reply.headers.get(f"{prefix}reset", ""))
    if remaining is None:
        return None
    return RateSignal(wait=wait, remaining=remaining)


def standard(reply: Reply) -> RateSignal | None:
    """Read `RateLimit`, `RateLimit-*` or `X-RateLimit-*`, as drafts and common servers have them.

    The structured field is that of draft-ietf-httpapi-ratelimit-headers: `"default";r=50;t=30`.
    """
    found = dict(_ITEM.findall(reply.headers.get("ratelimit", "")))
    if "r" in found:
        wait = float(found["t"]) if "t" in found else None
        return RateSignal(wait=wait, remaining=float(found["r"]))
    return window(reply, "ratelimit-") or window(reply, "x-ratelimit-")


def reset_in(reply: Reply, value: str) -> float | None:
    """Give the seconds until a reset: an epoch in s or ms, seconds left, or an ISO 8601 date.

    Moments are on the server's clock, and so is the reply's Date. None for what is none of them.
    """
    number = _number(value)
    if number is None:
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return seconds_until(reply, moment.timestamp())
    if number >= _EPOCH_IN_MS:
        return seconds_until(reply, number / 1000)
    return seconds_until(reply, number) if number >= _EPOCH else number


def tightest(*signals: RateSignal | None) -> RateSignal | None:
    """Choose among several allowances the one that runs out first; of used-up ones the longest."""
    known = [each for each in signals if each is not None]
    spent = [each for each in known if each.remaining is not None and each.remaining < 1]
    if spent:
        return max(spent, key=lambda each: each.wait or 0.0)
    return min(
        known,
        key=lambda each: math.inf if each.remaining is None else each.remaining,
        default=None,
    )


def until_hour(reply: Reply, hour: int) -> float:
    """Give the seconds until it next is so many o'clock UTC by the server."""
    now = datetime.fromtimestamp(server_time(reply), UTC)
    then = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return ((then if then > now else then + timedelta(days=1)) - now).total_seconds()


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
