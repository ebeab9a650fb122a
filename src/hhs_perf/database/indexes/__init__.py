"""Indexes that are missing, proven where that may be tried, and indexes that nobody needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..._lazy import importer

if TYPE_CHECKING:
    from .advisor import IndexAdvisor
    from .report import (
        IndexAdvice,
        IndexReport,
        IndexWaste,
        ServerFigures,
    )

__all__ = ["IndexAdvice", "IndexAdvisor", "IndexReport", "IndexWaste", "ServerFigures"]

# What is shown is known without SQLAlchemy.
_HOMES: Final = {
    "IndexAdvice": "report",
    "IndexAdvisor": "advisor",
    "IndexReport": "report",
    "IndexWaste": "report",
    "ServerFigures": "report",
}

__getattr__ = importer(__name__, _HOMES, globals())


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted({*globals(), *__all__})
