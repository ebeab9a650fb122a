"""A closed slot as bytes: what a ring keeps, workers exchange and history stores.

```text
offset  bytes
0       2      b"hp"
2       1      version, 1
3       4      CRC-32 of all that follows, big endian
7       8      BLAKE2b-64 of the body, taken when the slot closed
15             body: MessagePack of the fields of `_Body`, an array
```

The CRC tells damage on the way; the seal tells damage before the bytes were framed. Neither
proves who wrote them, so every field is checked after decoding too: whatever bytes come in,
`decode` gives a distribution whose figures agree with each other, or None.
"""

from __future__ import annotations

import math
from array import array
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import pairwise
from struct import Struct
from typing import TYPE_CHECKING, Final
from zlib import crc32

import msgspec

from .counted import NOTHING_COUNTED, Comparison, Counted, Threshold, count_holding
from .distribution import TAIL, Detail, Distribution
from .merging import TAIL_ON_READ

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .digest import DigestEngine

__all__ = ["Frame", "decode", "encode"]

_MAGIC: Final = b"hp"
_VERSION: Final = 1
_HEAD: Final = Struct(">2sBI")
_SEAL: Final = 8
_COUNT_LIMIT: Final = 2**53
# Weights and means are rounded to 32 bits, 6e-8 of their size.
_ROUNDING: Final = 1e-5
_WEIGHTS: Final = {1: "B", 2: "H", 4: "I"}
"""Weights are written in so few bytes as hold the heaviest."""


# Unknown fields are forbidden since skipping them nests as deep as a hostile sender likes.
class _Body(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    slot: int
    seconds: int
    count: int
    rejected: int
    sum: float
    min: float | None
    max: float | None
    thresholds: list[tuple[Comparison, float, int, int]]
    values: bytes | None
    tail: bytes | None
    means: bytes | None
    weights: bytes | None


class _OurBody(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The same with the thresholds left for later: most readers ask for quantiles alone."""

    slot: int
    seconds: int
    count: int
    rejected: int
    sum: float
    min: float | None
    max: float | None
    thresholds: msgspec.Raw
    values: bytes | None
    tail: bytes | None
    means: bytes | None
    weights: bytes | None


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A decoded payload: which slot of how many seconds, and what it saw."""

    slot: int
    seconds: int
    seen: Distribution


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Body)
_our_decoder = msgspec.msgpack.Decoder(_OurBody)
_thresholds_decoder = msgspec.msgpack.Decoder(list[tuple[Comparison, float, int, int]])


def encode(slot: int, seconds: int, seen: Distribution) -> bytes:
    """Frame what slot number `slot`, of `seconds` seconds, has seen."""
    means = weights = None
    if seen.digest is not None:
        exact_means, exact_weights = seen.digest.centroids()
        means = array("f", exact_means).tobytes()
        whole = list(map(round, exact_weights))
        heaviest = max(whole, default=0)
        code = next(code for size, code in _WEIGHTS.items() if heaviest < 256**size)
        weights = array(code, whole).tobytes()
    body = _encoder.encode(
        _Body(
            slot=slot,
            seconds=seconds,
            count=seen.count,
            rejected=seen.rejected,
            sum=seen.sum,
            min=seen.min,
            max=seen.max,
            thresholds=[
                (comparison, level, holding, of)
                for (comparison, level), holding, of in Counted.copy_of(seen.thresholds).rows()
            ],
            values=None if seen.values is None else seen.values.tobytes(),
            tail=None if seen.tail is None else seen.tail.tobytes(),
            means=means,
            weights=weights,
        )
    )
    sealed = blake2b(body, digest_size=_SEAL).digest() + body
    return _HEAD.pack(_MAGIC, _VERSION, crc32(sealed)) + sealed


def decode(payload: bytes, engine: DigestEngine, *, ours: bool = False) -> Frame | None:
    """Read a payload back; None for any bytes that no `encode` made.

    `ours` skips all checks: for payloads that never left this process.
    """
    body: _Body | _OurBody | None
    body = _our_decoder.decode(payload[_HEAD.size + _SEAL :]) if ours else _sound_body(payload)
    if body is None:
        return None
    seen = Distribution(
        count=body.count,
        sum=body.sum,
        min=body.min,
        max=body.max,
        rejected=body.rejected,
        thresholds=partial(_counted, body.thresholds),
        later=partial(_detail, body.values, body.tail, body.means, body.weights, engine),
    )
    return Frame(slot=body.slot, seconds=body.seconds, seen=seen)


def _detail(
    values: bytes | None,
    tail: bytes | None,
    raw_means: bytes | None,
    raw_weights: bytes | None,
    engine: DigestEngine,
) -> Detail:
    digest = None
    if raw_means and raw_weights:
        means, weights = _centroids(raw_means, raw_weights)
        digest = engine.build(array("d", means), array("d", weights))
    return Detail(_doubles(values), _doubles(tail), digest)


def _sound_body(payload: bytes) -> _Body | None:
    if len(payload) < _HEAD.size + _SEAL:
        return None
    magic, version, checksum = _HEAD.unpack_from(payload)
    sealed = payload[_HEAD.size :]
    if magic != _MAGIC or version != _VERSION or crc32(sealed) != checksum:
        return None
    packed = sealed[_SEAL:]
    if blake2b(packed, digest_size=_SEAL).digest() != sealed[:_SEAL]:
        return None
    try:
        body = _decoder.decode(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return body if _is_sound(body) else None


def _doubles(raw: bytes | None) -> array[float] | None:
    return None if raw is None else array("d", raw)


def _centroids(means: bytes, weights: bytes) -> tuple[array[float], array[int]]:
    return array("f", means), array(_WEIGHTS[4 * len(weights) // len(means)], weights)


def _counted(thresholds: list[tuple[Comparison, float, int, int]] | msgspec.Raw) -> Counted:
    if isinstance(thresholds, msgspec.Raw):
        thresholds = _thresholds_decoder.decode(thresholds)
    if not thresholds:
        return NOTHING_COUNTED
    comparisons, levels, holding, of = zip(*thresholds, strict=True)
    return Counted(_shared(tuple(zip(comparisons, levels, strict=True))), holding, of)


@lru_cache(maxsize=64)
def _shared(thresholds: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    """Give one object for equal thresholds: all slots of an instrument have the same."""
    return thresholds


def _ascends(values: Iterable[float]) -> bool:
    return all(a <= b for a, b in pairwise(values))


def _is_sound(body: _Body) -> bool:
    """Tell whether the fields of a foreign body can be true together."""
    if not (
        0 <= body.count < _COUNT_LIMIT
        and 0 <= body.rejected < _COUNT_LIMIT
        and math.isfinite(body.sum)
        and body.seconds > 0
        and _holdings_are_sound(body)
    ):
        return False
    if not body.count:
        parts = (body.sum, body.values, body.tail, body.means, body.weights)
        return body.min is None and body.max is None and not any(parts)
    low, high = body.min, body.max
    if low is None or high is None or not 0 <= low <= high or not math.isfinite(high):
        return False
    mean = body.sum / body.count
    if not low * (1 - _ROUNDING) <= mean <= high * (1 + _ROUNDING):
        return False
    if body.values is not None:
        return _values_are_sound(body, body.values, low, high)
    return _tail_is_sound(body, low, high) and _centroids_are_sound(body, low, high)


def _holdings_are_sound(body: _Body) -> bool:
    for comparison, level, holding, of in body.thresholds:
        if not (math.isfinite(level) and 0 <= holding <= of <= body.count):
            return False
        if body.min is None or body.max is None:
            continue
        all_hold = body.max < level or (comparison == "<=" and body.max == level)
        none_holds = body.min > level or (comparison == "<" and body.min == level)
        if (all_hold and holding != of) or (none_holds and holding):
            return False
    return _ascends(holding for _, _, holding in _known_holdings(body))


def _known_holdings(body: _Body) -> list[tuple[float, Comparison, int]]:
    """Give level, comparison and holding where all was counted; what holds can but grow."""
    return sorted(
        (level, comparison, holding)
        for comparison, level, holding, of in body.thresholds
        if of == body.count
    )


def _values_are_sound(body: _Body, raw: bytes, low: float, high: float) -> bool:
    if len(raw) != 8 * body.count or body.means is not None or body.tail is not None:
        return False
    values = array("d")
    values.frombytes(raw)
    return (
        values[0] == low
        and values[-1] == high
        and _ascends(values)
        and math.isclose(math.fsum(values), body.sum, rel_tol=1e-9, abs_tol=1e-12)
        and all(
            holding == count_holding(values, (comparison, level))
            for level, comparison, holding in _known_holdings(body)
        )
    )


def _tail_is_sound(body: _Body, low: float, high: float) -> bool:
    if body.tail is None:
        return True
    held, rest = divmod(len(body.tail), 8)
    if rest or not min(TAIL, body.count) <= held <= min(TAIL_ON_READ, body.count):
        return False
    tail = array("d")
    tail.frombytes(body.tail)
    if not (tail[-1] == high and tail[0] >= low and _ascends(tail)):
        return False
    below = body.count - len(tail)
    for level, comparison, holding in _known_holdings(body):
        in_tail = count_holding(tail, (comparison, level))
        if holding > below + in_tail or (in_tail and holding != below + in_tail):
            return False
    return True


def _centroids_are_sound(body: _Body, low: float, high: float) -> bool:
    if body.means is None or body.weights is None:
        return body.means is body.weights is None
    if not body.means or len(body.means) % 4:
        return False
    if 4 * len(body.weights) not in [size * len(body.means) for size in _WEIGHTS]:
        return False
    means, weights = _centroids(body.means, body.weights)
    total = math.fsum(map(float.__mul__, array("d", means), array("d", weights)))
    slack = _ROUNDING * high
    return (
        sum(weights) == body.count
        and min(weights) > 0
        and low - slack <= means[0]
        and means[-1] <= high + slack
        and _ascends(means)
        and math.isclose(total, body.sum, rel_tol=_ROUNDING, abs_tol=1e-12)
    )
