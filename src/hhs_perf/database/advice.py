"""Advice on databases: what to change, by which rule, and the figures that speak for it.

Where the figures are thin there is none. The thresholds are the constants below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import attrs

from .lines import Line  # noqa: TC001 - the route's schema resolves it

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .indexes.report import IndexAdvice
    from .pools.report import PoolReport
    from .replicas.report import ReplicaReport
    from .report import DatabaseReport, PoolSizing, StatementReport

__all__ = ["Advice", "Evidence", "Rule", "advise"]

Rule = Literal[
    "pool-timeout",
    "held-connection",
    "replica",
    "n-plus-one",
    "missing-index",
    "slow-statement",
    "pool-size",
    "pagination",
    "partition-pruning",
    "read-replica",
    "needless-index",
]

MOST: Final = 50
SLOW_TIMES: Final = 3
"""Slow executions of a statement from which on it is worth a review."""
N_PLUS_ONE_QUERIES: Final = 10
"""Queries of one N+1 finding, over all scopes, from which on it is worth a change."""
PAGE_ROWS: Final = 1000
"""Rows of one execution above which a request should page."""
POOL_CHECKOUTS: Final = 200
"""Checkouts in the window from which on they tell of a pool's size."""
POOL_WAIT: Final = 0.005
"""Mean wait for a connection, in seconds, above which a pool is too small."""
POOL_IDLE_SHARE: Final = 0.5
"""Share of a pool that was never in use at once from which on it is too large."""
IDLE_CHECKOUTS: Final = 10_000
"""Checkouts since the start from which on the most in use at once tells of an idle pool."""
READ_QUERIES: Final = 10_000
READ_SHARE: Final = 0.9
READ_BUSY: Final = 0.5
"""Connections that reads alone kept busy on average from which on a replica is worth its price."""

_READS: Final = frozenset({"SELECT", "WITH", "VALUES"})
_LOCAL: Final = frozenset({"sqlite"})


@attrs.frozen(kw_only=True, slots=False)
class Evidence:
    """A figure that speaks for an advice; a `unit` of `s` is seconds, of `ratio` a share."""

    figure: str
    value: float
    unit: Literal["", "s", "ratio"] = ""


@attrs.frozen(kw_only=True, slots=False)
class Advice:
    """What to change, by which rule, and why.

    `about` is the statement, table, pool or replica that it concerns, `line` the line of the
    application, None where it is not known. `setting` names what changes it.
    """

    rule: Rule
    about: str | None
    setting: str
    text: str
    line: Line | None = None
    evidence: tuple[Evidence, ...]


def advise(report: DatabaseReport, uptime: float) -> tuple[Advice, ...]:
    """Give the advice that the figures bear out, most urgent first; `uptime` is in seconds."""
    found: list[Advice] = []
    for pool in report.pools:
        found += _timed_out(pool)
        found += _held(pool)
    for router in report.replicas:
        found += _replicas(router)
    found += _n_plus_one(report)
    for database in report.indexes:
        found += map(_missing_index, database.advice)
    for statement in report.since_start.statements:
        found += _slow(statement)
    for sizing in report.pool_sizing:
        found += _too_small(sizing)
    for pool in report.pools:
        found += _too_large(pool)
    for statement in report.since_start.statements:
        found += _pagination(statement)
    found += _partitions(report)
    found += _no_replica(report, uptime)
    found += _needless(report)
    return tuple(found[:MOST])


def _timed_out(pool: PoolReport) -> Iterator[Advice]:
    if not pool.timeouts:
        return
    yield Advice(
        rule="pool-timeout",
        about=pool.name,
        setting="DB_POOL_SIZE",
        text=(
            f"{_times(pool.timeouts, 'caller')} of the pool {pool.name} got no connection within"
            " DB_POOL_TIMEOUT. Hold connections for a shorter time, or raise DB_POOL_SIZE or"
            " DB_MAX_OVERFLOW."
        ),
        evidence=(
            Evidence(figure="timeouts", value=pool.timeouts),
            *_known("capacity", pool.capacity),
            *_known("most_waiting", pool.most_waiting),
            *_known("mean hold", None if pool.hold is None else pool.hold.mean, "s"),
        ),
    )


def _held(pool: PoolReport) -> Iterator[Advice]:
    if not pool.holders:
        return
    longest = pool.holders[0]
    where = "an unknown line" if longest.line is None else str(longest.line)
    yield Advice(
        rule="held-connection",
        about=pool.name,
        setting="HHS_PERF_DB_HELD_TOO_LONG",
        text=(
            f"{_times(len(pool.holders), 'connection')} of the pool {pool.name}"
            f" {_is(len(pool.holders))} out for longer than HHS_PERF_DB_HELD_TOO_LONG, the first"
            f" one taken at {where}. Give a connection back before anything that waits for"
            " somebody else."
        ),
        line=longest.line,
        evidence=(
            Evidence(figure="holders", value=len(pool.holders)),
            *_known("in_use", pool.in_use),
        ),
    )


def _replicas(router: ReplicaReport) -> Iterator[Advice]:
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
                *_known("lag", replica.lag, "s"),
                Evidence(figure="transactions", value=replica.transactions),
                Evidence(figure="probes", value=replica.probes),
            ),
        )


def _n_plus_one(report: DatabaseReport) -> Iterator[Advice]:
    for found in report.n_plus_one:
        if found.queries < N_PLUS_ONE_QUERIES:
            continue
        where = "an unknown line" if found.line is None else str(found.line)
        yield Advice(
            rule="n-plus-one",
            about=found.statement,
            setting=found.advice,
            text=(
                f"{found.about} is loaded one at a time at {where}, {found.most} times in one scope"
                f": load all at once with {found.advice}."
            ),
            line=found.line,
            evidence=(
                Evidence(figure="queries", value=found.queries),
                Evidence(figure="most", value=found.most),
                Evidence(figure="times", value=found.times),
                Evidence(figure="seconds", value=found.seconds, unit="s"),
            ),
        )


def _missing_index(index: IndexAdvice) -> Advice:
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
            *_known("gain", index.gain),
            *_known("rows", index.rows),
            Evidence(figure="statements", value=len(index.statements)),
        ),
    )


def _slow(statement: StatementReport) -> Iterator[Advice]:
    if statement.slow < SLOW_TIMES:
        return
    line = statement.lines[0].line if statement.lines else None
    where = "" if line is None else f" at {line}"
    fetch = statement.fetch_seconds / statement.total if statement.total else 0.0
    hint = (
        "most of it fetching rows: ask for fewer rows or columns"
        if fetch > 1 / 2
        else "see its plan and the indexes of its tables"
    )
    yield Advice(
        rule="slow-statement",
        about=statement.statement,
        setting="HHS_PERF_SLOW_QUERY",
        text=(
            f"Review {statement.statement}{where}: {statement.slow} of {statement.count}"
            f" executions took longer than HHS_PERF_SLOW_QUERY, {hint}."
        ),
        line=line,
        evidence=(
            Evidence(figure="slow", value=statement.slow),
            Evidence(figure="count", value=statement.count),
            Evidence(figure="slowest", value=statement.slowest, unit="s"),
            *_known("avg", statement.avg, "s"),
            *_known("share", statement.share, "ratio"),
            Evidence(figure="share spent fetching", value=fetch, unit="ratio"),
        ),
    )


def _too_small(pool: PoolSizing) -> Iterator[Advice]:
    sizing = pool.sizing
    load, recommended = sizing.load, sizing.recommended
    if recommended is None or pool.checkouts < POOL_CHECKOUTS or load.wait <= POOL_WAIT:
        return
    if recommended <= load.capacity:
        return
    half, same, twice = sizing.forecasts
    yield Advice(
        rule="pool-size",
        about=pool.pool,
        setting="DB_POOL_SIZE",
        text=(
            f"Raise DB_POOL_SIZE and DB_MAX_OVERFLOW of {pool.pool} to {recommended} together,"
            f" or hold connections for a shorter time: {sizing.evidence}. Half: {half.text};"
            f" now: {same.text}; twice: {twice.text}."
        ),
        evidence=(
            Evidence(figure="mean wait", value=load.wait, unit="s"),
            Evidence(figure="mean hold", value=load.hold, unit="s"),
            Evidence(figure="checkouts per second", value=load.rate),
            Evidence(figure="capacity", value=load.capacity),
            *_known("wait at × 0.5", half.wait, "s"),
            *_known("wait at × 2", twice.wait, "s"),
        ),
    )


def _too_large(pool: PoolReport) -> Iterator[Advice]:
    capacity, most = pool.capacity, pool.most_in_use
    if not capacity or not most or (pool.checkouts or 0) < IDLE_CHECKOUTS or pool.timeouts:
        return
    idle = 1 - most / capacity
    # Overflow that is never opened costs nothing.
    if pool.size is None or pool.size <= most or idle < POOL_IDLE_SHARE:
        return
    yield Advice(
        rule="pool-size",
        about=pool.name,
        setting="DB_POOL_SIZE",
        text=(
            f"DB_POOL_SIZE of {pool.name} may be lowered from {pool.size} to {most}: since the"
            f" start no more than {most} connections were in use at once."
        ),
        evidence=(
            Evidence(figure="most_in_use", value=most),
            Evidence(figure="capacity", value=capacity),
            Evidence(figure="checkouts", value=pool.checkouts or 0),
        ),
    )


def _pagination(statement: StatementReport) -> Iterator[Advice]:
    routes = [each.route for each in statement.routes if each.route.startswith("/")]
    if statement.most_rows <= PAGE_ROWS or not routes or statement.operation not in _READS:
        return
    line = statement.lines[0].line if statement.lines else None
    yield Advice(
        rule="pagination",
        about=statement.statement,
        setting="LIMIT",
        text=(
            f"Page {statement.statement}, which {routes[0]} asks: it gave {statement.most_rows:,}"
            " rows at once. Limit it, and go on from the last row's key."
        ),
        line=line,
        evidence=(
            Evidence(figure="most_rows", value=statement.most_rows),
            Evidence(figure="rows", value=statement.rows),
            Evidence(figure="count", value=statement.count),
            Evidence(figure="fetch_seconds", value=statement.fetch_seconds, unit="s"),
        ),
    )


def _partitions(report: DatabaseReport) -> Iterator[Advice]:
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


def _no_replica(report: DatabaseReport, uptime: float) -> Iterator[Advice]:
    servers = [each for each in report.engines if each.dialect not in _LOCAL]
    if report.replicas or not servers or uptime <= 0:
        return
    totals = report.since_start
    seconds = totals.execute_seconds + totals.fetch_seconds
    reads = sum(each.total for each in totals.statements if each.operation in _READS)
    busy = reads / uptime
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


def _needless(report: DatabaseReport) -> Iterator[Advice]:
    for database in report.indexes:
        for each in database.waste:
            yield Advice(
                rule="needless-index",
                about=each.table,
                setting=each.sql,
                text=f"Drop the index {each.name} of {each.table}: {each.reason.rstrip('.')}.",
                evidence=(*_known("size in bytes", each.size),),
            )


def _known(
    figure: str, value: float | None, unit: Literal["", "s", "ratio"] = ""
) -> Iterator[Evidence]:
    if value is not None:
        yield Evidence(figure=figure, value=value, unit=unit)


def _factor(gain: float) -> str:
    return f"{gain:,.0f}" if gain >= 100 else f"{gain:.3g}"  # noqa: PLR2004 - three digits


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
