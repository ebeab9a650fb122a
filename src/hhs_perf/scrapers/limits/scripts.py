"""What happens in Redis as one step, on the server's clock, and the names it happens to."""

from __future__ import annotations

import hashlib
from typing import Final

import attrs

__all__ = ["RESERVE", "RESERVE_SHA", "Answer", "Names", "read_pause"]

RESERVE: Final = """
-- keys: state, members; all times are microseconds.
-- arguments: interval, or -1 to reserve nothing; time since the caller's last start, or -1;
-- a pause to share, or 0; for how long others may still start on their own;
-- the caller, how long it counts as a member; channel, platform
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local held = redis.call('HMGET', KEYS[1], 'at', 'till', 'said', 'now')
local at, till = tonumber(held[1] or 0), tonumber(held[2] or 0)
local said, seen = tonumber(held[3] or 0), tonumber(held[4] or 0)
if now < seen then
  -- The server's clock was put back, or another server took over.
  at, till = at - (seen - now), till - (seen - now)
end
local interval, since, pause = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
-- Others measure the same pause a little later.
if pause > 0 and now + pause > till + 20000 then
  till = now + pause
  said = math.max(said + 1, now)
  redis.call('PUBLISH', ARGV[7], string.format('%.0f %.0f %s', said, pause, ARGV[8]))
end
at = math.max(at, till)
local wait = 0
if interval >= 0 then
  local slot = math.max(at, now, now + tonumber(ARGV[4]))
  if since >= 0 then
    slot = math.max(slot, now - since + interval)
  end
  at, wait = slot + interval, slot - now
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
  redis.call('ZADD', KEYS[2], string.format('%.0f', slot + ARGV[6]), ARGV[5])
end
local rest = math.ceil(math.max(at - now, 0) / 1000)
redis.call('HSET', KEYS[1], 'at', string.format('%.0f', at), 'till', string.format('%.0f', till),
  'said', string.format('%.0f', said), 'now', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], rest + 3600000)
redis.call('PEXPIRE', KEYS[2], rest + 3600000)
return {now, wait, redis.call('ZCARD', KEYS[2]), said, math.max(till - now, 0)}
"""
RESERVE_SHA: Final = hashlib.sha1(RESERVE.encode(), usedforsecurity=False).hexdigest()


@attrs.frozen
class Answer:
    """What the script gives, in its order; `wait` and `pause` in seconds from the server's `now`.

    `said` names the pause: whoever knows it need not be told again.
    """

    now: float
    wait: float
    members: int
    said: int
    pause: float

    @classmethod
    def read(cls, now: int, wait: int, members: int, said: int, pause: int) -> Answer:
        """Turn the script's integers into seconds."""
        return cls(now / 1e6, wait / 1e6, max(1, members), said, pause / 1e6)


def read_pause(message: str) -> tuple[str, int, float]:
    """Read a message: the platform, the pause's name, its seconds. Raises ValueError."""
    said, pause, platform = message.split(" ", 2)
    return platform, int(said), int(pause) / 1e6


class Names:
    """The names that one namespace uses; what stands in braces decides the node of a cluster."""

    def __init__(self, namespace: str) -> None:
        self._before = f"hhs:{namespace}:{{scrape:"
        self.channel = f"hhs:{namespace}:scrape1"

    def keys(self, platform: str) -> tuple[str, str]:
        """Where the state and the members of a platform stand."""
        state = f"{self._before}{platform}}}"
        return state, f"{state}members"
