"""What has to happen in Redis as one step, in its own language, and the names it happens to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

__all__ = [
    "ACQUIRE",
    "ASK",
    "DELETE",
    "EXTEND",
    "MARK",
    "PUT",
    "RELEASE",
    "STAND",
    "Call",
    "Names",
    "Script",
]

MARKS_KEPT_MS: Final = 31 * 86_400_000
"""How long marks live: longer than any entry may."""
_MOST_PREFIXES: Final = 200


@attrs.frozen
class Script:
    """A script, called by its hash and sent whole only where the server has forgotten it."""

    text: str
    sha: str = attrs.field(init=False)

    @sha.default
    def _hash(self) -> str:
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


Call = tuple[Script, Sequence[str], Sequence[str | bytes | int]]
"""A script, the names that it touches, and its arguments."""

ACQUIRE: Final = Script("""
-- keys: value, lock; arguments: token, milliseconds,
-- '' or '=' and how the known value begins, or '!' for whatever there is
local t = redis.call('TIME')
local now = t[1] .. string.format('%06d', t[2])
if ARGV[3] ~= '!' then
  local value = redis.pcall('GET', KEYS[1])
  if type(value) == 'string' and '=' .. string.sub(value, 1, #ARGV[3] - 1) ~= ARGV[3] then
    return {now, 1, value}
  end
  local rest = redis.call('PTTL', KEYS[2])
  -- What has no end is no lease of ours.
  if rest >= 0 then
    return {now, 3, rest}
  end
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {now, 2}
""")
"""Gives the time and a value that came meanwhile, or takes the lease, or tells how long it runs."""

# Somebody else has written to our name: what was marked is lost, so that all is void from now.
_MEND: Final = f"""
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], '*', now)
  redis.call('PEXPIRE', KEYS[1], {MARKS_KEPT_MS})
end
"""

ASK: Final = Script(f"""
-- keys: the hash of standing marks
local t = redis.call('TIME')
local now = t[1] .. string.format('%06d', t[2])
{_MEND}return {{now, redis.call('HGETALL', KEYS[1])}}
""")
"""Gives the time, and the marks on prefixes and on everything."""

PUT: Final = Script("""
-- keys: value, lock; arguments: token or '', data, milliseconds, channel, message
if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
""")
"""Stores a value if the lease still holds, or whatever lease there is; ends it; tells all."""

RELEASE: Final = Script("""
-- keys: lock; arguments: token, channel, message
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[2], ARGV[3])
  return 1
end
return 0
""")
"""Gives a lease back without a value, and wakes those who wait for it."""

EXTEND: Final = Script("""
-- keys: lock; arguments: token, milliseconds
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
""")
"""Lets a lease run longer."""

DELETE: Final = Script("""
-- keys: value, lock; arguments: channel, message
local held = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return held
""")
"""Removes a value, breaks the lease of whoever is loading it, tells all."""

MARK: Final = Script(f"""
-- keys: the tag's; arguments: channel, message before the time, message after it
local t = redis.call('TIME')
local now = t[1] .. string.format('%06d', t[2])
redis.call('SET', KEYS[1], now, 'PX', {MARKS_KEPT_MS})
redis.call('PUBLISH', ARGV[1], ARGV[2] .. now .. ARGV[3])
return now
""")
"""Marks a tag with the time, tells all."""

STAND: Final = Script(f"""
-- keys: the hash of standing marks; arguments: field, channel, message before and after the time
local t = redis.call('TIME')
local now = t[1] .. string.format('%06d', t[2])
{_MEND}redis.call('HSET', KEYS[1], ARGV[1], now)
local oldest = tonumber(now) - {MARKS_KEPT_MS}000
local all = redis.call('HGETALL', KEYS[1])
local count, newest = 0, '0'
for i = 1, #all, 2 do
  if (tonumber(all[i + 1]) or 0) < oldest then
    redis.call('HDEL', KEYS[1], all[i])
  else
    count = count + 1
    if tonumber(all[i + 1]) > tonumber(newest) then newest = all[i + 1] end
  end
end
if count > {_MOST_PREFIXES} then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], '*', newest)
end
redis.call('PEXPIRE', KEYS[1], {MARKS_KEPT_MS})
redis.call('PUBLISH', ARGV[2], ARGV[3] .. now .. ARGV[4])
return now
""")
"""Marks a prefix, or `*` for everything; past 200 prefixes everything older is void."""


class Names:
    """The names that one namespace uses in Redis.

    What stands in braces decides the node of a cluster: a value and its lease share it.
    """

    __slots__ = ("_before", "_tag", "channel", "marks", "namespace", "own")

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        start = f"hhs:{namespace}:"
        self._before = start + "{k:"
        self._tag = start + "{t:"
        self.marks = start + "{marks}"
        self.channel = start + "bus1"
        self.own = start

    def value(self, key: str) -> str:
        """Where the value of `key` stands."""
        return f"{self._before}{key}}}"

    def values(self, keys: Iterable[str]) -> list[str]:
        """Where the values of `keys` stand."""
        before = self._before
        return [f"{before}{key}}}" for key in keys]

    def lock(self, key: str) -> str:
        """Where the lease of `key` stands."""
        return f"{self._before}{key}}}lock"

    def tag(self, tag: str) -> str:
        """Where the mark of `tag` stands."""
        return f"{self._tag}{tag}}}"

    def key_of(self, name: str) -> str | None:
        """Give the key whose value stands under `name`; None for what is no value."""
        if name.startswith(self._before) and name.endswith("}"):
            return name[len(self._before) : -1]
        return None
