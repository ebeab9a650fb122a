"""Identifiers and literals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf.database.names import fitting
from hhs_perf.database.names import quoted_on_postgresql as quoted
from hhs_perf.database.partitions.names import literal, slug
from hhs_perf.database.partitions.state import list_of, range_of

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(TEXTS, TEXTS)
def test_a_name_fits_and_a_taken_one_is_told_apart(name: str, value: str) -> None:
    assert len(fitting(name).encode()) <= 63
    other = fitting(name, value, ours=[name])
    assert other != name
    assert len(other.encode()) <= 63


def test_long_names_that_differ_at_the_end_stay_apart() -> None:
    assert fitting("é" * 40 + "a") != fitting("é" * 40 + "b")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("fact", "fact"), ("Fact", '"Fact"'), ("order", '"order"'), ('a"b%', '"a""b%"')],
)
def test_a_name_is_quoted_where_it_must_be(name: str, expected: str) -> None:
    assert quoted(name) == expected


@given(st.lists(TEXTS.filter(lambda text: "\\" not in text), unique=True))
def test_the_values_of_a_list_are_read_as_they_are_written(values: list[str]) -> None:
    bound = f"FOR VALUES IN ({', '.join(map(literal, values))})"
    assert list_of(bound) == frozenset(values)


@pytest.mark.parametrize(
    ("bound", "values"),
    [
        ("FOR VALUES IN (1, -2, NULL)", {"1", "-2"}),
        ("FOR VALUES IN ('NULL', NULL, 'it''s, so')", {"NULL", "it's, so"}),
        ("FOR VALUES IN (true)", {"true"}),
    ],
)
def test_values_of_every_type_are_read(bound: str, values: set[str]) -> None:
    assert list_of(bound) == values


@pytest.mark.parametrize(
    "bound",
    ["DEFAULT", None, "FOR VALUES WITH (modulus 4, remainder 0)", "FOR VALUES FROM (1) TO (9)"],
)
def test_other_bounds_are_neither_months_nor_values(bound: str | None) -> None:
    assert (range_of(bound), list_of(bound)) == (None, None)


@pytest.mark.parametrize(
    ("value", "expected"), [("You Tube", "you_tube"), ("-", "empty"), ("Ü/x", "ü_x"), ("", "empty")]
)
def test_a_value_is_told_in_a_name(value: str, expected: str) -> None:
    assert slug(value) == expected
