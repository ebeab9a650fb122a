"""Replicas that cannot be read from, and primaries without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..database.verbs import QUERIES
from .values import Advice, Evidence, known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..database.replicas.report import ReplicaReport
    from ..database.report import DatabaseReport

__all__ = ["READ_BUSY", "READ_QUERIES", "READ_SHARE", "lacking", "unfit"]

READ_QUERIES: Final = 10_000
READ_SHARE: Final = 0.9
READ_BUSY: Final = 0.5
"""Connections that reads alone kept busy on average from which on a replica is worth its price."""

_LOCAL: Final = frozenset({"sqlite"})


def unfit(router: ReplicaReport) -> Iterator[Advice]:
    """Tell of the replicas of a router that cannot be read from."""
    for replica in router.replicas:
        if replica.state not in {"lagging", "down", "promoted"}:
            continue
        what = {
            "lagging": "is further behind than HHS_PERF_REPLICA_MAX_LAG",
            "down": "does not answer",
            "promoted": "is a primary now, and no replica",
        }[replica.state]
        yield Advice(
            rule="replica",
            about=replica.name,
            setting="DATABASE_READ_REPLICA_URL",
            text=(
                f"The replica {replica.address} {what}: its reads go elsewhere, to the primary"
                " where there is no other one."
            ),
            evidence=(
                *known("lag", replica.lag, "s"),
                Evidence(figure="transactions", value=replica.transactions),
                Evidence(figure="probes", value=replica.probes),
            ),
        )


def lacking(report: DatabaseReport) -> Iterator[Advice]:
    """Tell of a primary that would gain from a replica."""
    servers = [each for each in report.engines if each.dialect not in _LOCAL]
    if report.replicas or not servers or report.uptime <= 0:
        return
    totals = report.since_start
    seconds = totals.execute_seconds + totals.fetch_seconds
    reads = sum(each.total for each in totals.statements if each.operation in QUERIES)
    busy = reads / report.uptime
    if totals.queries < READ_QUERIES or reads < READ_SHARE * seconds or busy < READ_BUSY:
        return
    yield Advice(
        rule="read-replica",
        about=servers[0].name,
        setting="DATABASE_READ_REPLICA_URL",
        text=(
            "Reads take most of the time of the primary, and no replica is in use: let"
            " DATABASE_READ_REPLICA_URL and a routing session take them elsewhere."
        ),
        evidence=(
            Evidence(figure="share of reads", value=reads / seconds, unit="ratio"),
            Evidence(figure="connections busy reading", value=busy),
            Evidence(figure="queries", value=totals.queries),
        ),
    )
