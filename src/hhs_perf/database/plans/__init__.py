"""The plans that a database makes for statements, asked for on connections of our own."""

from __future__ import annotations

from .explain import explain
from .plan import NoPlan, Plan, Scan

__all__ = ["NoPlan", "Plan", "Scan", "explain"]
