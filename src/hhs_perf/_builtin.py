"""What comes with the library, brought in through the same hooks as anybody's plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .hookspecs import hookimpl
from .sla import builtin_alerts, builtin_slas

if TYPE_CHECKING:
    from .scrapers import Platform
    from .sla import AlertRule, Sla

__all__ = ["Builtin"]


class Builtin:
    """The guide's SLAs and alerts, and the platforms of the library."""

    @hookimpl
    def hhs_perf_register_slas(self) -> list[Sla]:
        """Give the guide's SLAs."""
        return builtin_slas()

    @hookimpl
    def hhs_perf_register_alerts(self) -> list[AlertRule]:
        """Give the guide's alert rules."""
        return builtin_alerts()

    @hookimpl
    def hhs_perf_register_platforms(self) -> tuple[Platform, ...]:
        """Give the platforms that the library knows."""
        from .scrapers.platforms import bundled  # noqa: PLC0415 - not everybody scrapes

        return bundled()
