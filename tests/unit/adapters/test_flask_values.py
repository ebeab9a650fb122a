"""Whatever Flask-Caching is given comes back: equal, of equal types, and as another object."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pytest
from flask import Response
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, TooManyRequests

from hhs_perf.adapters._flask_values import MARK, fold, unfold
from hhs_perf.cache.wire.codec import Codec, Frame
from hhs_perf.exceptions import CacheCodecError

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
offsets = st.integers(-1439, 1439).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    texts,
    st.binary(max_size=8),
)
parts = st.one_of(
    scalars,
    st.just(MARK),
    texts.map(Markup),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.dates(),
    st.timedeltas(),
    st.datetimes(),
    st.datetimes(timezones=offsets),
    st.tuples(),
    st.frozensets(st.integers(0, 9) | texts, max_size=3),
)
keys = st.one_of(st.just(MARK), texts, st.integers(-9, 9), st.tuples(texts), st.none())
values = st.recursive(
    parts,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
    ),
    max_leaves=10,
)


def _typed(value: Any) -> Any:
    if isinstance(value, dict):
        return dict, [(_typed(key), _typed(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [_typed(item) for item in value]
    return type(value), value


@given(values)
def test_values_come_back_from_memory_and_from_bytes(value: Any) -> None:
    """What is folded is plain: no codec has to know a type or to pickle."""
    folded = fold(value)
    assert _typed(unfold(folded)) == _typed(value)
    codec = Codec()
    frame = Frame(value=folded, created=0.0, expires=1.0, keep_until=1.0)
    back = codec.decode("space", "key", codec.encode("space", "key", frame)).value
    assert _typed(unfold(back)) == _typed(value)


@given(values)
def test_nothing_that_can_change_is_shared(value: Any) -> None:
    folded = fold(value)
    seen = {id(each) for each in _containers(folded)} | {id(each) for each in _containers(value)}
    assert not seen & {id(each) for each in _containers(unfold(folded))}


def _containers(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value, *(c for item in value.values() for c in _containers(item))]
    if isinstance(value, list):
        return [value, *(c for item in value for c in _containers(item))]
    if isinstance(value, tuple):
        return [c for item in value for c in _containers(item)]
    return []


def test_plain_values_are_kept_as_they_are() -> None:
    """So that what is in Redis can be read by others, too."""
    for value in ("text", 1, None, ["a", {"b": [1.5]}], {"a": 1, 2: None}):
        assert fold(value) == value


def test_nan_comes_back() -> None:
    assert math.isnan(unfold(fold((float("nan"),)))[0])  # type: ignore[index]


def test_a_response_comes_back_as_another_object() -> None:
    response = Response(b"\xff", 201, [("X-A", "1"), ("X-A", "2")], content_type="image/x")
    response.set_cookie("a", "b")
    kept = fold((response, {"n": response}))
    one, other = unfold(kept)[0], unfold(kept)[0]  # type: ignore[index]
    assert one is not other
    for each in (one, other):
        assert isinstance(each, Response)
        assert (each.status, each.get_data()) == ("201 CREATED", b"\xff")
        assert each.headers.to_wsgi_list() == response.headers.to_wsgi_list()


ERRORS = [
    NotFound("no such account"),
    MethodNotAllowed(["GET", "HEAD"]),
    HTTPException(response=Response("own", 409)),
    TooManyRequests(retry_after=5),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_aborts_come_back_with_what_they_know(error: HTTPException) -> None:
    back: Any = unfold(fold(error))
    assert type(back) is type(error)
    answers = [each.get_response({"REQUEST_METHOD": "GET"}) for each in (error, back)]
    one, other = ((a.status, a.get_data(), a.headers.to_wsgi_list()) for a in answers)
    assert one == other


@attrs.define
class Box:
    held: list[int]


class Teapot(HTTPException):
    code = 418

    def __init__(self) -> None:
        super().__init__("short and stout")


@pytest.mark.parametrize(
    "value",
    [
        Box([1]),
        [Box([1])],
        {"a": (Box([1]),)},
        dt.datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")),
        1j,
    ],
    ids=repr,
)
def test_other_objects_are_copied_and_no_codec_takes_them(value: Any) -> None:
    kept = fold(value)
    assert unfold(kept) == value
    frame = Frame(value=kept, created=0.0, expires=1.0, keep_until=1.0)
    with pytest.raises(CacheCodecError):
        Codec().encode("space", "key", frame)


def test_changing_a_copy_changes_no_other() -> None:
    box = Box([1])
    kept = fold(box)
    box.held.append(2)
    first: Any = unfold(kept)
    first.held.append(3)
    assert unfold(kept) == Box([1])


def test_an_error_of_the_hosts_own_class_is_copied() -> None:
    back = unfold(fold(Teapot()))
    assert isinstance(back, Teapot)
    assert back.description == "short and stout"


@pytest.mark.parametrize(
    "streaming", [Response(iter("ab")), Response("a", direct_passthrough=True)]
)
def test_streams_are_refused(streaming: Response) -> None:
    with pytest.raises(CacheCodecError, match="stream"):
        fold(streaming)


def test_a_decimal_and_a_uuid_are_what_they_were() -> None:
    value = (Decimal("1.10"), UUID(int=7))
    assert repr(unfold(fold(value))) == repr(value)
