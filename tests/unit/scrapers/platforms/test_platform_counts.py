"""A count is a count, or it is refused: it is never guessed."""

from __future__ import annotations

import json

import pytest

from hhs_perf.scrapers.platforms import counts
from hhs_perf.scrapers.values import Failure


@pytest.mark.parametrize(
    ("value", "number"), [(0, 0), (7, 7), ("1927873", 1927873), (12.0, 12), (10**11, 10**11)]
)
def test_a_whole_number_is_a_count(value: object, number: int) -> None:
    """Some APIs write its digits as text."""
    assert counts.count(value, "followers_count").value == number


@pytest.mark.parametrize(
    "value",
    [
        *(-1, "-1", True, False, None, "", " 1", "1e3", "1.2M", "1,000", "٣", 1.5, "9" * 30),
        *(10**12, 2**70, 1e300, float("nan"), float("inf"), [1], {"count": 1}),
    ],
)
def test_what_is_no_count_is_refused(value: object) -> None:
    """Negative, absurd, a fraction, a boolean, text."""
    with pytest.raises(ValueError, match="followers_count is no count"):
        counts.count(value, "followers_count")


def test_views_may_be_more_than_there_are_people() -> None:
    """Followers may not."""
    assert counts.count(3 * 10**11, "views_count").value == 3 * 10**11
    with pytest.raises(ValueError, match="followers_count"):
        counts.count(3 * 10**11, "followers_count")


def test_a_figure_that_is_null_is_left_out_where_it_may_be() -> None:
    """Where it may not, that is said."""
    node = {"a": 1, "b": None}
    read = counts.figures(node, {"followers_count": ("a",)}, {"posts_count": ("b", "c")})
    assert list(read) == ["followers_count"]
    with pytest.raises(ValueError, match="b or c is missing"):
        counts.figures(node, {"posts_count": ("b", "c")})


def test_names_are_kept_as_text_whatever_they_say() -> None:
    """Without the one sign that PostgreSQL refuses."""
    name = "<script>alert(1)</script> \u202e '; DROP TABLE x; --\x00"
    assert counts.text(name) == name.replace("\x00", "")
    assert counts.text("  ") is None
    assert counts.text(7) is None
    assert len(counts.text("x" * 10_000) or "") == 300


def test_an_id_is_text_or_a_number() -> None:
    """Nothing else is one."""
    assert counts.identity(622072) == "622072"
    assert counts.identity("UC1") == "UC1"
    for bad in (None, "", 0, -1, True, 1.5, [1]):
        with pytest.raises(ValueError, match="id is missing"):
            counts.identity(bad)


def test_one_bad_account_is_a_failure_of_its_own() -> None:
    """Whatever its part of the reply is."""
    for node in (None, [], "x", json.loads("{}")):
        read = counts.tried(lambda each: counts.section(each, "a"), node)  # type: ignore[arg-type]
        assert isinstance(read, Failure)
        assert read.kind == "schema_changed"
