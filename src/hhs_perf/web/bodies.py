"""What the routes answer, as values: msgspec writes them, and derives their JSON Schema.

They have no slots: of attrs classes with slots msgspec writes the fields last first.
"""

from __future__ import annotations

import attrs

from .._plugins import PluginRow
from .._setting_rows import SettingRow
from ..collectors.api import ApiFigures
from ..collectors.cache import CacheFigures
from ..collectors.database import DatabaseFigures
from ..collectors.frontend import FrontendFigures
from ..collectors.scrapers import ScraperFigures
from ..metrics import Scope
from ..sla import AlertState, Op, Severity, SlaVerdict, Status

__all__ = [
    "AlertRow",
    "AlertsBody",
    "AlertsSection",
    "ApiSection",
    "DatabaseSection",
    "Header",
    "InFlightRow",
    "PoolRow",
    "SeriesRow",
    "SettingsBody",
    "SlaBody",
    "SlaSection",
    "SlowRow",
    "SummaryBody",
    "WindowRow",
]


@attrs.frozen(kw_only=True, slots=False)
class WindowRow:
    """The window looked back on, and its length in seconds."""

    name: str
    seconds: float


@attrs.frozen(kw_only=True, slots=False)
class InFlightRow:
    """Requests under way on one route, and when the oldest of them began."""

    method: str
    route: str
    count: int
    oldest_since: str


@attrs.frozen(kw_only=True, slots=False)
class ApiSection(ApiFigures):
    """Requests, and what is under way."""

    in_flight: tuple[InFlightRow, ...]


@attrs.frozen(kw_only=True, slots=False)
class SlowRow:
    """One execution that was slow; `line` is `file:number`, null where it is not known."""

    statement: str
    at: str
    seconds: float
    rows: int | None
    line: str | None
    route: str | None


@attrs.frozen(kw_only=True, slots=False)
class PoolRow:
    """How a pool stands; null is unknown, or does not exist for a pool of its kind."""

    name: str
    in_use: int | None
    capacity: int | None
    utilisation: float | None


@attrs.frozen(kw_only=True, slots=False)
class DatabaseSection(DatabaseFigures):
    """Queries, the latest slow ones, and how the pools stand.

    `pool_utilisation` is that of the fullest pool.
    """

    slow_latest: tuple[SlowRow, ...]
    pool_utilisation: float | None
    pools: tuple[PoolRow, ...]


@attrs.frozen(kw_only=True, slots=False)
class SlaSection:
    """The worst status over what is known, and every SLA."""

    status: Status
    slas: tuple[SlaVerdict, ...]


@attrs.frozen(kw_only=True, slots=False)
class AlertRow:
    """One alert."""

    rule: str
    severity: Severity
    state: AlertState
    summary: str
    figure: str
    tags: dict[str, str]
    op: Op
    threshold: float
    unit: str
    value: float | None
    samples: int
    window: str
    since: str
    resolved_at: str | None
    inhibited_by: str | None
    reason: str | None


@attrs.frozen(kw_only=True, slots=False)
class AlertsSection:
    """Alerts that are pending or firing, and the latest that fired or resolved."""

    active: tuple[AlertRow, ...]
    history: tuple[AlertRow, ...]


@attrs.frozen(kw_only=True, slots=False)
class Header:
    """Up to when, over how long and over which processes the figures are."""

    generated_from: str
    window: WindowRow
    scope: Scope


@attrs.frozen(kw_only=True, slots=False)
class SummaryBody(Header):
    """`/api/performance`."""

    api: ApiSection
    cache: CacheFigures
    database: DatabaseSection
    scrapers: ScraperFigures
    frontend: FrontendFigures
    sla: SlaSection
    alerts: AlertsSection


@attrs.frozen(kw_only=True, slots=False)
class SlaBody(Header):
    """`/api/performance/sla`."""

    status: Status
    slas: tuple[SlaVerdict, ...]


@attrs.frozen(kw_only=True, slots=False)
class AlertsBody(Header):
    """`/api/performance/alerts`."""

    active: tuple[AlertRow, ...]
    history: tuple[AlertRow, ...]


@attrs.frozen(kw_only=True, slots=False)
class SeriesRow:
    """How many series are held, how many may be, and what was refused by instrument."""

    held: int
    most: int
    refused: dict[str, int]


@attrs.frozen(kw_only=True, slots=False)
class SettingsBody:
    """`/api/performance/settings`."""

    version: str
    digest_engine: str
    settings: tuple[SettingRow, ...]
    series: SeriesRow
    plugins: tuple[PluginRow, ...]
    faults: dict[str, int]
