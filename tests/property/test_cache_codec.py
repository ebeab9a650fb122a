"""Whatever is written comes back the same, or is not written; whatever is read raises one error."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from hhs_perf.cache.wire.codec import Codec, Frame, MacKey
from hhs_perf.exceptions import CacheCodecError

KEYS = [MacKey(id="k1", secret=b"a secret of enough bytes")]
CODECS = [
    Codec(),
    Codec(compress_above=0),
    Codec(keys=KEYS),
    Codec(keys=KEYS, compress_above=8, pickle=True),
]
ANSWERS = {None, "foreign", "version", "truncated", "mac", "value", "type", "size"}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary()
)
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(-9, 9), inner),
    max_leaves=25,
)
texts = st.text(st.characters())  # with surrogates
anything = st.recursive(
    scalars
    | texts
    | st.integers()
    | st.decimals()
    | st.uuids()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC) | st.timezones())
    | st.dates()
    | st.timedeltas()
    | st.complex_numbers()
    | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(scalars | st.tuples(st.integers()), inner)
        | st.frozensets(st.integers() | st.text())
        | st.sets(st.integers())
    ),
    max_leaves=15,
)
stamps = st.floats(0, 4e9)
namespaces = st.text(st.characters(), max_size=8)


@dataclasses.dataclass
class Child:
    name: str
    at: dt.date | None
    amount: Decimal


@dataclasses.dataclass
class Parent:
    id: int
    children: tuple[Child, ...]
    rates: dict[str, float]
    more: Any


def reason_of(call: Callable[..., object], *args: object) -> str | None:
    """Give why a call failed, None when it did not; any other error passes through."""
    try:
        call(*args)
    except CacheCodecError as error:
        return error.reason
    return None


def same(one: object, other: object) -> bool:
    """Tell whether two values are equal, of the same types, and hold NaN in the same places."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            same(*pair) for pair in zip(one.items(), other.items(), strict=True)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, float):
        return repr(one) == repr(other)
    if isinstance(one, dt.datetime):
        return one == other and one.utcoffset() == other.utcoffset()
    return one == other


@given(plain, st.sampled_from(CODECS), namespaces, namespaces)
def test_plain_values_come_back(value: object, codec: Codec, namespace: str, key: str) -> None:
    data = codec.encode(namespace, key, Frame(value, 0.0, 1.0, 2.0))
    assert same(codec.decode(namespace, key, data).value, value)


@given(anything, st.sampled_from(CODECS[:3]))
@example({"a": [(1,)]}, CODECS[0])
@example({(1,): dt.datetime(2025, 1, 1, tzinfo=dt.UTC)}, CODECS[0])
def test_any_value_comes_back_the_same_or_is_not_written(value: object, codec: Codec) -> None:
    frame = Frame(value, 0.0, 1.0, 2.0)
    reason = reason_of(codec.encode, "n", "k", frame)
    if reason is not None:
        assert reason == "value"
        return
    back = codec.decode("n", "k", codec.encode("n", "k", frame)).value
    # What marshal cannot tell from bytes is the one thing that comes back as another type.
    assert same(back, value) or "bytearray" in repr(value)


@given(
    st.builds(
        Parent,
        id=st.integers(-9, 9),
        children=st.lists(
            st.builds(
                Child,
                name=st.text(),
                at=st.none() | st.dates(),
                amount=st.decimals(allow_nan=False, allow_infinity=False),
            ),
            max_size=4,
        ).map(tuple),
        rates=st.dictionaries(st.text(), st.floats()),
        more=plain,
    ),
    st.sampled_from(CODECS),
)
def test_typed_values_come_back(value: Parent, codec: Codec) -> None:
    data = codec.encode("n", "k", Frame(value, 0.0, 1.0, 2.0), Parent)
    back = codec.decode("n", "k", data, Parent).value
    assert isinstance(back, Parent)
    assert (back.id, back.children) == (value.id, value.children)
    assert same(back.more, value.more)
    assert repr(back.rates) == repr(value.rates)


@given(
    st.lists(stamps, min_size=3, max_size=3).map(sorted),
    st.none() | st.floats(0, 1e9),
    st.lists(st.text(), max_size=5).map(tuple),
    st.none() | st.text(),
    st.floats(0, 1e6),
    st.sampled_from(CODECS),
)
def test_all_facts_of_a_frame_come_back(
    times: list[float],
    l1_ttl: float | None,
    tags: tuple[str, ...],
    note: str | None,
    load_seconds: float,
    codec: Codec,
) -> None:
    frame = Frame([1], times[0], times[1], times[2], l1_ttl, tags, note, load_seconds)
    data = codec.encode("n", "k", frame)
    assert codec.decode("n", "k", data) == frame
    seen = codec.peek("n", "k", data)
    assert (seen.created, seen.expires, seen.keep_until, seen.tags) == (*times, tags)


@given(namespaces, namespaces, namespaces, namespaces)
@example("ab", "c", "a", "bc")
@example("1:", "", "", "1:")
@example("a", "1:b", "a1:", "b")
def test_a_signature_holds_for_one_place_only(
    namespace: str, key: str, other_namespace: str, other_key: str
) -> None:
    codec = CODECS[2]
    data = codec.encode(namespace, key, Frame(1, 0.0, 1.0, 2.0))
    reason = reason_of(codec.decode, other_namespace, other_key, data)
    assert reason == (None if (namespace, key) == (other_namespace, other_key) else "mac")


@given(st.binary(max_size=300), st.sampled_from(CODECS), st.sampled_from([None, Parent, list[int]]))
def test_any_bytes_are_a_value_or_one_kind_of_error(
    data: bytes, codec: Codec, type_: object
) -> None:
    for whole in (data, b"\xc1hp\x01" + data):
        assert reason_of(codec.decode, "n", "k", whole, type_) in ANSWERS
        assert reason_of(codec.peek, "n", "k", whole) in ANSWERS


@given(st.binary(max_size=200), st.sampled_from([0, 1, 8, 16]), st.floats())
def test_any_payload_in_a_sound_frame_is_a_value_or_one_kind_of_error(
    payload: bytes, flags: int, created: float
) -> None:
    sound = CODECS[0].encode("n", "k", Frame(None, 0.0, math.inf, math.inf))
    head = bytearray(sound[:53])
    head[4] = flags
    head[49:53] = len(payload).to_bytes(4, "little")
    for type_ in (None, Parent):
        assert reason_of(CODECS[0].decode, "n", "k", bytes(head) + payload, type_) in ANSWERS
