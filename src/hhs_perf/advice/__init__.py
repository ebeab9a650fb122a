"""Recommendations: what to change, with the figures of frozen reports as evidence."""

from __future__ import annotations

from .databases import database_advice
from .scrapers import scraper_advice
from .values import Advice, Evidence, Rule

__all__ = ["Advice", "Evidence", "Rule", "database_advice", "scraper_advice"]
