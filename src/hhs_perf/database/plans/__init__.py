"""The plans that a database makes for statements, asked for on connections of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..._lazy import importer

if TYPE_CHECKING:
    from .explaining import explain
    from .plan import NoPlan, Plan, Scan

__all__ = ["NoPlan", "Plan", "Scan", "explain"]

# What is shown, and how a plan is read, is known without SQLAlchemy.
_HOMES: Final = {"NoPlan": "plan", "Plan": "plan", "Scan": "plan", "explain": "explaining"}

__getattr__ = importer(__name__, _HOMES, globals())


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted({*globals(), *__all__})
