"""The clock that we hand to the tests of others."""

from __future__ import annotations

import doctest

import pytest

from hhs_perf import testing
from hhs_perf.testing import FakeClock


def test_fake_clock_stands_still_until_moved() -> None:
    clock = FakeClock()
    assert (clock.monotonic(), clock.wall()) == (clock.monotonic(), clock.wall())


def test_advance_moves_both_times_alike() -> None:
    clock = FakeClock(wall=50.0)
    clock.advance(1.5)
    clock.advance(0)
    assert (clock.monotonic(), clock.wall()) == (1.5, 51.5)


def test_advance_refuses_to_go_back() -> None:
    clock = FakeClock()
    with pytest.raises(ValueError, match="backwards: -1"):
        clock.advance(-1)
    assert clock.monotonic() == 0.0


@pytest.mark.parametrize("by", [-3_600.0, 3_600.0])
def test_jump_wall_leaves_monotonic_time_alone(by: float) -> None:
    clock = FakeClock(wall=10_000.0)
    clock.jump_wall(by)
    assert (clock.monotonic(), clock.wall()) == (0.0, 10_000.0 + by)


def test_the_example_in_the_docstring_works() -> None:
    assert doctest.testmod(testing).failed == 0


def test_all_names_exist() -> None:
    assert sorted(testing.__all__) == list(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)
