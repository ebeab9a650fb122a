"""Verdicts: how objectives and SLAs stand."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - what writes these values resolves annotations
from typing import TYPE_CHECKING, Final

import attrs

from .figures import Kind, Op  # noqa: TC001 - likewise
from .objectives import Status  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ObjectiveVerdict", "SlaChange", "SlaVerdict", "worst"]

_WORST_FIRST: Final[tuple[Status, ...]] = ("violated", "warning", "met")


def worst(statuses: Iterable[Status]) -> Status:
    """Give the worst of what is known: violated, warning, met; `unknown` when nothing is."""
    seen = set(statuses)
    return next((status for status in _WORST_FIRST if status in seen), "unknown")


# No slots, here and below: msgspec would write the fields last first.
@attrs.frozen(kw_only=True, slots=False)
class ObjectiveVerdict:
    """How one objective stands.

    `value`, `target`, `warning` and `violated` are seconds or ratios 0..1, as `unit` says; the
    value is for display, on the side of each level that the exact counts prove, and None where
    it is not known. `compliance` is the share, 0..1, of the observations that hold the target;
    for a ratio, that of the good events. `samples` were judged on, in `window`, of the
    `min_samples` that `met` and `warning` need. `partial` says that the window has more
    observations than `samples`: those made before the objective was added were not counted at
    its levels.
    """

    name: str
    status: Status
    kind: Kind
    figure: str
    metric: str
    tags: Mapping[str, str]
    op: Op
    target: float
    warning: float | None
    violated: float
    unit: str
    value: float | None
    compliance: float | None
    samples: int
    min_samples: int
    window: str
    partial: bool


@attrs.frozen(kw_only=True, slots=False)
class SlaVerdict:
    """How an SLA stands: as its worst objective; `met` only when all of them are."""

    name: str
    description: str
    status: Status
    objectives: tuple[ObjectiveVerdict, ...]


@attrs.frozen(kw_only=True)
class SlaChange:
    """A status that changed from `previous` to `status`; `at` is seconds since 1970.

    `objective` is None when the SLA's own status changed; it names the objective when that
    changed while the SLA as a whole stayed as it was.
    """

    sla: str
    objective: str | None
    previous: Status
    status: Status
    verdict: SlaVerdict
    at: float
