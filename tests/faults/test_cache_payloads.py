"""A campaign of hostile bytes against the cache's codec: 20,000 of each kind in every run.

Whatever Redis answers, decoding gives a frame or a CacheCodecError with a known reason: no other
exception, no execution, no memory beyond what the bytes say; and with keys no value at all that
was not signed for this very place.
"""

from __future__ import annotations

import dataclasses
import math
import pickle
import random
import struct
import time
import tracemalloc
import zlib
from collections import Counter
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hhs_perf.cache.wire.codec import Codec, Frame, MacKey
from hhs_perf.exceptions import CacheCodecError

HEAD = struct.Struct("<4sBdddddII")
PREFIX = b"\xc1hp\x01"
COMPRESSED, PICKLED, SIGNED, ERROR, TYPED = 1, 2, 4, 8, 16
REASONS = {"foreign", "version", "truncated", "mac", "value", "type", "size"}
OURS = MacKey(id="k1", secret=b"the secret of this application")
OLDER = MacKey(id="k0", secret=b"the secret that it had before")
THEIRS = MacKey(id="k1", secret=b"what an attacker would guess")
RUNS = [
    pytest.param(20_000, id="20000"),
    pytest.param(200_000, id="200000", marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
]


@dataclasses.dataclass
class Account:
    id: int
    name: str
    tags: tuple[str, ...]
    rates: dict[str, float]


ACCOUNT = Account(7, "hhs", ("a", "b"), {"engagement": 0.25})
VALUES: list[tuple[object, object]] = [
    (None, None),
    ({"id": 7, "name": "hhs", "rows": [[1, 2.5, None, True], b"\x00\xff"]}, None),
    ([{"id": n, "name": "department"} for n in range(40)], None),
    (ACCOUNT, Account),
    ([ACCOUNT] * 5, list[Account]),
]
UNSIGNED = [Codec(), Codec(compress_above=64)]
SIGNING = [
    Codec(keys=[OURS, OLDER]),
    Codec(keys=[OURS], compress_above=64),
    Codec(keys=[OURS], pickle=True),
]


class Touch:
    """A pickle of this creates a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def frames(codec: Codec) -> list[tuple[bytes, object]]:
    """Make frames of every shape, each with the type to read it with."""
    made = []
    for value, type_ in VALUES:
        for facts in ({}, {"l1_ttl": 5.0, "tags": ("accounts", "org:7"), "note": 'W/"1"'}):
            frame = Frame(value, 1000.0, 1060.0, 1300.0, **facts)
            made.append((codec.encode("shop", "account:7", frame, type_), type_))
    failed = Frame(("shop.NotFound", "no account"), 0.0, 1.0, 1.0, is_error=True)
    made.append((codec.encode("shop", "account:7", failed), None))
    return made


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """Damage some bytes as disks, networks, half-written files and people do."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(8):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.choice((0, 0x7F, 0x80, 0xC0, 0xC1, 0xDD, 0xFF, rng.randrange(256)))
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
            case 6 if len(data) > 5:
                data[4] = rng.randrange(256)
            case _:
                other = rng.randrange(len(data) + 1)
                data[at : at + 16] = data[other : other + 16]
        if not data:
            break
    return bytes(data)


def judged(
    codec: Codec, data: bytes, type_: object, seen: Counter[str], place: tuple[str, str]
) -> Frame | None:
    """Decode and peek; collect the reason, or give the frame that was read."""
    found = None
    for read in (partial(codec.peek, *place, data), partial(codec.decode, *place, data, type_)):
        found = reason = None
        try:
            found = read()
        except CacheCodecError as error:
            reason = error.reason
            seen[reason] += 1
        assert reason is None or reason in REASONS
    return found


PLACE = ("shop", "account:7")


@pytest.mark.parametrize("count", RUNS)
def test_mutated_frames_are_values_or_codec_errors(count: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    shapes = [pair for codec in UNSIGNED for pair in frames(codec)]
    seen: Counter[str] = Counter()
    for _ in range(count):
        data, type_ = rng.choice(shapes)
        frame = judged(UNSIGNED[0], mutated(data, rng), type_, seen, PLACE)
        if frame is not None:
            assert frame.created <= frame.keep_until >= frame.expires
            assert frame.l1_ttl is None or frame.l1_ttl >= 0
            assert all(isinstance(tag, str) for tag in frame.tags)
            assert type_ is not Account or isinstance(frame.value, Account) or frame.is_error
    assert seen.keys() >= REASONS - {"mac"}


@pytest.mark.parametrize("count", RUNS)
def test_no_mutated_frame_passes_a_signature(count: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    shapes = [(codec, *pair) for codec in SIGNING for pair in frames(codec)]
    seen: Counter[str] = Counter()
    for _ in range(count):
        codec, data, type_ = rng.choice(shapes)
        changed = mutated(data, rng)
        frame = judged(codec, changed, type_, seen, PLACE)
        assert frame is None or changed == data
    assert seen["mac"] > count / 10
    assert seen.keys() <= {"foreign", "version", "truncated", "mac", "size"}


def test_no_beginning_of_a_frame_is_one() -> None:
    for codec in (*UNSIGNED, *SIGNING):
        for data, type_ in frames(codec):
            for length in range(len(data)):
                with pytest.raises(CacheCodecError) as caught:
                    codec.decode(*PLACE, data[:length], type_)
                assert caught.value.reason == "truncated"
                # Without keys nobody looks at the signature, and still all of it must be there.
                with pytest.raises(CacheCodecError):
                    UNSIGNED[0].decode(*PLACE, data[:length], type_)


@pytest.mark.parametrize("count", RUNS)
def test_spliced_frames_pass_no_signature(count: int) -> None:
    """Two valid frames, cut and joined anywhere, are refused unless the result is one of them."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    codec = SIGNING[0]
    shapes = frames(codec)
    whole = {data for data, _ in shapes}
    elsewhere = [
        codec.encode(namespace, key, Frame("x", 1000.0, 1060.0, 1300.0))
        for namespace, key in (("shop", "account:8"), ("shopaccount", ":7"), ("other", "account:7"))
    ]
    seen: Counter[str] = Counter()
    for _ in range(count):
        (one, type_), other = rng.choice(shapes), rng.choice([*whole, *elsewhere])
        cut, from_ = rng.randrange(len(one) + 1), rng.randrange(len(other) + 1)
        joined = one[:cut] + rng.choice((other[from_:], other[-16:], other[cut:], other[-19:]))
        if joined not in whole:
            assert judged(codec, joined, type_, seen, PLACE) is None
    for data in elsewhere:
        assert judged(codec, data, None, seen, PLACE) is None
    assert seen.keys() <= {"foreign", "version", "truncated", "mac", "size"}


def head(flags: int, size: int, extras: int = 0) -> bytes:
    return HEAD.pack(PREFIX, flags, 1000.0, 1060.0, 1300.0, math.inf, 0.0, extras, size)


def signed(frame: bytes, key: MacKey, place: bytes = b"4:shop9:account:7") -> bytes:
    """Sign as the wire format's description says."""
    frame += bytes((len(key.id),)) + key.id.encode()
    state = blake2b(key=key.secret, digest_size=16, person=b"hhs_perf.cache.1")
    state.update(place + frame)
    return frame + state.digest()


def test_the_description_of_the_signature_is_right() -> None:
    payload = msgspec.msgpack.encode([1])
    ours = signed(head(SIGNED, len(payload)) + payload, OURS)
    assert ours == SIGNING[0].encode(*PLACE, Frame([1], 1000.0, 1060.0, 1300.0))
    assert SIGNING[0].decode(*PLACE, ours).value == [1]


def test_a_forged_signature_is_none() -> None:
    payload = msgspec.msgpack.encode([1])
    frame = head(SIGNED, len(payload)) + payload
    plain = blake2b(b"4:shop9:account:7" + frame, digest_size=16).digest()
    other_purpose = blake2b(
        b"4:shop9:account:7" + frame + b"\x02k1", key=OURS.secret, digest_size=16
    ).digest()
    forged = [
        signed(frame, THEIRS),
        signed(frame, MacKey(id="k9", secret=OURS.secret)),
        signed(frame, OURS, b"5:shopa8:ccount:7"),
        frame + b"\x02k1" + plain,
        frame + b"\x02k1" + other_purpose,
        frame + b"\x02k1" + bytes(16),
        frame + b"\x00" + bytes(16),
        frame + b"\xff" + bytes(16),
        head(0, len(payload)) + payload,
        signed(frame, OURS)[:4] + bytes((0,)) + signed(frame, OURS)[5:],
    ]
    seen: Counter[str] = Counter()
    for data in forged:
        for codec in SIGNING:
            assert judged(codec, data, None, seen, PLACE) is None
    assert seen.keys() <= {"mac", "truncated", "foreign"}


def test_a_pickle_is_never_executed_unless_we_signed_it(tmp_path: Path) -> None:
    target = tmp_path / "executed"
    payload = pickle.dumps(Touch(target))
    packed = len(payload).to_bytes(4, "little") + zlib.compress(payload)
    hostile = [payload, pickle.dumps(Touch(target), protocol=0), b"cos\nsystem\n(S'true'\ntR."]
    for body in (payload, packed):
        for flags in range(256):
            frame = head(flags, len(body)) + body
            hostile += [frame, signed(frame, THEIRS), signed(frame, OURS, b"4:shop9:account:8")]
    unpickling = SIGNING[2]
    seen: Counter[str] = Counter()
    for data in hostile:
        for codec in (*UNSIGNED, *SIGNING):
            for type_ in (None, Account):
                judged(codec, data, type_, seen, PLACE)
    assert not target.exists()
    assert seen["mac"] > 1000

    # A process that was not told to read pickles does not even where the signature is ours.
    ours = signed(head(SIGNED | PICKLED, len(payload)) + payload, OURS)
    for codec in (*UNSIGNED, *SIGNING[:2]):
        assert judged(codec, ours, None, seen, PLACE) is None
    assert not target.exists()

    # The proof that the pickle is one: signed by us, and asked for, it does what it says.
    assert judged(unpickling, ours, None, seen, PLACE) is not None
    assert target.exists()


@pytest.mark.parametrize("count", RUNS)
def test_mutated_pickles_are_never_executed(count: int, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    target = tmp_path / "executed"
    payload = pickle.dumps(Touch(target))
    ours = signed(head(SIGNED | PICKLED, len(payload)) + payload, OURS)
    seen: Counter[str] = Counter()
    for _ in range(count):
        data = mutated(ours, rng)
        for codec in (SIGNING[2], UNSIGNED[0]):
            if data != ours:
                assert judged(codec, data, None, seen, PLACE) is None or data[4] & PICKLED == 0
    assert not target.exists()


def bomb(size: int, says: int) -> bytes:
    stream = zlib.compressobj(9)
    packed = b"".join(stream.compress(bytes(1 << 20)) for _ in range(size >> 20)) + stream.flush()
    body = says.to_bytes(4, "little") + packed
    return head(COMPRESSED, len(body)) + body


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bomb(64 << 20, says=1000), "size"),
        (bomb(1 << 20, says=257 << 20), "size"),
        (bomb(1 << 20, says=(1 << 32) - 1), "size"),
        (head(0, (1 << 32) - 1), "size"),
        (head(0, 1, extras=(1 << 32) - 1), "size"),
        (head(0, 5) + b"\xdd\xff\xff\xff\xff", "value"),
        (head(0, 5) + b"\xdf\xff\xff\xff\xff", "value"),
        (head(0, 5) + b"\xc6\xff\xff\xff\xff", "value"),
        (head(0, 5) + b"\xdb\xff\xff\xff\xff", "value"),
        (head(0, 6) + b"\xc9\xff\xff\xff\xff\x00", "value"),
        (head(0, 1_000_000) + b"\x91" * 1_000_000, "value"),
        (head(0, 1_000_000) + b"\x81\xa0" * 500_000, "value"),
        (head(0, 1, extras=100_000) + b"\x91" * 100_000 + b"\xc0", "value"),
        (head(0, 5_000_000) + b"\xdd\x00\x40\x00\x00" * 1_000_000, "value"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)}-bytes",
)
def test_bombs_take_neither_memory_nor_time(data: bytes, reason: str) -> None:
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(CacheCodecError) as caught:
            UNSIGNED[0].decode(*PLACE, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.reason == reason
    assert peak < 2 * len(data) + (1 << 20)
    assert time.perf_counter() - began < 5


def test_random_bytes_are_foreign() -> None:
    rng = random.Random(5)
    seen: Counter[str] = Counter()
    for _ in range(5_000):
        judged(UNSIGNED[0], rng.randbytes(rng.randrange(4, 200)), None, seen, PLACE)
    assert seen.keys() == {"foreign"}
