"""Partitions of a PostgreSQL table: what is to be created and detached, planned and run.

Nothing here runs DDL by itself: `plan_partitions` only reads, and `apply_partitions` runs a plan
that the host has looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..._lazy import importer

if TYPE_CHECKING:
    from .advice import (
        PartitionAdvice,
        PartitionScan,
        partition_advice,
        scan_of,
    )
    from .apply import AppliedPlan, apply_partitions
    from .catalogue import read_table
    from .migrations import partition_filter
    from .planning import plan_partitions
    from .spec import ByList, ByMonth, PartitionSpec
    from .state import PartitionedTable
    from .steps import Notice, PartitionPlan, Step

__all__ = [
    "AppliedPlan",
    "ByList",
    "ByMonth",
    "Notice",
    "PartitionAdvice",
    "PartitionPlan",
    "PartitionScan",
    "PartitionSpec",
    "PartitionedTable",
    "Step",
    "apply_partitions",
    "partition_advice",
    "partition_filter",
    "plan_partitions",
    "read_table",
    "scan_of",
]

# What is shown is known without SQLAlchemy.
_HOMES: Final = {
    "AppliedPlan": "apply",
    "ByList": "spec",
    "ByMonth": "spec",
    "Notice": "steps",
    "PartitionAdvice": "advice",
    "PartitionPlan": "steps",
    "PartitionScan": "advice",
    "PartitionSpec": "spec",
    "PartitionedTable": "state",
    "Step": "steps",
    "apply_partitions": "apply",
    "partition_advice": "advice",
    "partition_filter": "migrations",
    "plan_partitions": "planning",
    "read_table": "catalogue",
    "scan_of": "advice",
}

__getattr__ = importer(__name__, _HOMES, globals())


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted({*globals(), *__all__})
