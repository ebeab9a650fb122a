"""What a process makes of the answers and messages of Redis, in whatever order they come."""

from __future__ import annotations

import pytest

from hhs_perf.scrapers.limits.scripts import Answer, Names, read_pause
from hhs_perf.scrapers.limits.server_time import ServerTime
from hhs_perf.scrapers.limits.shared_lane import Reservation, SharedLane


def answer(wait: float, members: int = 1, pause: float = 0.0) -> Answer:
    """An answer of the script."""
    return Answer(1e9, wait, members, 0, pause)


@pytest.fixture
def lane() -> SharedLane:
    """A platform of which nothing is known."""
    return SharedLane()


def test_a_pause_voids_earlier_reservations_before_its_end(lane: SharedLane) -> None:
    """One made in knowledge of it stands, and one that is due after it."""
    lane.heard(7, until=20.0)
    assert lane.is_void(Reservation(at=19.0, said=0))
    assert not lane.is_void(Reservation(at=19.999, said=7))
    assert not lane.is_void(Reservation(at=20.5, said=0))


def test_an_older_message_changes_nothing(lane: SharedLane) -> None:
    """Pauses that are overtaken by newer ones are ignored."""
    lane.heard(7, until=20.0)
    lane.heard(6, until=99.0)
    assert lane.paused_until() == 20.0


def test_a_pause_that_redis_forgot_is_told_again(lane: SharedLane) -> None:
    """Until it has been told, nothing starts."""
    lane.heard(7, until=20.0)
    lane.answered(0, until=1.0, told=lane.unsaid_until, now=1.0)
    assert lane.unsaid_until == 20.0
    assert lane.is_void(Reservation(at=1.5, said=0))
    lane.answered(9, until=20.001, told=20.0, now=1.1)
    assert lane.unsaid_until < 0
    assert lane.paused_until() == 20.001


def test_what_redis_says_counts_once_it_was_told(lane: SharedLane) -> None:
    """Even if its name for the pause is older: nobody asks again and again."""
    lane.heard(7, until=20.0)
    lane.answered(3, until=19.99, told=20.0, now=1.0)
    assert not lane.is_void(Reservation(at=19.99, said=3))
    assert lane.unsaid_until < 0


def test_a_pause_that_is_over_is_not_told_again(lane: SharedLane) -> None:
    """A server that was emptied is believed."""
    lane.heard(7, until=20.0)
    lane.answered(0, until=21.0, told=lane.unsaid_until, now=21.0)
    assert lane.unsaid_until < 0


def test_a_pause_that_came_while_redis_was_asked_is_kept(lane: SharedLane) -> None:
    """The answer does not know of it yet."""
    told = lane.unsaid_until
    lane.hold(5.0)
    lane.answered(0, until=1.0, told=told, now=1.0)
    assert lane.unsaid_until == 5.0


def test_asking_waits_for_ones_turn_among_many(lane: SharedLane) -> None:
    """Who had to wait for long asks later the next time, and sooner when nobody else asks."""
    lane.started(0.0, alone=False)
    for _ in range(3):
        # Four members: a turn comes every 2 s, however late one asks for it.
        lane.learn(answer(2.0 - min(lane.near_at(), 2.0), members=4), 0.5)
    assert lane.near_at() == 1.75
    for _ in range(8):
        lane.learn(answer(0.0, members=4), 0.5)
    assert lane.near_at() == 0.5


def test_server_time_is_never_early_and_narrows_down() -> None:
    """The quickest of all answers tells most."""
    time = ServerTime()
    time.learn(1000.0, asked=0.0, answered=4.0)
    assert time.local(1000.0) == 4.0
    time.learn(1010.0, asked=10.999, answered=11.001)
    assert time.local(1010.0) == pytest.approx(11.001)
    time.learn(1020.0, asked=20.0, answered=24.0)
    assert time.local(1020.0) == pytest.approx(21.001)


def test_server_time_follows_a_clock_that_was_set() -> None:
    """What the newest answer contradicts is forgotten."""
    time = ServerTime()
    time.learn(1000.0, asked=1.0, answered=1.5)
    time.learn(400.0, asked=2.0, answered=2.25)
    assert time.local(400.0) == 2.25


def test_names_begin_with_the_namespace_and_share_a_node() -> None:
    """As all names of ours in Redis do."""
    names = Names("app")
    assert names.keys("x") == ("hhs:app:{scrape:x}", "hhs:app:{scrape:x}members")
    assert names.channel == "hhs:app:scrape1"


@pytest.mark.parametrize("message", ["", "1", "1 2", "a 2 x", "1 b x"])
def test_what_is_no_message_is_refused(message: str) -> None:
    """With a ValueError, and nothing else."""
    with pytest.raises(ValueError, match=r"unpack|int\(\)"):
        read_pause(message)


def test_a_message_names_a_platform_of_any_text() -> None:
    """Hosts belong to the name where a platform has many."""
    assert read_pause("5 2500000 mastodon:a b") == ("mastodon:a b", 5, 2.5)
