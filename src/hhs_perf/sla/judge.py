"""Judging: from snapshots to verdicts, which are exact and never estimates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..metrics import WINDOWS, window_named
from .evidence import remember
from .verdicts import ObjectiveVerdict, SlaVerdict, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..metrics import Snapshot
    from .evidence import Evidence, Figures
    from .figures import Cut
    from .objectives import Objective, Sla, Status

__all__ = ["judge", "judge_all"]


def judge(sla: Sla, read: Callable[[str], Snapshot], *, window: str | None = None) -> SlaVerdict:
    """Judge `sla` on what `read(window)` gives; changes nothing.

    An objective is judged on its window when that has enough observations, else on the next
    longer one that has. Too few for `met` or `warning` can be enough for `violated`: when the
    chance of so many bad ones under the target is less than 0.001.

    With `window` (`5m`, `1h`, `24h`) all are judged on that one, and on no longer one. Raises
    UnknownWindowError for another.
    """
    figures = remember(read)
    only = None if window is None else window_named(window).name
    objectives = tuple(_judge(objective, figures, only) for objective in sla.objectives)
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


def _judge(objective: Objective, figures: Figures, only: str | None) -> ObjectiveVerdict:
    status: Status = "unknown"
    for window in [only] if only is not None else _from(objective.window):
        evidence = figures.evidence(objective.figure, window)
        status = _status(objective, evidence)
        if status != "unknown":
            break
    samples = _samples(objective, evidence)
    return ObjectiveVerdict(
        name=objective.name,
        kind=objective.kind,
        figure=str(objective.figure),
        metric=objective.figure.metric,
        tags=objective.figure.tags,
        op=objective.op,
        target=objective.target,
        warning=objective.warning_level,
        violated=objective.violated_level,
        unit=objective.unit,
        status=status,
        value=_shown(objective, status, evidence.value),
        compliance=evidence.share(objective.target_cut, below=objective.asks_low),
        samples=samples,
        min_samples=objective.needs,
        window=window,
        partial=samples < evidence.count,
    )


def _from(shortest: str) -> list[str]:
    names = [window.name for window in WINDOWS]
    return names[names.index(shortest) :]


def _samples(objective: Objective, evidence: Evidence) -> int:
    return min(evidence.counted(cut) for cut in objective.thresholds())


def _status(objective: Objective, evidence: Evidence) -> Status:
    samples = _samples(objective, evidence)
    if not samples:
        return "unknown"
    enough = samples >= objective.needs
    low = objective.asks_low
    if evidence.is_below(objective.violated_cut) != low:
        clear = enough or evidence.is_clear(objective.violated_cut)
        return "violated" if clear else "unknown"
    if not enough:
        return "unknown"
    return "met" if evidence.is_below(objective.met_cut) == low else "warning"


def _shown(objective: Objective, status: Status, value: float | None) -> float | None:
    """Move an estimate to where the status says that the figure is."""
    if value is None or status == "unknown":
        return value
    low = objective.asks_low
    value = _moved(value, objective.met_cut, below=low == (status == "met"))
    return _moved(value, objective.violated_cut, below=low == (status != "violated"))


def _moved(value: float, cut: Cut, *, below: bool) -> float:
    comparison, level = cut
    if below:
        return min(value, math.nextafter(level, -math.inf) if comparison == "<" else level)
    return max(value, level if comparison == "<" else math.nextafter(level, math.inf))
