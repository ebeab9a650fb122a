"""The queue of keys: in order, with keys taken out of its middle."""

from __future__ import annotations

from hhs_perf.cache.store.fifo import KeyQueue


def queue_of(*keys: str) -> KeyQueue[str]:
    queue: KeyQueue[str] = KeyQueue()
    for key in keys:
        queue.push(key)
    return queue


def test_keys_come_out_in_the_order_in_which_they_came_in() -> None:
    queue = queue_of("a", "b", "c")
    assert [queue.pop() for _ in range(4)] == [("a",), ("b",), ("c",), None]
    assert len(queue) == 0


def test_a_key_taken_out_is_skipped_and_may_come_in_again_at_the_end() -> None:
    queue = queue_of("a", "b", "c", "d", "e")
    queue.mark("a")
    queue.push("a")
    queue.mark("a")
    queue.push("a")
    assert len(queue) == 5
    assert queue.living() == ["b", "c", "d", "e", "a"]


def test_tombstones_never_outnumber_the_living() -> None:
    queue = queue_of(*map(str, range(100)))
    for key in range(99):
        queue.mark(str(key))
        assert len(queue.keys) <= 2 * len(queue)
    assert [queue.pop(), queue.pop()] == [("99",), None]


def test_what_was_not_taken_out_has_no_tombstone_to_account_for() -> None:
    queue = queue_of("a", "b", "c")
    queue.mark("a")
    assert [queue.unmark("b"), queue.unmark("a"), queue.unmark("a")] == [False, True, False]


def test_a_queue_can_be_cleared_with_its_tombstones() -> None:
    queue = queue_of("a", "b", "c")
    queue.mark("a")
    queue.clear()
    queue.push("a")
    assert (len(queue), queue.living()) == (1, ["a"])
