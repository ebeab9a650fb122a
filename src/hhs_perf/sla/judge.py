"""Judging: from snapshots to verdicts, which are exact and never estimates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ..metrics import WINDOWS
from .evidence import remember
from .verdicts import ObjectiveVerdict, SlaVerdict, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..metrics import Snapshot
    from .evidence import Evidence, Figures
    from .figures import Cut
    from .objectives import Objective, Sla, Status

__all__ = ["judge", "judge_all"]

_NAMES: Final = [window.name for window in WINDOWS]
_FROM: Final = {name: _NAMES[index:] for index, name in enumerate(_NAMES)}
"""Each window with the longer ones that follow it."""


def judge(sla: Sla, read: Callable[[str], Snapshot]) -> SlaVerdict:
    """Judge `sla` on what `read(window)` gives; changes nothing.

    An objective is judged on its window when that has enough observations, else on the next
    longer one that has. Too few for `met` or `warning` can be enough for `violated`: when the
    chance of so many bad ones under the target is less than 0.001.
    """
    figures = remember(read)
    objectives = tuple(_judge(objective, figures) for objective in sla.objectives)
    return SlaVerdict(
        name=sla.name,
        description=sla.description,
        status=_sum_up([verdict.status for verdict in objectives]),
        objectives=objectives,
    )


def judge_all(slas: Iterable[Sla], read: Callable[[str], Snapshot]) -> tuple[SlaVerdict, ...]:
    """Judge several SLAs, reading each window once; see `judge`."""
    figures = remember(read)
    return tuple(judge(sla, figures) for sla in slas)


def _sum_up(statuses: list[Status]) -> Status:
    status = worst(statuses)
    return "unknown" if status == "met" and "unknown" in statuses else status


def _judge(objective: Objective, figures: Figures) -> ObjectiveVerdict:
    status: Status = "unknown"
    for window in _FROM[objective.window]:
        evidence = figures.evidence(objective.figure, window)
        samples = min(map(evidence.counted, objective.cuts))
        status = _status(objective, evidence, samples)
        if status != "unknown":
            break
    return ObjectiveVerdict(
        name=objective.name,
        kind=objective.kind,
        figure=objective.label,
        metric=objective.figure.metric,
        tags=objective.figure.tags,
        op=objective.op,
        target=objective.target,
        warning=objective.warning_level,
        violated=objective.violated_level,
        unit=objective.unit,
        status=status,
        value=_shown(objective, status, evidence.value),
        compliance=evidence.share(objective.cuts.target, below=objective.asks_low),
        samples=samples,
        min_samples=objective.needs,
        window=window,
        partial=samples < evidence.count,
    )


def _status(objective: Objective, evidence: Evidence, samples: int) -> Status:
    if not samples:
        return "unknown"
    cuts, low = objective.cuts, objective.asks_low
    enough = samples >= objective.needs
    if evidence.is_below(cuts.violated) != low:
        return "violated" if enough or evidence.is_clear(cuts.violated) else "unknown"
    if not enough:
        return "unknown"
    return "met" if evidence.is_below(cuts.met) == low else "warning"


def _shown(objective: Objective, status: Status, value: float | None) -> float | None:
    """Move an estimate to where the status says that the figure is."""
    if value is None or status == "unknown":
        return value
    cuts, low = objective.cuts, objective.asks_low
    value = _moved(value, cuts.met, below=low == (status == "met"))
    return _moved(value, cuts.violated, below=low == (status != "violated"))


def _moved(value: float, cut: Cut, *, below: bool) -> float:
    comparison, level = cut
    if below:
        return min(value, math.nextafter(level, -math.inf) if comparison == "<" else level)
    return max(value, level if comparison == "<" else math.nextafter(level, math.inf))
