"""Cores of their own for the scrapers and for what they scrape, where there are two."""

from __future__ import annotations

import os

__all__ = ["pin"]


def pin(place: int) -> None:
    """Stay on the first core (0) or the last (-1), where the system lets processes do so."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(0, {cores[place]})
