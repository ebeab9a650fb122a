"""A campaign of damaged payloads: 20,000 of each kind in every run, 200,000 in `nox -s soak`.

Three kinds of damage: on the way (the CRC tells), before the CRC was computed (the seal tells),
and before the seal was made (only what the fields say can tell).
"""

from __future__ import annotations

import math
import random
import struct
from array import array
from collections import Counter
from hashlib import blake2b
from itertools import pairwise
from typing import Any
from zlib import crc32

import msgspec
import pytest

from hhs_perf.metrics import Distribution, load_engine
from hhs_perf.metrics.frame import decode, encode
from hhs_perf.metrics.merging import merge
from hhs_perf.metrics.slots import OpenSlot

ENGINE = load_engine()
HEAD, SEAL = 7, 8
RUNS = [
    pytest.param(20_000, id="20000"),
    pytest.param(200_000, id="200000", marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
]


def honest() -> Distribution:
    """Make a slot that the damaged ones are merged with."""
    slot = OpenSlot(ENGINE, (("<", 0.1), ("<=", 0.5)))
    slot.take([n / 1_000 for n in range(1_000)])
    return slot.seen()


def payloads(rng: random.Random) -> list[bytes]:
    """Make payloads of every shape: empty, few values, digests, folded, counters alone."""
    slots = []
    for n in (0, 1, 30, 200, 300, 4_000):
        slot = OpenSlot(ENGINE, (("<", 0.1), ("<=", 0.5)))
        slot.take([rng.lognormvariate(math.log(0.05), 0.8) for _ in range(n)])
        slots.append(slot.seen())
    shapes = [*slots, merge(slots, ENGINE, centroids=100), slots[-1].counters_alone()]
    return [encode(rng.randrange(10**8), 30, shape) for shape in shapes]


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """Damage some bytes as disks, networks and half-written files do."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.choice((0, 0x7F, 0x80, 0xC0, 0xFF, rng.randrange(256)))
            case 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 3:
                del data[at : at + rng.randrange(1, 9)]
            case 4:
                del data[at:]
            case 5:
                data[at : at + 8] = struct.pack(
                    "<d", rng.choice((math.nan, math.inf, -math.inf, -1.0, 0.0, 1e308, 5e-324))
                )
            case _:
                other = rng.randrange(len(data) + 1)
                data[at : at + 16] = data[other : other + 16]
        if not data:
            break
    return bytes(data)


def with_crc(sealed: bytes) -> bytes:
    """Frame bytes so that their CRC is right."""
    return struct.pack(">2sBI", b"hp", 1, crc32(sealed)) + sealed


def with_seal(body: bytes) -> bytes:
    """Frame bytes so that their seal and their CRC are right."""
    return with_crc(blake2b(body, digest_size=SEAL).digest() + body)


def tampered(raw: bytes, rng: random.Random) -> bytes:
    """Change one field, well-formed, as a faulty or hostile sender would."""
    body: list[Any] = msgspec.msgpack.decode(raw)
    field = rng.randrange(len(body))
    was = body[field]
    if isinstance(was, bytes) and was:
        kind = "d" if field in (8, 9) else "f"
        if field == 11:
            kind = {1: "B", 2: "H", 4: "I"}[4 * len(was) // len(body[10])]
        numbers: array[Any] = array(kind)
        numbers.frombytes(was)
        at = rng.randrange(len(numbers))
        if field == 11:
            most = 2 ** (8 * numbers.itemsize) - 1
            numbers[at] = rng.choice((0, 1, min(numbers[at] + 1, most), most))
        else:
            numbers[at] = rng.choice(
                (math.nan, math.inf, -1.0, 0.0, 1e30, numbers[at] * 1.0000001, numbers[at - 1])
            )
        body[field] = numbers.tobytes()
    elif isinstance(was, int | float):
        body[field] = rng.choice(
            (0, 1, -1, was + 1, was * 1.0000001, math.nan, math.inf, 2**53, 2**63)
        )
    elif isinstance(was, list) and was:
        threshold = rng.choice(was)
        threshold[rng.randrange(1, 4)] = rng.choice((0, 1, 0.05, 0.3, math.nan, 300, 4_000))
    else:
        body[field] = rng.choice((None, b"", b"\0" * 8, 0.0, 1.0, []))
    return msgspec.msgpack.encode(body)


@pytest.mark.parametrize("runs", RUNS)
def test_damaged_payloads_raise_nothing_and_change_no_figure(runs: int) -> None:
    """Half are damaged on the way, half before the CRC is computed; none is taken."""
    rng = random.Random(20_000)
    originals = payloads(rng)
    for run in range(runs):
        original = rng.choice(originals)
        on_the_way = run % 2
        damaged = mutated(original if on_the_way else original[HEAD:], rng)
        if not on_the_way:
            damaged = with_crc(damaged)
        if damaged == original:
            continue
        assert decode(damaged, ENGINE) is None, (run, damaged.hex())


def figures(seen: Distribution) -> list[float]:
    """Give all figures that a screen would show; fail where they contradict each other."""
    for holding in seen.thresholds.values():
        assert 0 <= holding.holding <= holding.of <= seen.count
    shown = [seen.quantile(q) for q in (0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1)]
    known = [quantile for quantile in shown if quantile is not None]
    if not seen.count:
        assert not known
        return []
    assert seen.min is not None
    assert seen.max is not None
    assert seen.mean is not None
    assert seen.min * 0.999 <= seen.mean <= seen.max * 1.001
    assert all(seen.min <= quantile <= seen.max for quantile in known)
    assert all(a <= b for a, b in pairwise(known))
    all_figures = [seen.min, *known, seen.max, seen.sum, seen.mean]
    assert all(math.isfinite(figure) for figure in all_figures)
    return all_figures


@pytest.mark.parametrize("runs", RUNS)
def test_payloads_damaged_before_sealing_raise_nothing_and_agree_with_themselves(
    runs: int,
) -> None:
    """A wrong but consistent body can be taken; it poisons nothing that it is merged with."""
    rng = random.Random(30_000)
    originals = payloads(rng)
    whole = honest()
    outcomes: Counter[str] = Counter()
    for run in range(runs):
        body = rng.choice(originals)[HEAD + SEAL :]
        damaged = with_seal((tampered if run % 2 else mutated)(body, rng))
        frame = decode(damaged, ENGINE)
        outcomes["refused" if frame is None else "taken"] += 1
        if frame is not None:
            figures(frame.seen)
            merged = merge([whole, frame.seen], ENGINE)
            assert merged.count == whole.count + frame.seen.count
            figures(merged)
            again = decode(encode(frame.slot, frame.seconds, frame.seen), ENGINE)
            assert again is not None
            assert again.seen.count == frame.seen.count
    assert outcomes["refused"] > runs / 2
    assert outcomes["taken"]  # else the second half of the check has checked nothing
