"""The hooks of hhs_perf: what a plugin may implement.

A plugin is a module or object found through the entry-point group `hhs_perf`, or handed to
`Monitor(plugins=[...])`. It marks its implementations with `hookimpl`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._settings import ScraperSettings
    from .metrics import Registry
    from .scrapers import Outcome, Platform, TransportFactory
    from .sla import AlertChange, AlertRule, Sla, SlaChange

__all__ = [
    "hhs_perf_alert_changed",
    "hhs_perf_http_client",
    "hhs_perf_register_alerts",
    "hhs_perf_register_collectors",
    "hhs_perf_register_platforms",
    "hhs_perf_register_slas",
    "hhs_perf_scrape_finished",
    "hhs_perf_shutdown",
    "hhs_perf_sla_changed",
    "hookimpl",
]

hookspec: Final = pluggy.HookspecMarker("hhs_perf")
hookimpl: Final = pluggy.HookimplMarker("hhs_perf")


@hookspec
def hhs_perf_register_slas() -> Iterable[Sla]:
    """Give SLAs to judge; one of a name that exists already replaces it. Called once, at start."""
    return ()


@hookspec
def hhs_perf_register_alerts() -> Iterable[AlertRule]:
    """Give alert rules; one of a name that exists already replaces it. Called once, at start."""
    return ()


@hookspec
def hhs_perf_register_collectors(metrics: Registry) -> None:
    """Get or create instruments in `metrics` and keep them. Called once, at start."""


@hookspec
def hhs_perf_register_platforms() -> Iterable[Platform]:
    """Give platforms to scrape; one of a name that exists already replaces it.

    Called once, when scraping is first asked for.
    """
    return ()


@hookspec(firstresult=True)
def hhs_perf_http_client(platform: Platform, settings: ScraperSettings) -> TransportFactory | None:
    """Give what makes the transport of a platform; None leaves it to the next, or to the settings.

    Called at the start of each run, for each platform that has accounts in it.
    """


@hookspec
def hhs_perf_scrape_finished(outcome: Outcome) -> None:
    """Hear what became of an account; called in the event loop of the run, so it must be quick."""


@hookspec
def hhs_perf_sla_changed(change: SlaChange) -> None:
    """Hear that an SLA's status changed; called after that was logged, by the tick."""


@hookspec
def hhs_perf_alert_changed(change: AlertChange) -> None:
    """Hear that an alert fires or has resolved; called after that was logged, by the tick."""


@hookspec
def hhs_perf_shutdown() -> None:
    """Let go of what the plugin holds; called once, when the monitor closes for the first time."""
