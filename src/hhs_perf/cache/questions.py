"""Plain look-ups of several tasks, answered as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .bulk import BulkLookup
    from .drive import Steps

__all__ = ["Question", "answers_to"]

Question = tuple[str, Any, Any]
"""A key that is looked up, the default, and the type of its value."""


def answers_to(bulk: BulkLookup, questions: Sequence[Question]) -> Steps[list[Any]]:
    """Give what `Lookup.get` would answer to each of them.

    For each type there is one reading; a key that several ask for counts as looked up once.
    """
    groups: dict[object, list[tuple[int, Question]]] = {}
    for place, question in enumerate(questions):
        groups.setdefault(_group_of(question[2]), []).append((place, question))
    answers: list[Any] = [None] * len(questions)
    for asked in groups.values():
        _, (_, _, type_) = asked[0]
        found = yield from bulk.get_many([key for _, (key, _, _) in asked], type_)
        for place, (key, default, _) in asked:
            answers[place] = found.get(key, default)
    return answers


def _group_of(type_: object) -> object:
    """Let equal types be one group, such as two `list[int]`, as far as they can be compared."""
    try:
        hash(type_)
    except TypeError:  # an annotation with a list in it
        return id(type_)
    return type_
