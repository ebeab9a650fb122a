"""The ghost remembers about as many keys as it is told, the latest ones."""

from __future__ import annotations

import pytest

from hhs_perf.cache.store.ghost import Ghost


def ghost_of(capacity: int, keys: range) -> Ghost:
    ghost = Ghost(capacity)
    for key in keys:
        ghost.add(key)
    return ghost


def test_a_new_ghost_knows_nothing() -> None:
    assert 0 not in Ghost()
    assert 0 not in Ghost(100)
    assert not Ghost(100).discard("a")


@pytest.mark.parametrize("capacity", [1, 2, 16, 31])
def test_a_small_ghost_remembers_exactly_the_last_ones(capacity: int) -> None:
    ghost = ghost_of(capacity, range(100))
    assert [key for key in range(100) if key in ghost] == [*range(100)][-capacity:]


def test_a_forgotten_key_makes_room_for_an_older_one_to_stay() -> None:
    ghost = ghost_of(4, range(4))
    assert ghost.discard(2)
    assert not ghost.discard(2)
    ghost.add(4)
    assert [key for key in range(5) if key in ghost] == [0, 1, 3, 4]
    ghost.add(5)
    assert 0 not in ghost


@pytest.mark.parametrize("kind", [int, str, float, lambda n: ("account", n), lambda n: n << 40])
def test_a_large_ghost_remembers_about_the_last_ones(kind) -> None:
    """Whatever the keys' hashes are: that of an int is the int."""
    ghost = Ghost(10_000)
    for n in range(40_000):
        ghost.add(kind(n))
    known = [n for n in range(40_000) if kind(n) in ghost]
    assert len(known) == pytest.approx(10_000, rel=0.01)
    assert sum(n >= 33_000 for n in known) == pytest.approx(7_000, rel=0.05)
    assert sum(n < 20_000 for n in known) < 150


def test_a_key_that_was_never_added_is_hardly_ever_known() -> None:
    ghost = ghost_of(10_000, range(10_000))
    assert sum(f"other {n}" in ghost for n in range(100_000)) <= 2


def test_it_takes_four_bytes_a_key() -> None:
    assert len(Ghost(10_000)._table) == pytest.approx(40_000, rel=0.01)


def test_a_ghost_that_grows_keeps_what_it_knows() -> None:
    ghost = ghost_of(100, range(200))
    known = [key for key in range(200) if key in ghost]
    ghost.fit(1_000)
    assert ghost.capacity == 1_000
    assert sum(key in ghost for key in known) >= len(known) - 2


def test_a_ghost_that_shrinks_keeps_late_ones() -> None:
    ghost = ghost_of(1_000, range(1_000))
    ghost.fit(20)
    known = [key for key in range(1_000) if key in ghost]
    assert len(known) == 20
    assert sum(known) / 20 > 850


def test_small_changes_of_size_change_nothing() -> None:
    ghost = ghost_of(100, range(100))
    for living in (70, 100, 149, 199):
        ghost.fit(living)
        assert ghost.capacity == 100
    ghost.clear()
    assert 99 not in ghost


def test_bytes_of_two_others_are_not_taken_for_a_key() -> None:
    ghost = ghost_of(4, range(1))
    mark = bytes(ghost._table[12:])
    ghost._table[4:12] = b"..." + mark + b"."
    ghost._table[12:] = b"...."
    assert 0 not in ghost
    assert not ghost.discard(0)
    ghost._table[12:] = mark
    assert 0 in ghost
    assert ghost.discard(0)
    assert 0 not in ghost
    assert bytes(ghost._table) == bytes(8) + b"..." + mark + b"."
