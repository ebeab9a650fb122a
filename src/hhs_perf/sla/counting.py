"""What must be counted, so that verdicts are exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .figures import Quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..metrics import Threshold
    from .objectives import Sla
    from .rules import AlertRule

__all__ = ["thresholds", "totals"]


def thresholds(
    slas: Iterable[Sla], rules: Iterable[AlertRule]
) -> list[tuple[str, tuple[Threshold, ...]]]:
    """Give each timer's name with the levels, in seconds, that these are judged at.

    They are for `Registry.count_at`. An SLA or rule is exact from the slot on that opens after
    its levels were handed there.
    """
    levels: dict[str, dict[Threshold, None]] = {}
    objectives = [objective for sla in slas for objective in sla.objectives]
    for watched in (*objectives, *rules):
        if isinstance(watched.figure, Quantile):
            held = levels.setdefault(watched.figure.metric, {})
            held.update(dict.fromkeys(watched.thresholds()))
    return [(metric, tuple(held)) for metric, held in levels.items()]


def totals(
    slas: Iterable[Sla], rules: Iterable[AlertRule]
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Give the timers, by name and tags, that are looked at together; for `Registry.add_up`."""
    objectives = [objective for sla in slas for objective in sla.objectives]
    for watched in (*objectives, *rules):
        if isinstance(watched.figure, Quantile):
            yield watched.figure.metric, watched.figure.tags
