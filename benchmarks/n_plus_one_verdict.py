"""Holds what a detector found in a scenario against what had to be found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.n_plus_one_scenarios import Expected, Scenario

__all__ = ["Alarm", "Verdict", "alarms_of", "judge"]


@attrs.frozen
class Alarm:
    """What a detector says: of which kind, how often, where, and what to do.

    A detector that has no such words says the default of each; it is not judged strictly.
    """

    kind: str = ""
    count: int = 0
    file: str = ""
    line: int = 0
    advice: str = ""


def alarms_of(findings: Iterable[Any]) -> list[Alarm]:
    """Return the alarms of findings of hhs_perf."""
    return [
        Alarm(
            kind=each.kind,
            count=each.count,
            file="" if each.line is None else each.line.file,
            line=0 if each.line is None else each.line.line,
            advice=each.advice,
        )
        for each in findings
    ]


@attrs.frozen
class Verdict:
    """What was missed, in words, and what was a false alarm."""

    missed: tuple[str, ...]
    false_alarms: tuple[str, ...]

    @property
    def wrong(self) -> tuple[str, ...]:
        """Give both: nothing where all was found and nothing else."""
        return (*self.missed, *self.false_alarms)


def judge(scenario: Scenario, alarms: Iterable[Alarm], *, strict: bool = True) -> Verdict:
    """Judge the alarms of all runs of a scenario.

    `strict` asks for kind, place, number and advice; without it a detector is asked only whether
    it raised an alarm where it should.
    """
    alarms = list(alarms)
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
    file = _whole(alarm.file)
    is_there = (file, alarm.line) in scenario.places(expected)
    return alarm.kind == expected.kind and (is_there or file in map(_whole, expected.files))


def _whole(file: str) -> str:
    return file if file.startswith("<") else str(Path(file).resolve())
