"""The parts of the body of `/api/performance` that the tables show, as values."""

from __future__ import annotations

from typing import Final, Literal

import attrs
import msgspec

from ..exceptions import HhsPerfError
from . import _exits

__all__ = [
    "Alert",
    "Alerts",
    "Objective",
    "ReplyError",
    "Report",
    "Route",
    "Sla",
    "Status",
    "read_report",
    "shown_parts",
    "verdict",
]

Status = Literal["met", "warning", "violated", "unknown"]

_EXIT_OF: Final[dict[Status, int]] = {
    "met": _exits.MET,
    "warning": _exits.WARNING,
    "violated": _exits.VIOLATED,
}


class ReplyError(HhsPerfError):
    """The address answered, but not as hhs_perf does, or it refused, or nobody is there."""


@attrs.frozen(kw_only=True)
class Objective:
    """What an SLA demands of one figure, and how that figure stands."""

    name: str
    status: Status
    value: float | None
    target: float
    op: str
    unit: str
    samples: int
    window: str | None


@attrs.frozen(kw_only=True)
class Sla:
    """A named set of objectives."""

    name: str
    status: Status
    objectives: tuple[Objective, ...]


@attrs.frozen(kw_only=True)
class Slas:
    """All SLAs of the application."""

    slas: tuple[Sla, ...]


@attrs.frozen(kw_only=True)
class Alert:
    """An alert that is pending or firing, or was."""

    rule: str
    severity: str
    state: str
    figure: str
    value: float | None
    op: str
    threshold: float
    unit: str
    tags: dict[str, str]
    since: str | None


@attrs.frozen(kw_only=True)
class Alerts:
    """The alerts that stand now."""

    active: tuple[Alert, ...]


@attrs.frozen(kw_only=True)
class Route:
    """What the requests of one route, method and kind did."""

    method: str
    route: str
    kind: str
    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    errors: int
    client_errors: int
    share: float | None


@attrs.frozen(kw_only=True)
class Api:
    """The routes that were asked for."""

    routes: tuple[Route, ...] = ()


@attrs.frozen(kw_only=True)
class Report:
    """A body of `/api/performance`, as far as the tables need it."""

    api: Api
    sla: Slas
    alerts: Alerts


def read_report(body: bytes) -> Report:
    """Decode the body of `/api/performance`; raises `ReplyError` if it is something else."""
    try:
        return msgspec.json.decode(body, type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ReplyError("the address answers, but not with the figures of hhs_perf") from exc


def verdict(report: Report) -> int:
    """Give the exit status: that of the worst objective observed, 3 if none is."""
    found = [
        _EXIT_OF[status]
        for sla in report.sla.slas
        for status in (sla.status, *(objective.status for objective in sla.objectives))
        if status in _EXIT_OF
    ]
    return max(found, default=_exits.UNKNOWN)


def shown_parts(body: bytes) -> dict[str, object]:
    """Give the SLAs and alerts of a body that `read_report` took, with all that stands in them."""
    whole = msgspec.json.decode(body, type=dict[str, object])
    parts = ("generated_from", "window", "scope", "sla", "alerts")
    return {name: whole[name] for name in parts if name in whole}
