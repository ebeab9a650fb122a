"""Faults that are handed over to others."""

from __future__ import annotations

import logging

import pytest

from hhs_perf._faults import Faults


def test_what_joined_counts_with_the_others_before_and_after(
    caplog: pytest.LogCaptureFixture,
) -> None:
    own, others = Faults(), Faults()
    own.note("here", ValueError())
    others.note("here", ValueError())
    own.join(others)
    own.note("here", ValueError())
    own.note("there", ValueError())
    assert others.counts == own.counts == {"here: ValueError": 3, "there: ValueError": 1}
    with caplog.at_level(logging.ERROR):
        caplog.clear()
        own.note("here", ValueError())
    assert caplog.records == []


def test_joining_oneself_or_twice_changes_nothing() -> None:
    own, others = Faults(), Faults()
    own.join(own)
    own.note("here", ValueError())
    own.join(others)
    own.join(others)
    assert others.counts == {"here: ValueError": 1}


def test_a_forked_child_stays_with_those_it_joined() -> None:
    own, others = Faults(), Faults()
    own.join(others)
    own.after_fork_in_child()
    own.note("here", ValueError())
    assert others.counts == {"here: ValueError": 1}
