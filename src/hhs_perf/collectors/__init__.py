"""Collectors: the five kinds of work, what each records and the figures it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import api, cache, database, frontend, scrapers
from .api import ApiCollector
from .cache import CacheCollector
from .database import DatabaseCollector
from .frontend import FrontendCollector
from .scrapers import ScraperCollector

if TYPE_CHECKING:
    from ..metrics import Registry

__all__ = [
    "ApiCollector",
    "CacheCollector",
    "Collectors",
    "DatabaseCollector",
    "FrontendCollector",
    "ScraperCollector",
    "api",
    "cache",
    "database",
    "frontend",
    "scrapers",
]


class Collectors:
    """The five collectors of one registry."""

    __slots__ = ("api", "cache", "database", "frontend", "scrapers")

    def __init__(self, metrics: Registry) -> None:
        self.api = ApiCollector(metrics)
        self.cache = CacheCollector(metrics)
        self.database = DatabaseCollector(metrics)
        self.scrapers = ScraperCollector(metrics)
        self.frontend = FrontendCollector(metrics)
