"""Running a plan, which the host does and the library never by itself."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from ...exceptions import DatabaseError
from ..marks import OURS
from .catalogue import check_postgresql, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from .steps import PartitionPlan, Step

__all__ = ["AppliedPlan", "apply_partitions"]


@attrs.frozen(kw_only=True)
class AppliedPlan:
    """What was run: so many statements, which moved so many rows out of DEFAULT partitions."""

    statements: int
    moved: int


def apply_partitions(
    target: Engine | Connection, plan: PartitionPlan, *, lock_timeout: float = 5.0
) -> AppliedPlan:
    """Run a plan: its transaction whole or not at all, then one by one what must run alone.

    On a connection it is a savepoint in the transaction of the host, who commits; such a plan is
    made with `PartitionSpec(concurrently=False)`. From async code:
    `await connection.run_sync(apply_partitions, plan)`.

    Args:
        target: An engine, or a connection in a transaction.
        plan: What `plan_partitions` made. Another process may have run its own meanwhile; then
            this one fails, leaves nothing, and the next plan is empty.
        lock_timeout: Seconds that a statement waits for a lock; those that use the table wait
            behind it.

    Raises:
        DatabaseError: PostgreSQL refused a statement: nothing of the transaction is left. Of the
            statements that run alone, those before the refused one stay; a plan made again
            finishes what a `DETACH … CONCURRENTLY` began.
    """
    if isinstance(target, Engine):
        return _apply(target, plan, lock_timeout)
    check_postgresql(target)
    if plan.alone:
        raise DatabaseError(
            "DETACH … CONCURRENTLY cannot run in a transaction: hand over the engine, or plan "
            "with concurrently=False"
        )
    try:
        with target.begin_nested():
            return _run_together(target, plan.together, lock_timeout)
    except SQLAlchemyError as exc:
        raise refusal(f"the partitions of {plan.table} are as they were", exc, target) from exc


def _apply(engine: Engine, plan: PartitionPlan, lock_timeout: float) -> AppliedPlan:
    done = AppliedPlan(statements=0, moved=0)
    state = f"the partitions of {plan.table} are as they were"
    if plan.together:
        try:
            with engine.connect() as connection:
                check_postgresql(connection)
                # The host's engine may commit by itself; the pool takes the level back.
                connection.execution_options(isolation_level="READ COMMITTED")
                with connection.begin():
                    done = _run_together(connection, plan.together, lock_timeout)
        except SQLAlchemyError as exc:
            raise refusal(state, exc, engine) from exc
        state = (
            f"the {done.statements} statements of the transaction are done, and those of"
            f" {plan.table} that run alone are left to the next plan"
        )
    if plan.alone:
        try:
            with engine.connect() as connection:
                check_postgresql(connection)
                connection.execution_options(isolation_level="AUTOCOMMIT")
                count = _run_alone(connection, plan.alone, lock_timeout)
                done = attrs.evolve(done, statements=done.statements + count)
        except SQLAlchemyError as exc:
            raise refusal(state, exc, engine) from exc
    return done


def _run_together(
    connection: Connection, steps: tuple[Step, ...], lock_timeout: float
) -> AppliedPlan:
    before = _lock_timeout(connection)
    _say(connection, f"SET LOCAL lock_timeout = {round(lock_timeout * 1000)}")
    moved = sum(_run(connection, steps))
    _say(connection, f"SET LOCAL lock_timeout = '{before}'")
    return AppliedPlan(statements=len(steps), moved=moved)


def _run_alone(connection: Connection, steps: tuple[Step, ...], lock_timeout: float) -> int:
    before = _lock_timeout(connection)
    _say(connection, f"SET lock_timeout = {round(lock_timeout * 1000)}")
    try:
        return len([*_run(connection, steps)])
    finally:
        with contextlib.suppress(SQLAlchemyError):  # a connection that is lost has no setting
            _say(connection, f"SET lock_timeout = '{before}'")


def _lock_timeout(connection: Connection) -> str:
    return str(connection.exec_driver_sql(f"{OURS}SHOW lock_timeout").scalar_one())


def _run(connection: Connection, steps: tuple[Step, ...]) -> Iterator[int]:
    for step in steps:
        try:
            rows = _say(connection, step.sql)
        except SQLAlchemyError as exc:
            raise refusal(f"could not {step.why}", exc, connection) from exc
        yield rows if step.kind == "move" else 0


def _say(connection: Connection, sql: str) -> int:
    done = connection.exec_driver_sql(OURS + sql, execution_options={"no_parameters": True})
    return done.rowcount
