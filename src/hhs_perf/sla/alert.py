"""Alerts as others see them: what stands now, and what has changed."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - what reads these values resolves annotations
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from .figures import Op
    from .rules import Severity

__all__ = ["Alert", "AlertChange", "AlertState"]

AlertState = Literal["inactive", "pending", "firing", "resolved"]


@attrs.frozen(kw_only=True)
class Alert:
    """One rule, for one set of tags, as it stood at `last_at`.

    `since` and `last_at` are seconds since 1970: when the condition began to hold, and when it
    was last looked at; of a resolved alert that is when it resolved. `value` and `threshold` are
    seconds or ratios 0..1, as `unit` says; the value is None where it is not known.
    `inhibited_by` names the critical rule that keeps this alert quiet. `reason` says why it
    resolved: `recovered`, `no data` or `rule changed`.
    """

    rule: str
    severity: Severity
    state: AlertState
    figure: str
    value: float | None
    op: Op
    threshold: float
    unit: str
    tags: Mapping[str, str]
    since: float
    last_at: float
    inhibited_by: str | None
    samples: int
    window: str
    reason: str | None
    summary: str


@attrs.frozen(kw_only=True)
class AlertChange:
    """An alert that went from state `previous` to `state`; `at` is seconds since 1970."""

    alert: Alert
    previous: AlertState
    state: AlertState
    at: float
