"""Policies: what values they take, and what they work out."""

from __future__ import annotations

import math

import pytest

from hhs_perf.cache import NOT_MODIFIED, Loaded, Policy, previous
from hhs_perf.cache.policy import LONGEST_TTL, check_ttl, kept_for


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf, LONGEST_TTL + 1, "60", None])
def test_no_entry_lives_for_less_than_nothing_or_for_ever(ttl: object) -> None:
    with pytest.raises(ValueError, match="ttl"):
        check_ttl(ttl)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ttl", 0),
        ("negative_ttl", -1),
        ("jitter", 1),
        ("jitter", -0.1),
        ("eager_at", 1.5),
        ("stale_for", -1),
        ("fail_safe_for", math.nan),
        ("soft_timeout", 0),
        ("hard_timeout", math.inf),
        ("negative", (KeyboardInterrupt,)),
        ("negative", ("LookupError",)),
        ("copy", "on_write"),
    ],
)
def test_values_out_of_range_are_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        Policy(**{field: value})


def test_a_value_is_kept_as_long_as_anybody_may_use_it() -> None:
    assert Policy(stale_for=5, fail_safe_for=30).keeps_for == 30


def test_nothing_is_kept_longer_than_marks_are() -> None:
    """Or what was invalidated would come back when its mark is forgotten."""
    policy = Policy(stale_for=20 * 86400)
    assert kept_for(5 * 86400, policy) == 25 * 86400
    assert kept_for(20 * 86400, policy) == LONGEST_TTL


@pytest.mark.parametrize(
    ("policy", "is_plain"),
    [
        (Policy(), True),
        (Policy(ttl=5, jitter=0.1, negative=(LookupError,)), True),
        (Policy(stale_for=1), False),
        (Policy(fail_safe_for=1), False),
        (Policy(eager_at=0.5), False),
        (Policy(copy="on_read"), False),
    ],
)
def test_a_plain_policy_needs_no_look_at_a_hit(policy: Policy, is_plain: bool) -> None:
    assert policy.is_plain is is_plain


def test_policies_of_equal_values_are_equal() -> None:
    assert Policy(ttl=5) == Policy(ttl=5.0)


def test_what_a_loader_returns_has_a_ttl_of_its_own_or_none() -> None:
    assert Loaded(1).ttl is None
    with pytest.raises(ValueError, match="ttl"):
        Loaded(1, ttl=0)


def test_outside_of_a_loader_nothing_is_replaced() -> None:
    assert previous() is None
    assert repr(NOT_MODIFIED) == "NOT_MODIFIED"
