"""The counts of a key are those of its pattern, however they are found."""

from __future__ import annotations

import pytest

from hhs_perf.cache.naming.keys import pattern_of
from hhs_perf.cache.observed.stats import Patterns

STEMS = (
    *("", "account:", "account", "account:7:page", "a:b:c:", "x" * 40 + ":", "x" * 199 + ":"),
    *("x" * 200 + ":", "x" * 300 + ":", "f(1):", "m.f(", ":", "a:" * 12, "a:" * 11, "a:" * 20),
    *("per%cent:", "ä:"),
)
ENDS = ("", "1", "22", "0" * 60, "1a", "a1", "٣", "²", "-1", "1:", "1)", "posts")


@pytest.mark.parametrize("stem", STEMS, ids=range(len(STEMS)))
def test_a_key_has_the_counts_of_its_pattern_whatever_was_asked_before(stem: str) -> None:
    patterns = Patterns()
    for end in (*ENDS, *reversed(ENDS)):
        assert patterns.of_key(stem + end).pattern == pattern_of(stem + end)


def test_as_many_stems_as_one_likes_are_told_apart() -> None:
    patterns = Patterns()
    for n in range(3_000):
        assert patterns.of_key(f"{n:x}z:{n}") is patterns.of(pattern_of(f"{n:x}z:{n}"))
    assert len(patterns._by_stem) <= 1_000


def test_past_the_most_patterns_all_keys_are_others() -> None:
    patterns = Patterns()
    names = ["abcdefghij"[n // 10] + "abcdefghij"[n % 10] for n in range(100)]
    for name in names:
        assert patterns.of_key(f"{name}:1").pattern == f"{name}:*"
    for key in ("more:1", "more:2", "more:x", "more:1"):
        assert patterns.of_key(key).pattern == "other"
    patterns.clear()
    assert patterns.of_key("more:3").pattern == "more:*"
    assert patterns.of_key("aa:1").l1_hits == 0
