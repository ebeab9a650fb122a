"""The pools of connections: how long callers wait and hold, who holds, and how large is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..._lazy import importer

if TYPE_CHECKING:
    from .book import PoolBook
    from .names import engine_name
    from .report import Holder, PoolReport, Spent
    from .sizing import (
        Forecast,
        PoolLoad,
        SizingAdvice,
        advise,
        forecast,
    )
    from .trial import can_time

__all__ = [
    "Forecast",
    "Holder",
    "PoolBook",
    "PoolLoad",
    "PoolReport",
    "SizingAdvice",
    "Spent",
    "advise",
    "can_time",
    "engine_name",
    "forecast",
]

# What is shown is known without SQLAlchemy.
_HOMES: Final = {
    "Forecast": "sizing",
    "Holder": "report",
    "PoolBook": "book",
    "PoolLoad": "sizing",
    "PoolReport": "report",
    "SizingAdvice": "sizing",
    "Spent": "report",
    "advise": "sizing",
    "can_time": "trial",
    "engine_name": "names",
    "forecast": "sizing",
}

__getattr__ = importer(__name__, _HOMES, globals())


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted({*globals(), *__all__})
