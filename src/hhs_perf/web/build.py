"""From what the monitor knows to what the routes answer."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import attrs

from .._clock import rfc3339
from .._setting_rows import describe
from ..collectors import api, cache, database, frontend, scrapers
from ..sla import worst
from .bodies import (
    AlertRow,
    AlertsBody,
    AlertsSection,
    ApiSection,
    DatabaseSection,
    InFlightRow,
    PoolRow,
    SeriesRow,
    SettingsBody,
    SlaBody,
    SlaSection,
    SlowRow,
    SummaryBody,
    WindowRow,
)

if TYPE_CHECKING:
    from typing import Any

    from .._monitor import Monitor
    from ..database.pools.report import PoolReport
    from ..database.seen.slow import SlowStatement
    from ..metrics import Snapshot
    from ..sla import Alert, SlaVerdict

__all__ = ["alerts_body", "header_of", "settings_body", "sla_body", "summary_body"]

_MOST_SLOW: Final = 10


def _spread(value: attrs.AttrsInstance) -> dict[str, Any]:
    return attrs.asdict(value, recurse=False)


def header_of(snapshot: Snapshot) -> dict[str, Any]:
    """Give the fields of `Header`, to spread into a body."""
    window = snapshot.window
    return {
        "generated_from": rfc3339(snapshot.until),
        "window": WindowRow(name=window.name, seconds=window.seconds),
        "scope": snapshot.scope,
    }


def summary_body(monitor: Monitor, window: str) -> SummaryBody:
    """Build `/api/performance` over `window`."""
    snapshot = monitor.reader.read(window)
    return SummaryBody(
        **header_of(snapshot),
        api=ApiSection(
            **_spread(api.figures(snapshot)),
            in_flight=_in_flight(monitor),
        ),
        cache=cache.figures(snapshot),
        database=_database(monitor, snapshot),
        scrapers=scrapers.figures(snapshot),
        frontend=frontend.figures(snapshot),
        sla=_sla_section(monitor.evaluate()),
        alerts=_alerts_section(monitor),
    )


def sla_body(monitor: Monitor, window: str | None) -> SlaBody:
    """Build `/sla`; a `window` is judged instead of each objective's own."""
    snapshot = monitor.reader.read(window or "1h")
    section = _sla_section(monitor.evaluate(window=window))
    return SlaBody(**header_of(snapshot), **_spread(section))


def alerts_body(monitor: Monitor) -> AlertsBody:
    """Build `/alerts`."""
    return AlertsBody(**header_of(monitor.reader.read("5m")), **_spread(_alerts_section(monitor)))


def settings_body(monitor: Monitor) -> SettingsBody:
    """Build `/settings`."""
    return SettingsBody(
        version=version("hhs-perf"),
        digest_engine=monitor.metrics.engine.name,
        settings=describe(monitor.settings),
        series=SeriesRow(
            held=len(monitor.metrics),
            most=monitor.metrics.max_series,
            refused=monitor.metrics.refused,
        ),
        plugins=monitor.plugins.rows(),
        faults=dict(monitor.faults),
    )


def _database(monitor: Monitor, snapshot: Snapshot) -> DatabaseSection:
    seen = database.figures(snapshot, monitor.settings.database.slow_query)
    slow: tuple[SlowStatement, ...] = ()
    pools: tuple[PoolReport, ...] = ()
    if monitor.has_database:
        slow = monitor.database.slow_latest()[:_MOST_SLOW]
        pools = monitor.database.pools.report()
    return DatabaseSection(
        **_spread(seen),
        slow_latest=tuple(
            SlowRow(
                statement=each.key,
                at=rfc3339(each.at),
                seconds=each.seconds,
                rows=each.rows,
                line=None if each.line is None else str(each.line),
                route=each.route,
            )
            for each in slow
        ),
        pool_utilisation=max(
            (each.utilisation for each in pools if each.utilisation is not None), default=None
        ),
        pools=tuple(
            PoolRow(
                name=each.name,
                in_use=each.in_use,
                capacity=each.capacity,
                utilisation=each.utilisation,
            )
            for each in pools
        ),
    )


def _in_flight(monitor: Monitor) -> tuple[InFlightRow, ...]:
    return tuple(
        InFlightRow(
            method=row.method,
            route=row.route,
            count=row.count,
            oldest_since=rfc3339(monitor.timeline.at(row.oldest)),
        )
        for row in monitor.in_flight.routes()
    )


def _sla_section(verdicts: tuple[SlaVerdict, ...]) -> SlaSection:
    return SlaSection(status=worst(verdict.status for verdict in verdicts), slas=verdicts)


def _alerts_section(monitor: Monitor) -> AlertsSection:
    return AlertsSection(
        active=tuple(map(_alert, monitor.alerts.active())),
        history=tuple(map(_alert, monitor.alerts.history())),
    )


def _alert(alert: Alert) -> AlertRow:
    return AlertRow(
        rule=alert.rule,
        severity=alert.severity,
        state=alert.state,
        summary=alert.summary,
        figure=alert.figure,
        tags=dict(alert.tags),
        op=alert.op,
        threshold=alert.threshold,
        unit=alert.unit,
        value=alert.value,
        samples=alert.samples,
        window=alert.window,
        since=rfc3339(alert.since),
        resolved_at=rfc3339(alert.last_at) if alert.state == "resolved" else None,
        inhibited_by=alert.inhibited_by,
        reason=alert.reason,
    )
