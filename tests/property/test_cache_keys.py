"""Different arguments never make one key; alike calls always do."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from hhs_perf.cache.naming._canonical import canonical
from hhs_perf.cache.naming.keys import KeyMaker, KeyTemplate, pattern_of

texts = st.text(st.characters(), max_size=8) | st.text("0123456789.-e%:'~{}()[], aNTF", max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.binary(max_size=4)
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC))
    | st.uuids()
)
hashables = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.sets(hashables, max_size=3)
        | st.frozensets(hashables, max_size=3)
    ),
    max_leaves=6,
)
templates = st.sampled_from(
    [
        "{a}:{b}",
        "{a}-{b}",
        "x:{a}.{b}:y",
        "{a} and {b}",
        "{a}'{b}",
        "{a}~{b}",
        "{a}({b})",
        "{b}e+{a}",
    ]
)


def same(one: object, other: object) -> bool:
    """Tell whether two values are equal and of the same types throughout."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            any(same(pair, candidate) for candidate in other.items()) for pair in one.items()
        )
    if isinstance(one, set | frozenset):
        return len(one) == len(other) and all(
            any(same(each, candidate) for candidate in other) for each in one
        )
    if isinstance(one, dt.datetime):
        return one.isoformat() == other.isoformat() and one.fold == other.fold
    return repr(one) == repr(other)


def call(a: Any, b: Any = 2, *, c: Any = None) -> None: ...


@given(values, values)
@example((1,), (True,))
@example({1: 2}, {True: 2})
@example({0.0}, {-0.0})
@example(["a', 'b"], ["a", "b"])
def test_one_text_is_of_one_value(one: object, other: object) -> None:
    assert (canonical(one, "", "") == canonical(other, "", "")) == same(one, other)


@given(st.dictionaries(hashables, values, max_size=5), st.randoms())
def test_order_makes_no_difference(pairs: dict[object, object], random: Any) -> None:
    shuffled = list(pairs.items())
    random.shuffle(shuffled)
    assert canonical(pairs, "", "") == canonical(dict(shuffled), "", "")
    assert canonical(set(pairs), "", "") == canonical({key for key, _ in shuffled}, "", "")


@given(templates, st.tuples(values, values), st.tuples(values, values))
@example("{a}-{b}", (-5, 3), ("", "5-3"))
@example("{a}:{b}", ("a:b", "c"), ("a", "b:c"))
@example("{a}:{b}", ("1", 2), (1, "2"))
@example("{a} and {b}", ("x and y", "z"), ("x", "y and z"))
@example("{a}'{b}", ("'", ""), ("", "'"))
def test_a_template_never_gives_one_key_for_two_fillings(
    template: str, one: tuple[object, object], other: tuple[object, object]
) -> None:
    render = KeyTemplate(template).render
    first = render(dict(zip("ab", one, strict=True)))
    second = render(dict(zip("ab", other, strict=True)))
    assert (first == second) == same(one, other)
    first.encode()


@given(templates, texts, texts, texts, texts)
def test_nor_for_texts_that_try(template: str, a: str, b: str, other_a: str, other_b: str) -> None:
    assume((a, b) != (other_a, other_b))
    render = KeyTemplate(template).render
    assert render({"a": a, "b": b}) != render({"a": other_a, "b": other_b})


@given(values, values, values)
def test_the_form_of_a_call_makes_no_difference(a: object, b: object, c: object) -> None:
    for key in (None, "{a}:{b}:{c}"):
        make = KeyMaker(call, key).make
        forms = [
            make((a, b), {"c": c}),
            make((a,), {"c": c, "b": b}),
            make((), {"c": c, "b": b, "a": a}),
        ]
        assert len({*forms}) == 1
        assert make((a,), {}) == make((a, 2), {}) == make((), {"b": 2, "c": None, "a": a})


@given(st.lists(st.tuples(values, values), max_size=12))
def test_remembered_keys_are_those_that_would_be_made(calls: list[tuple[object, object]]) -> None:
    for key in (None, "{a}:{b}"):
        make = KeyMaker(call, key).make
        for args in [*calls, *calls]:
            assert make(args, {}) == KeyMaker(call, key).make(args, {})
            assert make(args[:1], {}) == KeyMaker(call, key).make(args[:1], {})


@given(st.text(st.characters()) | st.text(":(1a", max_size=500))
def test_every_key_has_a_pattern_that_is_its_own_pattern(key: str) -> None:
    pattern = pattern_of(key)
    assert len(pattern) <= 220
    assert pattern_of(pattern) == pattern
