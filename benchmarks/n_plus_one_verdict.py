"""Holds what a detector found in a scenario against what had to be found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import attrs

from benchmarks.n_plus_one_scenarios import Expected, Scenario

__all__ = ["Alarm", "Verdict", "judge"]


class Alarm(Protocol):
    """What a detector says: of which kind, how often, where, and what to do."""

    kind: str
    count: int
    file: str
    line: int
    advice: str


@attrs.frozen
class Verdict:
    """What was missed, in words, and what was a false alarm."""

    missed: tuple[str, ...]
    false_alarms: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Tell whether all was found and nothing else."""
        return not self.missed and not self.false_alarms


def judge(scenario: Scenario, alarms: Sequence[Alarm], *, strict: bool = True) -> Verdict:
    """Judge the alarms of all runs of a scenario.

    `strict` asks for kind, place, number and advice; a detector that has no such words is asked
    only whether it raised an alarm where it should.
    """
    if not strict:
        wanted = bool(scenario.expected)
        missed = ("no alarm",) if wanted and not alarms else ()
        false = ("an alarm",) if alarms and not wanted and not scenario.tolerated else ()
        return Verdict(missed, false)
    missed = tuple(
        f"{expected.kind} × {expected.count_at_least}: {problem}"
        for expected in scenario.expected
        if (problem := _problem(scenario, expected, alarms))
    )
    known = (*scenario.expected, *scenario.tolerated)
    false = tuple(
        f"{alarm.kind} × {alarm.count} at {alarm.file}:{alarm.line}; {alarm.advice}"
        for alarm in alarms
        if not any(_is_at(scenario, expected, alarm) for expected in known)
    )
    return Verdict(missed, false)


def _problem(scenario: Scenario, expected: Expected, alarms: Iterable[Alarm]) -> str | None:
    here = [alarm for alarm in alarms if _is_at(scenario, expected, alarm)]
    if not here:
        return "nothing of that kind at that place"
    count = sum(alarm.count for alarm in here)
    if count < expected.count_at_least:
        return f"only {count}"
    advice = [alarm.advice for alarm in here]
    if expected.advice is not None and not any(expected.advice in each for each in advice):
        return f"{expected.advice} is not in {advice}"
    return None


def _is_at(scenario: Scenario, expected: Expected, alarm: Alarm) -> bool:
    file = str(Path(alarm.file).resolve()) if not alarm.file.startswith("<") else alarm.file
    is_there = (file, alarm.line) in scenario.places(expected)
    return alarm.kind == expected.kind and (is_there or alarm.file in expected.files)
