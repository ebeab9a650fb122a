"""Whether loads give what was there already: told by numbers, of few keys."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf.cache.observed.steadiness import Steadiness, fingerprint_of

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def load(steadiness: Steadiness, key: str, fingerprint: int | None) -> None:
    if steadiness.wants(key):
        steadiness.take(key, fingerprint)


def test_loads_of_a_key_are_compared_with_the_one_before() -> None:
    steadiness = Steadiness()
    for fingerprint in (1, 1, 2, 2, 2):
        load(steadiness, "a", fingerprint)
    load(steadiness, "b", 2)
    assert (steadiness.compared, steadiness.unchanged) == (4, 3)


def test_what_cannot_be_told_is_not_compared() -> None:
    steadiness = Steadiness()
    for fingerprint in (1, None, 1, None):
        load(steadiness, "a", fingerprint)
    assert (steadiness.compared, steadiness.unchanged) == (0, 0)


def test_what_the_loader_says_counts_once() -> None:
    steadiness = Steadiness()
    load(steadiness, "a", 1)
    steadiness.same("a")
    load(steadiness, "a", 1)
    assert (steadiness.compared, steadiness.unchanged) == (1, 1)
    load(steadiness, "a", 1)
    assert (steadiness.compared, steadiness.unchanged) == (2, 2)


def test_few_keys_are_held_and_old_ones_make_room_for_new_ones() -> None:
    """Keys that never come again do not keep those from being compared that do."""
    steadiness = Steadiness()
    for number in range(32):
        load(steadiness, f"past:{number}", number)
    for number in range(20_000):
        load(steadiness, f"now:{number % 40}", 7)
    assert len(steadiness._known) == len(steadiness._order) == 32
    assert steadiness.compared > 1_000
    assert steadiness.unchanged == steadiness.compared


@given(PLAIN)
def test_equal_values_have_equal_fingerprints(value: object) -> None:
    twin = copy.deepcopy(value)
    assert fingerprint_of(value) == fingerprint_of(twin)


@pytest.mark.parametrize(
    ("one", "other"),
    [([1, 2], [2, 1]), ({"a": 1}, {"a": 2}), ("a", "b"), ([1], (1,)), ([[]], [{}])],
)
def test_other_values_have_other_fingerprints(one: object, other: object) -> None:
    assert fingerprint_of(one) != fingerprint_of(other)


class Loud(dict[str, int]):
    """Complains when anybody compares it or looks into it."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    def __hash__(self) -> int:
        raise AssertionError

    def items(self) -> Any:
        raise AssertionError


@pytest.mark.parametrize(
    "value",
    [Loud(), [Loud()], {"a": Loud()}, [dt.datetime(2026, 1, 1)], list(range(1_001))],  # noqa: DTZ001 - naive ones are the point
)
def test_what_is_no_plain_data_or_large_is_left_alone(value: object) -> None:
    assert fingerprint_of(value) is None
