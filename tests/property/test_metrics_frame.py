"""Whatever happens to a payload, `decode` answers with nothing or with sound figures."""

from __future__ import annotations

import math
import struct
from hashlib import blake2b
from itertools import pairwise
from typing import Any
from zlib import crc32

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf.metrics import Distribution, load_engine
from hhs_perf.metrics.frame import decode, encode
from hhs_perf.metrics.slots import OpenSlot

ENGINE = load_engine()


def payload(n: int, *, few: bool = False) -> bytes:
    """Frame `n` values spread over a second."""
    slot = OpenSlot(ENGINE, (("<", 0.5), ("<=", 0.9)))
    slot.take([(value * 0.618) % 1 for value in range(n)])
    seen = slot.seen()
    return encode(1_000, 30, seen.counters_alone() if few else seen)


PAYLOADS = [payload(0), payload(1), payload(40), payload(2_000), payload(500, few=True)]

fields = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0**53]),
    st.binary(max_size=64),
    st.text(max_size=8),
    st.lists(st.lists(st.one_of(st.just("<"), st.floats(), st.integers(0, 50)), max_size=4)),
)


def framed(body: bytes) -> bytes:
    """Frame and seal any bytes, as a sender of bad intent can."""
    sealed = blake2b(body, digest_size=8).digest() + body
    return struct.pack(">2sBI", b"hp", 1, crc32(sealed)) + sealed


def check(seen: Distribution) -> None:
    """Demand that the figures agree with each other."""
    assert seen.count >= 0
    assert seen.rejected >= 0
    quantiles = [seen.quantile(n / 50) for n in range(51)]
    for holding in seen.thresholds.values():
        assert 0 <= holding.holding <= holding.of <= seen.count
    if not seen.count:
        assert set(quantiles) == {None}
        assert seen.min is seen.max is seen.mean is None
        return
    assert seen.min is not None
    assert seen.max is not None
    assert seen.mean is not None
    assert 0 <= seen.min <= seen.max < math.inf
    assert seen.min * 0.999 <= seen.mean <= seen.max * 1.001
    known = [quantile for quantile in quantiles if quantile is not None]
    assert all(seen.min <= quantile <= seen.max for quantile in known)
    assert all(a <= b for a, b in pairwise(known))


@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    assert decode(data, ENGINE) is None


@given(body=st.binary(max_size=200))
def test_any_sealed_bytes_raise_nothing(body: bytes) -> None:
    frame = decode(framed(body), ENGINE)
    if frame is not None:
        check(frame.seen)


@given(original=st.sampled_from(PAYLOADS), data=st.data())
def test_a_changed_payload_is_refused(original: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(original) - 1))
    cut = data.draw(st.integers(0, 8))
    changed = original[:at] + data.draw(st.binary(max_size=8)) + original[at + cut :]
    frame = decode(changed, ENGINE)
    assert (frame is None) == (changed != original)


@given(original=st.sampled_from(PAYLOADS), field=st.integers(0, 11), value=fields)
def test_a_field_changed_before_sealing_is_refused_or_sound(
    original: bytes, field: int, value: Any
) -> None:
    body: list[Any] = msgspec.msgpack.decode(original[15:])
    body[field] = value
    frame = decode(framed(msgspec.msgpack.encode(body)), ENGINE)
    if frame is not None:
        check(frame.seen)
