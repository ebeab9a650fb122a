"""What the processes of a namespace tell each other in Redis about warming."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..._redis import backend_errors
from ..remote.l2 import L2Down
from ..remote.scripts import Script

if TYPE_CHECKING:
    from ..core import Core

__all__ = ["Board", "Row", "WarmUpRow"]

_HOT_KEPT_MS: Final = 30 * 86_400_000
_ROWS_KEPT_MS: Final = 86_400_000
_ALIVE: Final = 150.0
_STAMP: Final = 16

_SWAP: Final = Script("""
-- keys: the list; arguments: what it held when it was read, or '', the new one, milliseconds
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
""")

_TELL: Final = Script("""
-- keys: the hash; arguments: the process, its row, microseconds it counts as there, milliseconds
local t = redis.call('TIME')
local now = t[1] .. string.format('%06d', t[2])
redis.call('HSET', KEYS[1], ARGV[1], now .. ARGV[2])
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at = tonumber(string.sub(all[i + 1], 1, 16))
  if not at or at < tonumber(now) - ARGV[3] then
    redis.call('HDEL', KEYS[1], all[i])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return now
""")


class WarmUpRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a warm-up of one process stands; times in seconds, `request` is the latest answered."""

    name: str
    state: str
    seconds: float | None = None
    error: str | None = None
    finished_at: float | None = None
    every: float | None = None
    note: str | None = None
    request: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one process tells of its warm-ups."""

    host: str
    pid: int
    warm_ups: tuple[WarmUpRow, ...] = ()


class Board:
    """Reads and writes it, from any thread; raises L2Down where Redis fails.

    A process that has told nothing for 150 seconds counts as gone.
    """

    def __init__(self, core: Core) -> None:
        if core.below is None:
            raise ValueError("a cache without L2 has nobody to tell")
        self._link = core.below.link
        self._level2 = core.below.level2
        self._errors = backend_errors()
        own = core.below.level2.names.own
        self._hot = own + "{hot}"
        self._rows = own + "{warm}"
        self._channel = core.below.level2.names.channel

    def read_hot(self) -> bytes | None:
        """Give the list of hot keys as it was written."""
        held: bytes | None = self._ask("send", "GET", self._hot)
        return held

    def swap_hot(self, held: bytes | None, data: bytes) -> bool:
        """Write the list unless it has changed since it was read as `held`."""
        arguments = (held or b"", data, _HOT_KEPT_MS)
        return bool(self._ask("script", (_SWAP, (self._hot,), arguments)))

    def tell(self, warm_ups: tuple[WarmUpRow, ...]) -> None:
        """Write what this process has to tell."""
        row = Row(host=platform.node(), pid=os.getpid(), warm_ups=warm_ups)
        arguments = (self._level2.boot, msgspec.json.encode(row), int(_ALIVE * 1e6), _ROWS_KEPT_MS)
        self._ask("script", (_TELL, (self._rows,), arguments))

    def leave(self) -> None:
        """Take back what this process has told."""
        self._ask("send", "HDEL", self._rows, self._level2.boot)

    def processes(self) -> tuple[Row, ...]:
        """Give what the processes that are there have told."""
        told = self._ask("send", "HGETALL", self._rows)
        since = int(self._micros()) / 1e6 - _ALIVE
        rows = [row for value in told.values() if (row := _read(value, since)) is not None]
        return tuple(sorted(rows, key=lambda row: (row.host, row.pid)))

    def ask_to_warm(self, name: str, request: str | None = None) -> str:
        """Ask every process to run a warm-up, or all where `name` is empty; gives the request.

        Given a `request` it is asked again, for those that did not hear it.
        """
        request = request or self._micros()
        self._ask("send", "PUBLISH", self._channel, f"W{self._level2.boot}{request}{name}")
        return request

    def _micros(self) -> str:
        seconds, micros = self._ask("send", "TIME")
        return f"{int(seconds)}{int(micros):06d}"

    def _ask(self, verb: str, *arguments: Any) -> Any:
        try:
            return getattr(self._link, verb)(*arguments)
        except self._errors as exc:
            raise L2Down from exc


def _read(value: bytes, since: float) -> Row | None:
    try:
        if int(value[:_STAMP]) / 1e6 < since:
            return None
        return msgspec.json.decode(value[_STAMP:], type=Row)
    except (ValueError, msgspec.MsgspecError):  # somebody else's
        return None
