"""Indexes that are missing, and those that could go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .values import Advice, Evidence, known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..database.indexes.report import IndexAdvice
    from ..database.report import DatabaseReport

__all__ = ["missing", "needless"]


def missing(index: IndexAdvice) -> Advice:
    """Tell of an index that is missing."""
    proof = (
        f" Tried out, it makes the statement {_factor(index.gain)} times cheaper."
        if index.gain is not None
        else ""
    )
    return Advice(
        rule="missing-index",
        about=index.table,
        setting=index.migration,
        text=(
            f"Create an index on {index.table} ({', '.join(index.columns)}):"
            f" {index.reason.rstrip('.')}.{proof}"
        ),
        line=index.line,
        evidence=(
            *known("gain", index.gain),
            *known("rows", index.rows),
            Evidence(figure="statements", value=len(index.statements)),
        ),
    )


def needless(report: DatabaseReport) -> Iterator[Advice]:
    """Tell of indexes that could go."""
    for database in report.indexes:
        for each in database.waste:
            yield Advice(
                rule="needless-index",
                about=each.table,
                setting=each.sql,
                text=f"Drop the index {each.name} of {each.table}: {each.reason.rstrip('.')}.",
                evidence=(
                    *known("size in bytes", each.size),
                    *known("columns in common", each.shared),
                    *known("reads", each.scans),
                    *known("counted for", each.counted_for, "s"),
                ),
            )


def _factor(gain: float) -> str:
    return f"{gain:,.0f}" if gain >= 100 else f"{gain:.3g}"  # noqa: PLR2004 - three digits
