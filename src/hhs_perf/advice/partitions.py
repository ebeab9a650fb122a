"""Statements that read all partitions of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .values import Advice, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..database.report import DatabaseReport

__all__ = ["unpruned"]


def unpruned(report: DatabaseReport) -> Iterator[Advice]:
    """Tell of statements that read every partition."""
    for each in report.partitions:
        yield Advice(
            rule="partition-pruning",
            about=each.table,
            setting=each.column,
            text=f"{each.text[:1].upper()}{each.text[1:]}.",
            evidence=(
                Evidence(figure="scanned", value=each.scanned),
                Evidence(figure="total", value=each.total),
            ),
        )
