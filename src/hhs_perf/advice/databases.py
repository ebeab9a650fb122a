"""Advice on databases: what to change, by which rule, and the figures that speak for it.

Where the figures are thin there is none. The thresholds are the constants of each subject.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .indexes import missing, needless
from .n_plus_one import n_plus_one
from .partitions import unpruned
from .pools import held, timed_out, too_large, too_small
from .replicas import lacking, unfit
from .statements import slow, unpaged

if TYPE_CHECKING:
    from ..database.report import DatabaseReport
    from .values import Advice

__all__ = ["MOST", "database_advice"]

MOST: Final = 50


def database_advice(report: DatabaseReport) -> tuple[Advice, ...]:
    """Give the advice that the figures of a report bear out, the most urgent first, 50 at most."""
    found: list[Advice] = []
    for pool in report.pools:
        found += timed_out(pool)
        found += held(pool)
    for router in report.replicas:
        found += unfit(router)
    found += n_plus_one(report)
    for database in report.indexes:
        found += map(missing, database.advice)
    for statement in report.since_start.statements:
        found += slow(statement)
    for sizing in report.pool_sizing:
        found += too_small(sizing)
    for pool in report.pools:
        found += too_large(pool)
    for statement in report.since_start.statements:
        found += unpaged(statement)
    found += unpruned(report)
    found += lacking(report)
    found += needless(report)
    return tuple(found[:MOST])
