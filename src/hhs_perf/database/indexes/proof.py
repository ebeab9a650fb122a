"""Indexes tried out: what a statement costs with them, in a place where they cannot stay."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..marks import OURS
from ..names import for_driver
from ..plans import postgresql
from ..plans.explaining import explain_on
from ..plans.own import own_engine
from .migration import create_sql

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection, Dialect, Engine

    from ..._clock import Clock
    from .gate import Choice

__all__ = [
    "LEAST_GAIN",
    "OutOfTimeError",
    "Proof",
    "RefusedError",
    "prove_on_copy",
    "prove_on_postgresql",
]

LEAST_GAIN: Final = 1.3
"""How many times cheaper a statement must become for an index to be advised."""

_NAME: Final = "hhs_perf_proof_{}"
_LONGEST_RUN: Final = 2.0
_TENS_BETWEEN_LOOKS: Final = 1000


@attrs.frozen(kw_only=True, eq=False)
class Proof:
    """What came of it: the choices that the plan used, and how many times cheaper it is then."""

    used: tuple[Choice, ...]
    gain: float


class OutOfTimeError(Exception):
    """The time for a proof was over before all of its indexes were built."""


class RefusedError(Exception):
    """The database did not build the index of `choice`; the cause says why."""

    def __init__(self, choice: Choice) -> None:
        super().__init__("an index was refused")
        self.choice = choice


def prove_on_postgresql(
    engine: Engine,
    sql: str,
    parameters: object,
    choices: Sequence[Choice],
    *,
    timeout: float,
    clock: Clock,
) -> Proof:
    """Build the indexes in a transaction, ask for the plan again, and roll all of it back.

    On a connection of our own, which waits a fifth of a second for a lock. The whole transaction
    takes `timeout` seconds at most, for each statement of it gets what the earlier ones left.
    Until the rollback the tables take no writes. Should this process die meanwhile, PostgreSQL
    rolls back. Nothing is executed but CREATE INDEX; refusals travel, that of an index as
    RefusedError, as does OutOfTimeError.
    """
    until = clock.monotonic() + timeout
    with own_engine(engine).connect() as connection:
        connection.execution_options(isolation_level="READ COMMITTED")
        try:
            postgresql.prepare(connection, timeout=timeout, read_only=False)
            # It fails outside of a transaction, where the indexes would stay.
            connection.exec_driver_sql(OURS + "SAVEPOINT hhs_perf_proof")
            before = explain_on(connection, sql, parameters)
            names = _named(choices)
            for name, choice in names.items():
                _limit(connection, until - clock.monotonic())
                with _refusable(choice):
                    connection.exec_driver_sql(OURS + _create(connection.dialect, name, choice))
            _limit(connection, until - clock.monotonic())
            after = explain_on(connection, sql, parameters)
        finally:
            connection.rollback()
    used = after.index_names()
    gain = before.cost / after.cost if before.cost and after.cost else 1.0
    return Proof(used=tuple(one for name, one in names.items() if name in used), gain=gain)


@contextmanager
def _refusable(choice: Choice) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise RefusedError(choice) from error


def _named(choices: Sequence[Choice]) -> Mapping[str, Choice]:
    return {_NAME.format(number): choice for number, choice in enumerate(choices)}


def _limit(connection: Connection, seconds: float) -> None:
    if seconds <= 0:
        raise OutOfTimeError("the time was over before all indexes were built")
    postgresql.limit(connection, seconds)


def _create(dialect: Dialect, name: str, choice: Choice) -> str:
    sql = create_sql(
        dialect,
        name,
        choice.table.name,
        choice.table.schema,
        choice.columns,
        prefixes=choice.prefixes,
        is_concurrent=False,
    )
    return for_driver(dialect, sql)


def prove_on_copy(
    copy: sqlite3.Connection,
    dialect: Dialect,
    sql: str,
    parameters: Any,
    choices: Sequence[Choice],
    clock: Clock,
) -> Proof:
    """Run the statement on a copy of the database, build the indexes there, and run it again.

    What is compared is the number of instructions of SQLite's virtual machine, which unlike a time
    is the same on an idle machine and on a busy one. Each run takes two seconds at most, and counts
    as far as it came. SQLite's errors travel, that of an index as RefusedError. The indexes are
    gone from the copy afterwards.
    """
    given = parameters or ()
    copy.execute("SAVEPOINT hhs_perf_proof")
    try:
        before = _work(copy, sql, given, clock)
        names = _named(choices)
        for name, choice in names.items():
            with _refusable(choice):
                copy.execute(_create(dialect, name, choice))
        plan = copy.execute(f"EXPLAIN QUERY PLAN {sql}", given).fetchall()
        after = _work(copy, sql, given, clock)
    finally:
        copy.execute("ROLLBACK TO hhs_perf_proof")
        copy.execute("RELEASE hhs_perf_proof")
    words = {word for row in plan for word in str(row[3]).split()}
    used = tuple(choice for name, choice in names.items() if name in words)
    return Proof(used=used, gain=(before + 1) / (after + 1))


def _work(copy: sqlite3.Connection, sql: str, given: Any, clock: Clock) -> int:
    """Count the instructions that SQLite runs until the last row, in tens; undo what they did."""
    tens = 0
    until = clock.monotonic() + _LONGEST_RUN

    def count() -> bool:
        nonlocal tens
        tens += 1
        return tens % _TENS_BETWEEN_LOOKS == 0 and clock.monotonic() > until

    copy.execute("SAVEPOINT hhs_perf_run")
    copy.set_progress_handler(count, 10)
    try:
        cursor = copy.execute(sql, given)
        while cursor.fetchmany(1000):
            pass
    except copy.OperationalError:
        if clock.monotonic() <= until:
            raise
    finally:
        copy.set_progress_handler(None, 0)
        copy.execute("ROLLBACK TO hhs_perf_run")
        copy.execute("RELEASE hhs_perf_run")
    return tens
