"""Collectors: the five kinds of work, what each records and the figures it shows."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..metrics import Registry
    from .api import ApiCollector
    from .cache import CacheCollector
    from .database import DatabaseCollector
    from .frontend import FrontendCollector
    from .scrapers import ScraperCollector

__all__ = ["Collectors"]


class Collectors:
    """The five collectors of one registry, each imported when it is first asked for.

    Making their classes takes several milliseconds, which start-up does without.
    """

    def __init__(self, metrics: Registry) -> None:
        self._metrics = metrics

    @cached_property
    def api(self) -> ApiCollector:
        """Requests that the host answered."""
        from .api import ApiCollector  # noqa: PLC0415 - slow, see the class

        return ApiCollector(self._metrics)

    @cached_property
    def cache(self) -> CacheCollector:
        """Lookups and operations of a cache."""
        from .cache import CacheCollector  # noqa: PLC0415 - slow, see the class

        return CacheCollector(self._metrics)

    @cached_property
    def database(self) -> DatabaseCollector:
        """Queries that the host sent to a database."""
        from .database import DatabaseCollector  # noqa: PLC0415 - slow, see the class

        return DatabaseCollector(self._metrics)

    @cached_property
    def scrapers(self) -> ScraperCollector:
        """Scrapes of accounts, by platform."""
        from .scrapers import ScraperCollector  # noqa: PLC0415 - slow, see the class

        return ScraperCollector(self._metrics)

    @cached_property
    def frontend(self) -> FrontendCollector:
        """Pages that browsers loaded."""
        from .frontend import FrontendCollector  # noqa: PLC0415 - slow, see the class

        return FrontendCollector(self._metrics)
