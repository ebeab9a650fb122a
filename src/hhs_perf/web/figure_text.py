"""Figures as people read them: the one place where seconds become milliseconds, ratios percent."""

from __future__ import annotations

from typing import Final

__all__ = ["UNKNOWN", "figure_text"]

UNKNOWN: Final = "–"


def figure_text(value: float | None, unit: str) -> str:
    """Write a figure with its unit: `s`, `ratio`, or another that is shown as it stands."""
    if value is None:
        return UNKNOWN
    match unit:
        case "ratio":
            return f"{value * 100:.4g} %"
        case "s" if value < 1:
            return f"{value * 1000:.3g} ms"
        case "":
            return f"{value:,.6g}"
        case _:
            return f"{value:.4g} {unit}"
