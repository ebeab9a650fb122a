"""Single flight: who leads, who joins, who would wait for ever."""

from __future__ import annotations

import contextvars

import pytest

from hhs_perf.cache.flight import Flight, Flights, loading
from hhs_perf.exceptions import CacheReentrancyError

BEGAN = (0, 0)
AFTER_A_MARK = (0, 1)


@pytest.fixture
def flights() -> Flights:
    return Flights()


def join(
    flights: Flights, key: str, began: tuple[int, int] = BEGAN, *, is_void: bool = False
) -> tuple[Flight, bool]:
    return flights.join(key, began, lambda _: is_void)


def within(*part_of: Flight) -> contextvars.Context:
    """A context in which the loaders of those loads run."""
    context = contextvars.copy_context()
    context.run(loading.set, part_of)
    return context


def test_the_first_leads_and_the_others_join(flights: Flights) -> None:
    flight, leads = join(flights, "k")
    assert leads
    assert join(flights, "k") == (flight, False)
    assert join(flights, "j")[1]
    assert len(flights) == 2


def test_a_landed_flight_is_not_joined(flights: Flights) -> None:
    flight, _ = join(flights, "k")
    flights.land(flight)
    assert join(flights, "k")[1]


def test_a_grounded_flight_is_not_joined_and_takes_no_successor_along(flights: Flights) -> None:
    flight, _ = join(flights, "k")
    flights.ground(["k", "unknown"])
    successor, leads = join(flights, "k")
    assert leads
    flights.land(flight)
    assert join(flights, "k") == (successor, False)


def test_a_mark_hinders_only_where_it_makes_void(flights: Flights) -> None:
    flight, _ = join(flights, "k")
    assert join(flights, "k", AFTER_A_MARK) == (flight, False)
    assert join(flights, "k", AFTER_A_MARK, is_void=True)[1]


def test_a_load_within_itself_raises(flights: Flights) -> None:
    flight, _ = join(flights, "k")
    with pytest.raises(CacheReentrancyError):
        within(flight).run(join, flights, "k")


def test_it_does_so_when_it_was_grounded(flights: Flights) -> None:
    flight, _ = join(flights, "k")
    flights.ground(["k"])
    with pytest.raises(CacheReentrancyError):
        within(flight).run(join, flights, "k")


def test_another_cache_may_load_the_same_key_within(flights: Flights) -> None:
    flight, _ = join(flights, "k")
    assert within(flight).run(join, Flights(), "k")[1]


def test_what_a_load_left_running_may_ask_once_it_has_ended(flights: Flights) -> None:
    flight, _ = join(flights, "k")
    flights.land(flight)
    flight.outcome.set_result(1)
    assert within(flight).run(join, flights, "k")[1]


def test_loads_that_would_wait_for_each_other_raise(flights: Flights) -> None:
    """The first waits for the second, that for the third: the third must not wait for the first."""
    a, b, c = (join(flights, key)[0] for key in "abc")
    assert within(a).run(join, flights, "b") == (b, False)
    assert within(b).run(join, flights, "c") == (c, False)
    with pytest.raises(CacheReentrancyError):
        within(c).run(join, flights, "a")
    within(b).run(flights.waited, c)
    assert within(c).run(join, flights, "a") == (a, False)


def test_an_inner_load_waits_for_its_outer_ones_too(flights: Flights) -> None:
    outer, other = join(flights, "outer")[0], join(flights, "other")[0]
    inner, _ = within(outer).run(join, flights, "inner")
    assert within(other).run(join, flights, "outer") == (outer, False)
    with pytest.raises(CacheReentrancyError):
        within(outer, inner).run(join, flights, "other")


def test_a_forked_child_has_no_loads(flights: Flights) -> None:
    join(flights, "k")
    flights.after_fork_in_child()
    assert len(flights) == 0
    assert join(flights, "k")[1]
