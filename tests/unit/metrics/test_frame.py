"""Frames: what is written is read back, and nothing else is."""

from __future__ import annotations

import math
import random
import struct
from array import array
from hashlib import blake2b
from typing import Any
from zlib import crc32

import msgspec
import pytest

from hhs_perf.metrics import Distribution, Holding, Threshold, load_engine
from hhs_perf.metrics.distribution import TAIL
from hhs_perf.metrics.frame import decode, encode
from hhs_perf.metrics.merging import merge
from hhs_perf.metrics.slots import OpenSlot

ENGINE = load_engine()
LEVELS: tuple[Threshold, ...] = (("<", 0.05), ("<=", 0.2), ("<", 3.0))


def seen(n: int, *thresholds: Threshold, seed: int = 1) -> Distribution:
    """Give what a slot sees of `n` durations around 50 ms."""
    rng = random.Random(seed)
    slot = OpenSlot(ENGINE, thresholds)
    slot.take([rng.lognormvariate(math.log(0.05), 0.8) for _ in range(n)])
    return slot.seen()


def framed(body: list[Any]) -> bytes:
    """Frame and seal a body, as a sender of bad intent can."""
    raw = msgspec.msgpack.encode(body)
    sealed = blake2b(raw, digest_size=8).digest() + raw
    return struct.pack(">2sBI", b"hp", 1, crc32(sealed)) + sealed


def body_of(distribution: Distribution) -> list[Any]:
    """Give the fields of a frame, to be changed."""
    body: list[Any] = msgspec.msgpack.decode(encode(3, 30, distribution)[15:])
    return body


@pytest.mark.parametrize("n", [0, 1, 128, 129, 256, 257, 3000])
@pytest.mark.parametrize("ours", [True, False])
def test_frames_round_trip(n: int, ours: bool) -> None:
    before = seen(n, *LEVELS)
    frame = decode(encode(56_666_880, 30, before), ENGINE, ours=ours)
    assert frame is not None
    assert (frame.slot, frame.seconds) == (56_666_880, 30)
    after = frame.seen
    assert (after.count, after.sum, after.min, after.max, after.rejected) == (
        (before.count, before.sum, before.min, before.max, before.rejected)
    )
    assert after.thresholds == before.thresholds
    assert after.values == before.values
    assert after.tail == before.tail
    for q in (0.5, 0.9, 0.95, 0.99, 0.999):
        assert after.quantile(q) == (None if not n else pytest.approx(before.quantile(q), rel=1e-3))


def test_counters_alone_round_trip() -> None:
    before = seen(1000, *LEVELS).counters_alone()
    frame = decode(encode(1, 3600, before), ENGINE)
    assert frame is not None
    assert frame.seen.thresholds == before.thresholds
    assert frame.seen.quantile(0.5) is None


def test_a_merged_frame_with_thresholds_known_in_part_is_accepted() -> None:
    merged = merge([seen(900), seen(900, *LEVELS, seed=2), seen(20, seed=3)], ENGINE)
    frame = decode(encode(1, 300, merged), ENGINE)
    assert frame is not None
    assert frame.seen.holding(("<", 3.0)) == Holding(920, 920)


def test_rejected_values_alone_round_trip() -> None:
    frame = decode(encode(1, 30, Distribution(rejected=5)), ENGINE)
    assert frame is not None
    assert (frame.seen.count, frame.seen.rejected) == (0, 5)


def test_a_full_slot_is_small() -> None:
    """200 centroids of 8 bytes, a tail of 129 doubles, and counters."""
    assert len(encode(1, 30, seen(20_000, *LEVELS))) < 2_900


@pytest.mark.parametrize("at", range(15))
def test_each_byte_of_the_head_is_checked(at: int) -> None:
    payload = bytearray(encode(1, 30, seen(500)))
    payload[at] ^= 1
    assert decode(bytes(payload), ENGINE) is None


def test_every_truncation_is_refused() -> None:
    payload = encode(1, 30, seen(40, *LEVELS))
    assert all(decode(payload[:n], ENGINE) is None for n in range(len(payload)))
    assert decode(payload + b"\0", ENGINE) is None


NAN, INF = math.nan, math.inf


def packed(*values: float) -> bytes:
    """Pack doubles as a frame does."""
    return array("d", values).tobytes()


# slot seconds count rejected sum min max thresholds values tail means weights
@pytest.mark.parametrize(
    "body",
    [
        [1, 0, 1, 0, 1.0, 1.0, 1.0, [], packed(1.0), None, None, None],
        [1, 30, -1, 0, 1.0, 1.0, 1.0, [], packed(1.0), None, None, None],
        [1, 30, 2**60, 0, 2.0**60, 1.0, 1.0, [], None, None, None, None],
        [1, 30, 1, -1, 1.0, 1.0, 1.0, [], packed(1.0), None, None, None],
        [1, 30, 1, 0, NAN, 1.0, 1.0, [], packed(1.0), None, None, None],
        [1, 30, 1, 0, INF, 1.0, INF, [], packed(INF), None, None, None],
        [1, 30, 1, 0, -1.0, -1.0, -1.0, [], packed(-1.0), None, None, None],
        [1, 30, 2, 0, 3.0, 2.0, 1.0, [], packed(1.0, 2.0), None, None, None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [], packed(2.0, 1.0), None, None, None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [], packed(1.0, 2.0, 2.0), None, None, None],
        [1, 30, 3, 0, 6.0, 1.0, 2.0, [], packed(1.0, NAN, 2.0), None, None, None],
        [1, 30, 2, 0, 9.0, 1.0, 2.0, [], packed(1.0, 2.0), None, None, None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [["<", 1.5, 2, 2]], packed(1.0, 2.0), None, None, None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [["<", 1.5, 1, 3]], packed(1.0, 2.0), None, None, None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [["<", NAN, 1, 2]], packed(1.0, 2.0), None, None, None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [[">", 1.5, 1, 2]], packed(1.0, 2.0), None, None, None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [], b"\0" * 15, None, None, None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [], None, packed(2.0, 1.0), None, None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [], None, b"\0" * 15, None, None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [], packed(1.0, 2.0), packed(1.0, 2.0), None, None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [], None, None, b"\0\0\0\0", None],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [], None, None, b"\0", b"\0"],
        [1, 30, 2, 0, 3.0, 1.0, 2.0, [], None, None, b"", b""],
        # Two levels at which more observations hold at the smaller one.
        [1, 30, 9, 0, 9.0, 0.5, 2.0, [["<", 1.0, 7, 9], ["<", 1.5, 5, 9]], None, None, None, None],
        # Nothing observed, and yet parts that are not doubles.
        [1, 30, 0, 0, 0.0, None, None, [], None, b"abc", None, None],
        [1, 30, 0, 0, 0.0, None, None, [], None, None, b"abc", b"abc"],
        [1, 30, 0, 0, 0.0, None, None, [], packed(1.0), None, None, None],
        [1, 30, 0, 0, 1.0, None, None, [], None, None, None, None],
        [1, 30, 0, 0, 0.0, 1.0, 1.0, [], None, None, None, None],
        # Not the fields of a frame.
        [],
        [1, 30, 0, 0, 0.0, None, None, [], None, None, None],
        [1, 30, 0, 0, 0.0, None, None, [], None, None, None, None, "more"],
        ["1", 30, 0, 0, 0.0, None, None, [], None, None, None, None],
    ],
)
def test_fields_that_cannot_be_true_together_are_refused(body: list[Any]) -> None:
    assert decode(framed(body), ENGINE) is None


def test_the_helper_frames_what_is_accepted() -> None:
    """The table above is refused for its fields, not for its framing."""
    body = [1, 30, 2, 0, 3.0, 1.0, 2.0, [["<", 1.5, 1, 2]], packed(1.0, 2.0), None, None, None]
    frame = decode(framed(body), ENGINE)
    assert frame is not None
    assert list(frame.seen.values or ()) == [1.0, 2.0]


def test_a_threshold_that_contradicts_the_tail_is_refused() -> None:
    body = body_of(seen(1000, ("<", 0.3)))
    [[_, level, holding, of]] = body[7]
    tail = array("d")
    tail.frombytes(body[9])
    assert tail[0] < level < tail[-1]
    body[7] = [["<", level, holding - 1, of]]
    assert decode(framed(body), ENGINE) is None
    body[7] = [["<", tail[0], 1000 - TAIL + 1, of]]
    assert decode(framed(body), ENGINE) is None
    body[7] = [["<", tail[0], 1000 - TAIL, of]]
    assert decode(framed(body), ENGINE) is not None


@pytest.mark.parametrize("field", [10, 11])
def test_a_changed_centroid_is_refused(field: int) -> None:
    body = body_of(seen(1000))
    part = bytearray(body[field])
    part[: len(part) // 2] = part[len(part) // 2 :]
    body[field] = bytes(part)
    assert decode(framed(body), ENGINE) is None


def test_a_body_nested_without_end_is_refused() -> None:
    body = msgspec.msgpack.encode([1, 30, 0, 0, 0.0, None, None, [], None, None, None, None])
    raw = b"\x9d" + body[1:] + b"\x91" * 200_000
    sealed = blake2b(raw, digest_size=8).digest() + raw
    payload = struct.pack(">2sBI", b"hp", 1, crc32(sealed)) + sealed
    assert decode(payload, ENGINE) is None
