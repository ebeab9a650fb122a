from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
import subprocess
import sys
import uuid
import zlib
from collections import OrderedDict, namedtuple
from decimal import Decimal
from typing import Any, Literal, TypedDict

import attrs
import msgspec
import pytest

from hhs_perf.cache.wire import _framing
from hhs_perf.cache.wire._types import Types
from hhs_perf.cache.wire.codec import Codec, Frame, MacKey
from hhs_perf.exceptions import CacheCodecError, CacheError, ConfigurationError

OLD = MacKey(id="2024", secret=b"an old secret of some length")
NEW = MacKey(id="2025", secret=b"a new secret of the same length")


@dataclasses.dataclass
class Account:
    id: int
    tags: tuple[str, ...] = ()
    score: float = 0.0


@dataclasses.dataclass(eq=False)
class WithoutEquality:
    id: int
    parts: list[Account] = dataclasses.field(default_factory=list)


@attrs.frozen
class AttrsAccount:
    id: int
    seen: frozenset[str] = frozenset()


class StructAccount(msgspec.Struct):
    id: int
    at: dt.date


class Row(TypedDict):
    id: int
    children: list[Row]


class Level(enum.IntEnum):
    LOW = 1


class Refusing:
    def __init__(self) -> None:
        self.id = 1

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")

    __hash__ = None  # type: ignore[assignment]


def frame(value: object, **facts: Any) -> Frame:
    return Frame(value, **{"created": 1000.0, "expires": 1060.0, "keep_until": 1300.0, **facts})


def back(value: object, type_: object = None, codec: Codec | None = None) -> object:
    codec = codec or Codec()
    return codec.decode("shop", "k", codec.encode("shop", "k", frame(value), type_), type_).value


def reason_of(codec: Codec, data: object, key: str = "k", type_: object = None) -> str:
    with pytest.raises(CacheCodecError) as caught:
        codec.decode("shop", key, data, type_)  # type: ignore[arg-type]
    return caught.value.reason


# --- what comes back ---


def test_a_frame_comes_back_with_all_its_facts() -> None:
    whole = frame(
        {"id": 1, "rows": [1.5, None, True, "ä", b"\x00"]},
        l1_ttl=30.0,
        tags=("accounts", "org:7"),
        note='W/"abc"',
        load_seconds=0.25,
    )
    for codec in (Codec(), Codec(keys=[NEW]), Codec(compress_above=0)):
        assert codec.decode("shop", "k", codec.encode("shop", "k", whole)) == whole


def test_frames_may_have_no_limits() -> None:
    endless = frame(None, expires=math.inf, keep_until=math.inf, l1_ttl=None)
    assert Codec().decode("n", "k", Codec().encode("n", "k", endless)) == endless


def test_a_cached_exception_comes_back_as_one() -> None:
    failed = frame(("shop.errors.NoSuchAccount", "no account 7"), is_error=True)
    codec = Codec(pickle=True, keys=[NEW])
    for type_ in (None, list[int]):
        data = codec.encode("shop", "k", failed, type_)
        assert codec.decode("shop", "k", data, type_) == failed


def test_an_exception_that_is_no_pair_of_texts_is_refused() -> None:
    with pytest.raises(CacheCodecError):
        Codec(pickle=True, keys=[NEW]).encode("shop", "k", frame((1, 2), is_error=True))


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        -(2**63),
        2**64 - 1,
        -0.0,
        math.inf,
        "",
        b"",
        [],
        {},
        {(1, "a"): 1, None: 2, True: 3, 1.5: 4, b"k": 5},
        {"at": dt.datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)},
    ],
    ids=repr,
)
def test_plain_values_come_back_with_their_types(value: object) -> None:
    again = back(value)
    assert again == value
    assert repr(again) == repr(value)


def test_nan_counts_as_equal_to_nan() -> None:
    again = back({"rate": [math.nan, 1.0]})
    assert repr(again) == "{'rate': [nan, 1.0]}"
    assert math.isnan(back(math.nan, float))  # type: ignore[arg-type]
    assert math.isnan(back(Account(1, score=math.nan), Account).score)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (Account(1, ("a", "b"), 0.5), Account),
        ([Account(1), Account(2)], list[Account]),
        (AttrsAccount(1, frozenset({"x"})), AttrsAccount),
        (StructAccount(1, dt.date(2025, 1, 2)), StructAccount),
        ((1, "a"), tuple[int, str]),
        ({"a": Decimal("1.10")}, dict[str, Decimal]),
        (uuid.UUID(int=7), uuid.UUID),
        ({1, 2}, set[int]),
        (Level.LOW, Level),
        (dt.datetime(2025, 1, 2, 3), dt.datetime),  # noqa: DTZ001 - a type brings it back as it is
        ({"id": 1, "children": [{"id": 2, "children": []}]}, Row),
        (None, Account | None),
    ],
)
def test_with_a_type_every_value_of_it_comes_back(value: object, type_: object) -> None:
    again = back(value, type_)
    assert again == value
    assert type(again) is type(value)


def test_objects_without_equality_are_compared_by_their_fields() -> None:
    again = back(WithoutEquality(1, [Account(2)]), WithoutEquality)
    assert isinstance(again, WithoutEquality)
    assert (again.id, again.parts) == (1, [Account(2)])


# --- what is refused when written ---


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"rows": [1, 2, {"at": (1, 2)}]}, r"value\['rows'\]\[2\]\['at'\] is a tuple .* a list"),
        ({"ids": {1, 2}}, r"value\['ids'\] is a set and would come back as a list"),
        ([uuid.UUID(int=7)], r"value\[0\] is a UUID and would come back as a str"),
        (Account(1), r"value is a Account and would come back as a dict"),
        (namedtuple("P", "x")(1), r"value is a P .* list"),  # noqa: PYI024 - the oldest kind
        ({frozenset({1}): 2}, r"value key frozenset\(\{1\}\) is a frozenset .* tuple"),
        ([Level.LOW], r"value\[0\] is a Level .* int"),
        (OrderedDict(a=1), r"value is a OrderedDict .* dict"),
        ({"a": bytearray(b"x"), "b": Level.LOW}, r"value\['a'\] is a bytearray .* bytes"),
        (
            dt.datetime(2025, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            r"value is 2025-01-02T00:00:00\+02:00 and would come back as 2025-01-01T22:00:00\+00",
        ),
        ({"a": [1, 2**64]}, r"value\['a'\]\[1\] is a int and cannot be written"),
        ({"a": {"b": "\ud800"}}, r"value\['a'\]\['b'\] is a str and cannot be written"),
        ([1, Refusing()], r"value\[1\] is a Refusing and cannot be written"),
        ({"a": lambda: 1}, r"value\['a'\] is a function and cannot be written"),
    ],
)
def test_what_would_not_come_back_is_refused_and_named(value: object, says: str) -> None:
    with pytest.raises(CacheCodecError, match=says) as caught:
        Codec().encode("shop", "k", frame(value))
    assert caught.value.reason == "value"
    assert "type=" in str(caught.value)
    assert isinstance(caught.value, CacheError)
    assert isinstance(caught.value, ValueError)


def test_long_keys_are_cut_where_they_are_named() -> None:
    with pytest.raises(CacheCodecError) as caught:
        Codec().encode("shop", "k", frame({"x" * 5000: (1,)}))
    assert len(str(caught.value)) < 400


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(CacheCodecError):
        Codec().encode("shop", "k", frame(loop))


def test_a_value_of_another_type_is_refused_when_written() -> None:
    with pytest.raises(CacheCodecError) as caught:
        Codec().encode("shop", "k", frame({"id": "seven"}), Account)
    assert caught.value.reason == "type"


def test_a_subclass_that_the_type_would_cut_is_refused() -> None:
    @dataclasses.dataclass
    class Detailed(Account):
        more: str = ""

    with pytest.raises(CacheCodecError, match=r"is a .*Detailed and would come back as a Account"):
        Codec().encode("shop", "k", frame([Detailed(1, more="x")]), list[Account])


def test_a_value_that_cannot_be_compared_is_refused() -> None:
    @dataclasses.dataclass
    class Broken:
        id: int

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("not comparable")

        __hash__ = None  # type: ignore[assignment]

    with pytest.raises(CacheCodecError, match="cannot be compared"):
        Codec().encode("shop", "k", frame(Broken(1)), Broken)


def test_a_type_that_no_value_can_be_read_as_is_refused() -> None:
    with pytest.raises(CacheCodecError) as caught:
        Codec().encode("shop", "k", frame(1), set[int] | list[int])
    assert caught.value.reason == "type"


@pytest.mark.parametrize(
    "facts",
    [
        {"created": math.nan},
        {"keep_until": math.nan},
        {"expires": 1400.0},
        {"created": 1400.0},
        {"l1_ttl": -1.0},
        {"l1_ttl": math.nan},
        {"load_seconds": math.nan},
    ],
    ids=str,
)
def test_stamps_that_contradict_each_other_are_refused(facts: dict[str, float]) -> None:
    with pytest.raises(CacheCodecError, match="contradict"):
        Codec().encode("shop", "k", frame(1, **facts))


def test_a_tag_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(CacheCodecError, match="note or tags"):
        Codec().encode("shop", "k", frame(1, tags=("\ud800",)))


def test_a_value_larger_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Codec().encode("shop", "k", frame("x" * 200))
    monkeypatch.setattr(_framing, "LARGEST", 100)
    with pytest.raises(CacheCodecError) as caught:
        Codec().encode("shop", "k", frame("x" * 200))
    assert caught.value.reason == "size"
    monkeypatch.setattr(_framing, "_LONGEST", 100 + _framing.HEAD_SIZE)
    assert reason_of(Codec(), data) == "size"


# --- what is refused when read ---


def test_other_bytes_are_told_apart_by_their_reason() -> None:
    data = Codec().encode("shop", "k", frame([1, 2, 3], tags=("t",)))
    assert reason_of(Codec(), b"") == "truncated"
    assert reason_of(Codec(), data[:3]) == "truncated"
    assert reason_of(Codec(), data[:20]) == "truncated"
    assert reason_of(Codec(), data[:-1]) == "truncated"
    assert reason_of(Codec(), data + b"\x00") == "foreign"
    assert reason_of(Codec(), b"\x80\x05K\x01.") == "foreign"
    assert reason_of(
        Codec(), b'{"value": 1, "and": "some more text that makes it long enough"}'
    ) == ("foreign")
    assert reason_of(Codec(), "text") == "foreign"
    assert reason_of(Codec(), None) == "foreign"
    assert reason_of(Codec(), bytearray(data)[:3]) == "foreign"
    assert reason_of(Codec(), data[:3] + b"\x02" + data[4:]) == "version"
    assert reason_of(Codec(), data[:3] + b"\x02") == "version"
    assert reason_of(Codec(), data[:4] + b"\x80" + data[5:]) == "version"
    assert reason_of(Codec(), data[:-4] + b"\xc1" + data[-3:]) == "value"
    assert reason_of(Codec(), data, type_=list[str]) == "type"
    assert reason_of(Codec(), data, type_=set[int] | list[int]) == "type"


def test_bytes_of_a_later_layout_of_the_type_are_of_another_type() -> None:
    @dataclasses.dataclass
    class Renamed:
        number: int

    data = Codec().encode("shop", "k", frame(Account(1)), Account)
    assert reason_of(Codec(), data, type_=Renamed) == "type"


def test_what_was_written_with_a_type_is_not_read_without() -> None:
    """Else a dict would stand in memory where the next caller expects the object."""
    data = Codec().encode("shop", "k", frame(Account(1)), Account)
    assert reason_of(Codec(), data) == "type"


@pytest.mark.parametrize(
    "type_",
    [dict[str, list[int]], dict, dict[str, Any], dict[str, list[int] | None], object],
    ids=str,
)
def test_a_type_of_plain_parts_may_be_left_out_when_reading(type_: object) -> None:
    data = Codec().encode("shop", "k", frame({"a": [1]}), type_)
    assert Codec().decode("shop", "k", data).value == {"a": [1]}


def test_plain_types_are_recognised_through_typed_dicts() -> None:
    class Dated(TypedDict):
        at: dt.date

    types = Types()
    assert types.of(Row).plain
    assert types.of(Literal["a", "b"]).plain
    assert not types.of(Dated).plain
    assert not types.of(list[tuple[int, ...]]).plain


def test_decoders_are_kept_but_not_without_bound() -> None:
    types = Types()
    first = types.of(list[int])
    assert types.of(list[int]) is first
    for n in range(300):
        types.of(Literal[n])  # type: ignore[valid-type]
    assert types.of(list[int]) is not first


def test_constructors_that_raise_make_a_value_unreadable_and_nothing_else() -> None:
    @dataclasses.dataclass
    class Picky:
        id: int

        def __post_init__(self) -> None:
            if self.id > 1:
                raise RuntimeError("no such account")

    data = Codec().encode("shop", "k", frame(Picky(1)), Picky)
    assert reason_of(Codec(), data[:-1] + b"\x02", type_=Picky) == "value"


def test_reading_more_deeply_than_the_stack_allows_is_a_codec_error() -> None:
    data = Codec().encode("shop", "k", frame([]))
    deep = b"\x91" * 100_000 + b"\x90"
    forged = data[: _framing.HEAD_SIZE - 4] + len(deep).to_bytes(4, "little") + deep
    assert reason_of(Codec(), forged) == "value"


# --- compression ---


def test_values_above_the_size_are_compressed_where_it_helps() -> None:
    codec = Codec(compress_above=100)
    rows = [{"id": 1, "name": "department"}] * 100
    data = codec.encode("shop", "k", frame(rows))
    assert len(data) < 300
    assert Codec().decode("shop", "k", data).value == rows
    small = codec.encode("shop", "k", frame("x" * 50))
    assert small == Codec().encode("shop", "k", frame("x" * 50))
    noise = bytes((n * n * 7919 >> 3) % 256 for n in range(200))
    assert len(codec.encode("shop", "k", frame(noise))) <= len(noise) + 60


def compressed(raw: bytes, size: int) -> bytes:
    payload = size.to_bytes(4, "little") + raw
    head = _framing._HEAD.pack(_framing.PREFIX, 1, 0.0, 1.0, 1.0, math.inf, 0.0, 0, len(payload))
    return head + payload


def test_a_compressed_value_is_held_to_the_size_it_says() -> None:
    whole = msgspec.msgpack.encode("x" * 1000)
    packed = zlib.compress(whole)
    codec = Codec()
    assert codec.decode("n", "k", compressed(packed, len(whole))).value == "x" * 1000
    assert reason_of(codec, compressed(packed, len(whole) - 1)) == "size"
    assert reason_of(codec, compressed(packed, len(whole) + 1)) == "truncated"
    assert reason_of(codec, compressed(packed[:-5], len(whole))) == "truncated"
    assert reason_of(codec, compressed(packed + b"x", len(whole))) == "size"
    assert reason_of(codec, compressed(b"no stream", 10)) == "value"
    assert reason_of(codec, compressed(packed, 2**32 - 1)) == "size"
    assert reason_of(codec, compressed(b"", 0)[:-4] + b"\x00" * 4) in {"truncated", "value"}


# --- signatures ---


def test_the_newest_key_signs_and_all_verify() -> None:
    before = Codec(keys=[OLD])
    now = Codec(keys=[NEW, OLD])
    later = Codec(keys=[NEW])
    of_before = before.encode("shop", "k", frame(1))
    of_now = now.encode("shop", "k", frame(2))
    assert now.decode("shop", "k", of_before).value == 1
    assert later.decode("shop", "k", of_now).value == 2
    assert reason_of(before, of_now) == "mac"
    assert reason_of(later, of_before) == "mac"


def test_a_signed_value_holds_for_its_place_only() -> None:
    codec = Codec(keys=[NEW])
    data = codec.encode("shop", "k1", frame(1))
    assert codec.decode("shop", "k1", data).value == 1
    assert reason_of(codec, data, key="k2") == "mac"
    for namespace, key in (("shopk", "1"), ("sho", "pk1"), ("", "shopk1"), ("shop", "\ud800")):
        with pytest.raises(CacheCodecError):
            codec.decode(namespace, key, data)


def test_every_byte_of_a_signed_frame_is_signed() -> None:
    codec = Codec(keys=[NEW])
    data = codec.encode("shop", "k", frame({"a": 1}, tags=("t",), note="n", l1_ttl=5.0))
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            assert reason_of(codec, bytes(changed)) in {
                "mac",
                "foreign",
                "version",
                "truncated",
                "size",
            }


def test_with_keys_nothing_unsigned_is_read() -> None:
    unsigned = Codec().encode("shop", "k", frame(1))
    assert reason_of(Codec(keys=[NEW]), unsigned) == "mac"


def test_without_keys_a_signed_value_is_read_unverified() -> None:
    """So that keys can be brought in one process at a time."""
    assert Codec().decode("shop", "k", Codec(keys=[NEW]).encode("shop", "k", frame(1))).value == 1


def test_secrets_are_not_shown() -> None:
    assert "secret of" not in repr(NEW)
    assert "secret of" not in repr(vars(Codec(keys=[NEW])))


# --- pickle ---


def test_pickle_needs_keys() -> None:
    with pytest.raises(ConfigurationError, match="HHS_PERF_CACHE_MAC_KEYS"):
        Codec(pickle=True)


def test_pickle_holds_what_messagepack_cannot_and_only_that() -> None:
    codec = Codec(keys=[NEW], pickle=True)
    assert back((1, {2}, Level.LOW), codec=codec) == (1, {2}, Level.LOW)
    assert isinstance(back(Account(1), codec=codec), Account)
    plain = codec.encode("shop", "k", frame([1]))
    assert plain == Codec(keys=[NEW]).encode("shop", "k", frame([1]))


def test_what_cannot_be_pickled_either_is_refused() -> None:
    with pytest.raises(CacheCodecError, match="cannot be pickled"):
        Codec(keys=[NEW], pickle=True).encode("shop", "k", frame(lambda: 1))


def test_pickles_are_read_only_where_they_are_asked_for() -> None:
    data = Codec(keys=[NEW], pickle=True).encode("shop", "k", frame((1,)))
    assert reason_of(Codec(keys=[NEW]), data) == "value"
    assert reason_of(Codec(), data) == "mac"


def test_a_pickle_that_cannot_be_read_is_a_codec_error() -> None:
    codec = Codec(keys=[NEW], pickle=True)
    data = codec.encode("shop", "k", frame(Gone()))
    name = Gone.__qualname__
    del globals()[name]
    try:
        assert reason_of(codec, data) == "value"
    finally:
        globals()[name] = Gone_kept


class Gone:
    pass


Gone_kept = Gone


# --- tools ---


def test_peek_reads_the_stamps_without_the_value() -> None:
    codec = Codec(keys=[NEW])
    data = codec.encode("shop", "k", frame(Account(1), tags=("t",)), Account)
    stamps = codec.peek("shop", "k", data)
    assert (stamps.created, stamps.expires, stamps.keep_until) == (1000.0, 1060.0, 1300.0)
    assert stamps.tags == ("t",)
    assert Codec().peek("shop", "k", Codec().encode("shop", "k", frame(1))).tags == ()
    with pytest.raises(CacheCodecError):
        codec.peek("shop", "other", data)
    broken = data[: _framing.HEAD_SIZE] + b"\xc1" + data[_framing.HEAD_SIZE + 1 :]
    with pytest.raises(CacheCodecError) as caught:
        Codec().peek("shop", "k", broken)
    assert caught.value.reason == "value"


def test_what_options_need_is_imported_with_them() -> None:
    code = (
        "import sys; from hhs_perf.cache.wire.codec import Codec, Frame\n"
        "codec = Codec(); data = codec.encode('n', 'k', Frame([1], 0.0, 1.0, 2.0))\n"
        "assert codec.decode('n', 'k', data).value == [1]\n"
        "print(sorted({'hmac', 'redis', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_row_of_sqlalchemy_is_written_as_the_dict_that_it_became() -> None:
    """Its keys are a subclass of str; each finds what the str finds."""
    import sqlalchemy

    column = sqlalchemy.Column("quoted", sqlalchemy.Integer, quote=True)
    table = sqlalchemy.Table("t", sqlalchemy.MetaData(), column)
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        table.metadata.create_all(connection)
        connection.execute(table.insert(), [{"quoted": 5}])
        row = dict(connection.execute(sqlalchemy.select(table)).mappings().one())
    engine.dispose()
    assert {type(key).__name__ for key in row} == {"quoted_name"}
    data = Codec().encode("ns", "k", Frame(row, 0.0, 1.0, 1.0))
    assert Codec().decode("ns", "k", data).value == {"quoted": 5}


# --- what is equal and yet another thing ---


@pytest.mark.parametrize("wrap", [lambda each: each, lambda each: [each], lambda each: {"a": each}])
@pytest.mark.parametrize("value", [bytearray(b"x"), memoryview(b"x"), bytearray(b"x" * 70_000)])
def test_what_would_come_back_as_bytes_is_refused(wrap: Any, value: object) -> None:
    """It is equal to bytes, and has other methods."""
    with pytest.raises(CacheCodecError, match="would come back as a bytes"):
        back(wrap(value))


@pytest.mark.parametrize(
    ("value", "type_"),
    [(1, float), ([1.0, 2], list[float]), ({"a": {"b": 1}}, dict[str, dict[str, float]])],
)
def test_what_a_type_would_make_another_number_is_refused(value: object, type_: object) -> None:
    """Whoever reads it in L1 would get an int, and who reads it in L2 a float."""
    with pytest.raises(CacheCodecError, match="is a int and would come back as a float"):
        back(value, type_)


def test_bytes_and_texts_that_look_like_them_come_back() -> None:
    """The look for what is equal to bytes refuses nothing else."""
    value = {"raw": b"\xc4", "rows": [["Čapek", 2.5, b"", {b"k": None}]] * 3, "n": [1e300] * 50}
    assert back(value) == value
    assert back([1.5, 2.0], list[float]) == [1.5, 2.0]
