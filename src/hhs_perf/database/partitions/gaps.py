"""Months between partitions that no partition takes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from .state import range_of
from .steps import Notice

if TYPE_CHECKING:
    import datetime as dt

    from .pieces import Piece
    from .state import Relation

__all__ = ["gaps"]


def gaps(parent: Relation, made: list[Piece], start: dt.datetime | None) -> list[Notice]:
    """Tell the spans between the partitions of `parent` that stay, those `made` included."""
    spans = [span for each in parent.partitions if (span := range_of(each.bound)) is not None]
    spans = sorted(spans + [piece.span for piece in made if piece.span is not None])
    spans = [span for span in spans if start is None or span[1] > start]
    where = "are refused" if parent.default is None else f"go to {parent.default.name}"
    return [
        Notice(
            kind="gap",
            partition=None,
            text=f"rows of {parent.name} from {before[1]:%Y-%m-%d} to {after[0]:%Y-%m-%d} {where}",
        )
        for before, after in pairwise(spans)
        if before[1] < after[0]
    ]
