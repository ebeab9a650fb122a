"""Which partitions are past the months that stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import ddl
from .names import qualified
from .state import range_of
from .steps import Notice

if TYPE_CHECKING:
    import datetime as dt

    from .spec import PartitionSpec
    from .state import PartitionedTable, Relation
    from .steps import Step

__all__ = ["retired"]

_CONCURRENTLY_FROM: Final = (14,)


def retired(
    parent: Relation,
    start: dt.datetime,
    spec: PartitionSpec,
    table: PartitionedTable,
    *,
    has_default: bool,
) -> tuple[list[Step], list[Notice]]:
    """Detach the partitions of `parent` that end before `start`."""
    concurrently = (
        spec.concurrently and table.facts.version >= _CONCURRENTLY_FROM and not has_default
    )
    steps: list[Step] = []
    notices: list[Notice] = []
    for each in parent.partitions:
        span = range_of(each.bound)
        if span is None or span[1] > start:
            continue
        why = f"all of it is before {start:%Y-%m-%d}, when the months begin that stay"
        steps += ddl.detached(parent, each, why, concurrently=concurrently, drop=spec.drop)
        if not spec.drop:
            text = f"to remove the rows of {each.name} for good: DROP TABLE {qualified(each)};"
            notices.append(Notice(kind="detached", partition=each.name, text=text))
    return steps, notices
