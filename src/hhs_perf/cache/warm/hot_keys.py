"""The keys that were hit most, kept from one run to the next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

from ...exceptions import CacheCodecError
from ..wire.codec import Frame
from .calls import Call

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..wire.codec import Codec

__all__ = ["EMPTY", "MOST_KEPT", "HotKey", "HotList", "dumped", "merged", "read"]

MOST_KEPT: Final = 100
"""How many keys a list holds."""
_LONGEST_KEY: Final = 512
_HALF_LIFE: Final = 3_600.0
# No key of a host's begins like this; the signature binds a list to it.
_KEY: Final = "\0hot"


class HotKey(msgspec.Struct, frozen=True, array_like=True):
    """A key, how much it was hit, and the call that it stands for, where that is known."""

    key: str
    hits: float
    function: str | None = None
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = {}

    @property
    def call(self) -> Call | None:
        """The call that loads the value."""
        if self.function is None:
            return None
        return Call(name=self.function, args=self.args, kwargs=self.kwargs)

    @classmethod
    def of(cls, key: str, hits: float, call: Call | None) -> HotKey:
        """Tell of a key with the call that it stands for."""
        if call is None:
            return cls(key, hits)
        return cls(key, hits, call.name, call.args, call.kwargs)


class HotList(msgspec.Struct, frozen=True):
    """At most 100 keys, hit most first, as of `at`, seconds since 1970."""

    at: float
    keys: tuple[HotKey, ...] = ()


EMPTY: Final = HotList(0.0)


def merged(
    held: HotList, hits: Mapping[str, int], calls: Mapping[str, Call], now: float
) -> HotList:
    """Add what was hit since to a list; what was hit before counts half after each hour."""
    faded = 0.5 ** (max(0.0, now - held.at) / _HALF_LIFE)
    known = {each.key: each for each in held.keys}
    scores = {key: each.hits * faded for key, each in known.items()}
    for key, made in hits.items():
        if made > 0 and len(key) <= _LONGEST_KEY:
            scores[key] = scores.get(key, 0.0) + made
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:MOST_KEPT]
    return HotList(now, tuple(_told(key, score, calls, known) for key, score in best))


def _told(key: str, score: float, calls: Mapping[str, Call], known: Mapping[str, HotKey]) -> HotKey:
    call = calls.get(key) or (known[key].call if key in known else None)
    return HotKey.of(key, score, call)


def dumped(codec: Codec, namespace: str, held: HotList) -> bytes:
    """Write a list as the cache writes its values: with a version, signed where there are keys."""
    frame = Frame(value=held, created=held.at, expires=math.inf, keep_until=math.inf)
    return codec.encode(namespace, _KEY, frame, HotList)


def read(codec: Codec, namespace: str, data: bytes) -> HotList:
    """Read a list; raises CacheCodecError for all that is none."""
    held = codec.decode(namespace, _KEY, data, HotList).value
    if not isinstance(held, HotList) or not math.isfinite(held.at):
        raise CacheCodecError("value", "not a list of hot keys")
    return HotList(held.at, tuple(_usable(held.keys)))


def _usable(keys: Iterable[HotKey]) -> list[HotKey]:
    sound = [
        each
        for each in keys
        if math.isfinite(each.hits) and each.hits > 0 and len(each.key) <= _LONGEST_KEY
    ]
    return sound[:MOST_KEPT]
