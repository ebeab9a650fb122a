"""The first level: what may come in, what is seen, and for how long."""

from __future__ import annotations

import pytest

from hhs_perf.cache import Policy, S3FIFOCache
from hhs_perf.cache.memory import DEAF_TTL, FRESH, MISS, REFRESH, STALE, Memory
from hhs_perf.cache.wire.codec import Frame
from hhs_perf.testing import FakeClock

PLAIN = Policy()
STALE_FOR_A_WHILE = Policy(stale_for=20)
EAGER = Policy(eager_at=0.5)


@pytest.fixture
def memory(clock: FakeClock) -> Memory:
    return Memory(S3FIFOCache(100, clock=clock.monotonic), clock.monotonic)


def framed(value: object, tags: tuple[str, ...] = ()) -> Frame:
    return Frame(value=value, created=0.0, expires=0.0, keep_until=0.0, tags=tags)


def keep(
    memory: Memory,
    value: object = "value",
    *,
    began: tuple[int, int] | None = None,
    life: float = 10.0,
    stale: float = 0.0,
    tags: tuple[str, ...] = (),
    policy: Policy = PLAIN,
) -> bool:
    began = memory.began() if began is None else began
    pattern = memory.patterns.of_key("k")
    return memory.keep("k", framed(value, tags), began, (life, stale), pattern, policy)


def seen(memory: Memory) -> int:
    return memory.look("k")[0]


def test_a_value_is_seen_until_its_life_ends(memory: Memory, clock: FakeClock) -> None:
    assert keep(memory)
    clock.advance(9.999)
    assert seen(memory) == FRESH
    clock.advance(0.001)
    assert memory.look("k") == (MISS, None, "expired")


def test_none_is_a_value(memory: Memory) -> None:
    assert keep(memory, None)
    state, entry, _ = memory.look("k")
    assert (state, entry.value) == (FRESH, None)


def test_a_key_that_was_deleted_meanwhile_is_not_kept(memory: Memory) -> None:
    began = memory.began()
    memory.depart(["k"])
    assert not keep(memory, began=began)
    assert memory.counts.refused == 1
    assert memory.look("k")[2] == "invalidated"
    assert keep(memory)


def test_deletes_of_other_keys_keep_nothing_out(memory: Memory) -> None:
    began = memory.began()
    memory.depart(["other"])
    assert keep(memory, began=began)


def test_after_more_deletes_than_are_remembered_nothing_older_comes_in(memory: Memory) -> None:
    began = memory.began()
    memory.depart(["k"])
    memory.depart(f"other{number}" for number in range(9_000))
    assert not keep(memory, began=began)
    assert len(memory.departures) <= 8_192


@pytest.mark.parametrize("tags", [(), ("u",)])
def test_what_a_mark_concerns_is_void(memory: Memory, tags: tuple[str, ...]) -> None:
    keep(memory, tags=("t", *tags))
    memory.mark("tag", "other", 1.0)
    assert seen(memory) == FRESH
    memory.mark("tag", "t", 2.0)
    assert memory.look("k") == (MISS, None, "invalidated")
    assert len(memory.store) == 0


def test_what_began_before_a_mark_does_not_displace_what_began_after_it(memory: Memory) -> None:
    """A slow load of what was invalidated ends after a quick one of what is valid."""
    before = memory.began()
    memory.mark("prefix", "k", 1.0)
    assert keep(memory, "new")
    assert not keep(memory, "old", began=before)
    assert memory.look("k")[1].value == "new"


def test_stale_time_begins_where_life_ends(memory: Memory, clock: FakeClock) -> None:
    keep(memory, policy=STALE_FOR_A_WHILE, stale=20.0)
    assert seen(memory) == FRESH
    clock.advance(10)
    assert seen(memory) == STALE
    clock.advance(20)
    assert seen(memory) == MISS


def test_past_a_share_of_its_life_a_value_is_to_be_refreshed(
    memory: Memory, clock: FakeClock
) -> None:
    keep(memory, policy=EAGER)
    clock.advance(4.9)
    assert seen(memory) == FRESH
    clock.advance(0.1)
    assert seen(memory) == REFRESH
    clock.advance(5)
    assert seen(memory) == MISS


def test_a_refresh_that_failed_is_put_off(memory: Memory, clock: FakeClock) -> None:
    keep(memory, policy=EAGER)
    clock.advance(5)
    memory.put_off("k", 2.0)
    assert seen(memory) == FRESH
    clock.advance(2)
    assert seen(memory) == REFRESH
    memory.put_off("k", 100.0)
    clock.advance(3)
    assert seen(memory) == MISS
    memory.put_off("unknown", 1.0)


def test_who_writes_alone_knows_what_is_kept(memory: Memory) -> None:
    began = memory.begin_write("k")
    place = memory.end_write("k", began)
    assert place is not None
    assert keep(memory, began=place)


def test_of_two_who_write_at_once_neither_knows(memory: Memory) -> None:
    first, second = memory.begin_write("k"), memory.begin_write("k")
    assert memory.end_write("k", first) is None
    assert memory.end_write("k", second) is None
    assert memory.departures.writing == 0


def test_who_hears_of_a_change_while_writing_does_not_know(memory: Memory) -> None:
    began = memory.begin_write("k")
    memory.depart(["k"])
    keep(memory, "read meanwhile")
    assert memory.end_write("k", began) is None
    assert seen(memory) == MISS


def test_what_was_read_while_somebody_wrote_does_not_outlast_the_writing(memory: Memory) -> None:
    """The reader may have seen L2 before the writer changed it, and come late with what it saw."""
    began = memory.begin_write("k")
    reader = memory.began()
    place = memory.end_write("k", began)
    assert keep(memory, "new", began=place)
    assert not keep(memory, "old", began=reader)
    assert memory.look("k")[1].value == "new"


def test_without_a_link_lives_are_short(memory: Memory, clock: FakeClock) -> None:
    keep(memory, life=100.0)
    memory.deafen()
    assert seen(memory) == FRESH
    clock.advance(DEAF_TTL)
    assert seen(memory) == MISS
    keep(memory, life=100.0)
    clock.advance(DEAF_TTL)
    assert seen(memory) == MISS


def test_a_link_begins_with_nothing(memory: Memory, clock: FakeClock) -> None:
    memory.deafen()
    keep(memory)
    began = memory.began()
    memory.flush()
    assert seen(memory) == MISS
    assert not keep(memory, began=began)
    keep(memory, life=100.0)
    clock.advance(99)
    assert seen(memory) == FRESH


def test_nothing_is_kept_before_anybody_has_tried_to_hear(memory: Memory) -> None:
    memory.await_link()
    assert not keep(memory)
    memory.flush()
    assert keep(memory)


def test_entries_stored_alike_share_their_group(memory: Memory) -> None:
    pattern = memory.patterns.of_key("k")
    for key in ("a", "b"):
        memory.keep(key, framed(1, ("t",)), memory.began(), (10, 0), pattern, PLAIN)
    assert memory.find("a").group is memory.find("b").group
    memory.keep("c", framed(1, ("u",)), memory.began(), (10, 0), pattern, PLAIN)
    assert memory.find("c").group is not memory.find("a").group


def test_groups_of_policies_that_are_gone_are_not_taken_for_others(memory: Memory) -> None:
    """A new policy may get the number of one that was collected."""
    for ttl in range(1, 200):
        policy = Policy(ttl=ttl)
        keep(memory, policy=policy)
        assert memory.find("k").group.policy is policy
