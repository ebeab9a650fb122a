"""The tracker: tells which statuses have changed since the last evaluation."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Final

from .._fork import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .objectives import Status
    from .verdicts import ObjectiveVerdict, SlaChange, SlaVerdict

__all__ = ["SlaTracker"]

_LOG: Final = logging.getLogger("hhs_perf.sla")


class SlaTracker:
    """Remembers the last status of each SLA and objective; safe for several threads."""

    def __init__(self) -> None:
        # Guards _last and _now.
        self._lock = Lock()
        self._last: dict[tuple[str, str | None], Status] = {}
        self._now = 0.0
        renew_after_fork(self)

    def advance(self, verdicts: Iterable[SlaVerdict], now: float) -> list[SlaChange]:
        """Take the verdicts of all SLAs at `now`, seconds since 1970; give and log the changes.

        A change is told once: as the SLA's, or, while that stays as it was, as each objective's.
        What was not judged before was `unknown`. Verdicts older than those of another thread
        change nothing.
        """
        verdicts = tuple(verdicts)
        with self._lock:
            if now < self._now:
                return []
            self._now = now
            changes = [change for verdict in verdicts for change in self._changes(verdict, now)]
            self._last = {key: status for verdict in verdicts for key, status in _statuses(verdict)}
        for change in changes:
            _log(change)
        return changes

    def _changes(self, verdict: SlaVerdict, now: float) -> Iterator[SlaChange]:
        from .verdicts import SlaChange  # noqa: PLC0415 - slow, and start-up has none

        moved: list[tuple[str | None, Status, Status]] = []
        for (_, objective), status in _statuses(verdict):
            previous = self._last.get((verdict.name, objective), "unknown")
            if status != previous:
                moved.append((objective, previous, status))
        # The SLA comes first, and its change stands for those of its objectives.
        told = moved[:1] if moved and moved[0][0] is None else moved
        for objective, previous, status in told:
            yield SlaChange(
                sla=verdict.name,
                objective=objective,
                previous=previous,
                status=status,
                verdict=verdict,
                at=now,
            )

    def after_fork_in_child(self) -> None:
        """Start anew: what the parent saw is the parent's to tell."""
        self._lock = Lock()
        self._last.clear()


def _statuses(verdict: SlaVerdict) -> Iterator[tuple[tuple[str, str | None], Status]]:
    yield (verdict.name, None), verdict.status
    for objective in verdict.objectives:
        yield (verdict.name, objective.name), objective.status


def _deciding(change: SlaChange) -> list[ObjectiveVerdict]:
    """Give the objectives that the status is due to."""
    objectives = change.verdict.objectives
    if change.objective is not None:
        return [verdict for verdict in objectives if verdict.name == change.objective]
    return [verdict for verdict in objectives if verdict.status == change.status]


def _described(verdict: ObjectiveVerdict) -> str:
    value = "unknown" if verdict.value is None else f"{verdict.value:.4g}"
    return f"{verdict.name} is {value}, target {verdict.op} {verdict.target:g}"


def _log(change: SlaChange) -> None:
    deciding = _deciding(change)
    first = deciding[0]
    _LOG.log(
        logging.WARNING if change.status == "violated" else logging.INFO,
        "SLA %s%s is %s, was %s: %s over %s",
        change.sla,
        f" {change.objective}" if change.objective else "",
        change.status,
        change.previous,
        "; ".join(map(_described, deciding)),
        first.window,
        extra={
            "sla": change.sla,
            "objective": first.name,
            "objectives": [verdict.name for verdict in deciding],
            "status": change.status,
            "previous": change.previous,
            "value": first.value,
            "target": first.target,
            "unit": first.unit,
            "window": first.window,
            "samples": first.samples,
        },
    )
