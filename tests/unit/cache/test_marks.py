"""Marks in time: what they make void, in both measures, and that they stay few."""

from __future__ import annotations

import pytest

from hhs_perf.cache.marks import Marks


@pytest.fixture
def marks() -> Marks:
    return Marks()


@pytest.mark.parametrize(
    ("kind", "what", "is_void"),
    [
        ("tag", "t", True),
        ("tag", "other", False),
        ("prefix", "a:", True),
        ("prefix", "a:1", True),
        ("prefix", "b:", False),
        ("everything", "", True),
    ],
)
def test_a_mark_voids_what_is_older_and_concerned(
    marks: Marks, kind: str, what: str, is_void: bool
) -> None:
    before = marks.epoch
    marks.add(kind, what, 100.0)
    assert marks.voids_frame("a:1", ("t", "u"), 99.0) is is_void
    assert marks.voids_entry("a:1", ("t", "u"), before) is is_void
    assert not marks.voids_frame("a:1", ("t", "u"), 100.000001)
    assert not marks.voids_entry("a:1", ("t", "u"), marks.epoch)


def test_what_was_made_in_the_same_instant_is_void(marks: Marks) -> None:
    marks.add("tag", "t", 100.0)
    assert marks.voids_frame("k", ("t",), 100.0)


def test_a_later_mark_is_not_undone_by_an_earlier_one_that_arrives_after_it(marks: Marks) -> None:
    for kind, what in (("tag", "t"), ("prefix", "k"), ("everything", "")):
        marks.add(kind, what, 100.0)
        marks.add(kind, what, 50.0)
    assert marks.voids_frame("k", ("t",), 99.0)
    assert marks.latest == 100.0


def test_a_mark_whose_time_is_not_known_yet_voids_in_l1(marks: Marks) -> None:
    """What this process invalidates is void here before Redis has answered."""
    before = marks.epoch
    marks.add("tag", "t", 0.0)
    assert marks.voids_entry("k", ("t",), before)
    assert not marks.voids_frame("k", ("t",), 1.0)


def test_marks_that_redis_has_void_what_was_begun_before_they_were_learned(marks: Marks) -> None:
    before = marks.epoch
    marks.learn({"t": 100.0}, {"p": 90.0}, 80.0)
    assert marks.voids_entry("k", ("t",), before)
    assert marks.voids_entry("p1", (), before)
    assert marks.voids_frame("p1", (), 90.0)
    assert marks.voids_frame("k", (), 80.0)
    assert not marks.voids_frame("k", (), 81.0)


def test_what_is_learned_again_changes_nothing(marks: Marks) -> None:
    marks.learn({"t": 100.0, "never": 0.0}, {"p": 90.0}, 80.0)
    epoch = marks.epoch
    marks.learn({"t": 100.0, "never": 0.0}, {"p": 90.0}, 80.0)
    assert marks.epoch == epoch


def test_a_tag_that_nobody_invalidated_is_known_as_such(marks: Marks) -> None:
    assert marks.unknown(("t", "u")) == ["t", "u"]
    marks.learn({"t": 0.0}, {}, 0.0)
    assert marks.unknown(("t", "u")) == ["u"]
    assert not marks.voids_frame("k", ("t",), 0.000001)


def test_tags_that_are_forgotten_void_every_tagged_entry_begun_before(marks: Marks) -> None:
    marks.learn({"t": 0.0}, {}, 0.0)
    before = marks.epoch
    marks.forget_tags()
    assert marks.unknown(("t",)) == ["t"]
    assert marks.voids_entry("k", ("t",), before)
    assert not marks.voids_entry("k", (), before)
    assert not marks.voids_entry("k", ("t",), marks.epoch)


def test_of_many_tags_the_oldest_are_forgotten_safely(marks: Marks) -> None:
    """An entry with a tag that is not known any more counts as void."""
    before = marks.epoch
    for number in range(10_001):
        marks.add("tag", f"t{number}", float(number + 1))
    assert marks.unknown(("t0", "t1", "t10000")) == ["t0"]
    assert marks.voids_entry("k", ("t0",), before)
    assert len(marks._tags) == 10_000


def test_many_prefixes_become_one_mark_on_everything(marks: Marks) -> None:
    for number in range(201):
        marks.add("prefix", f"p{number}:", float(number + 1))
    assert marks.voids_frame("q", (), 201.0)
    assert not marks.voids_frame("q", (), 202.0)
    assert len(marks._prefixes) == 0


def test_while_marks_are_held_no_epoch_passes_without_a_second_look() -> None:
    marks = Marks()
    marks.add("tag", "t", 1.0)
    assert marks.quick == marks.epoch
    marks.hold()
    marks.hold()
    marks.add("everything", "", 2.0)
    marks.release()
    marks.add("prefix", "a:", 3.0)
    marks.forget_tags()
    marks.look_again()
    assert marks.epoch < marks.quick < marks.epoch + 1
    marks.release()
    assert marks.quick == marks.epoch
    marks.release()
    assert (marks.quick, type(marks.quick)) == (marks.epoch, int)


def test_a_forked_child_holds_nothing() -> None:
    marks = Marks()
    marks.hold()
    marks.after_fork_in_child()
    assert marks.quick == marks.epoch
    marks.release()
    marks.add("tag", "t", 1.0)
    assert marks.quick == marks.epoch
