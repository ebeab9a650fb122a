"""Slow statements that read every partition of a table, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy.exc import SQLAlchemyError

from .marks import OURS
from .partitions import partition_advice, read_table, scan_of
from .plans import postgresql
from .plans.explaining import explained_on, is_explainable
from .plans.own import on_own_connection, run
from .seen.masking import mask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from .._faults import Faults
    from .partitions import PartitionAdvice, PartitionedTable
    from .seen.slow import SlowStatement

__all__ = ["pruning_advice"]

# Without VERBOSE, which writes the name of the partition before each column.
_EXPLAIN: Final = "EXPLAIN (FORMAT JSON) "
_PARTITIONED: Final = (
    "SELECT n.nspname::text, c.relname::text, pg_table_is_visible(c.oid)"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'p' AND NOT c.relispartition"
)


def pruning_advice(
    engine: Engine,
    slow: Sequence[tuple[SlowStatement, tuple[str, ...]]],
    *,
    timeout: float,
    faults: Faults,
) -> tuple[PartitionAdvice, ...]:
    """Ask PostgreSQL for the plans of `slow` statements, each with the names of its tables.

    Only those on partitioned tables are explained, for `timeout` seconds at most each, over a
    connection of our own and without being executed. One that the database refuses to explain gets
    no advice. What the driver raises otherwise travels.
    """
    if not slow:
        return ()
    return run(
        engine,
        lambda: on_own_connection(
            engine, lambda connection: _ask(connection, slow, timeout, faults)
        ),
    )


def _ask(
    connection: Connection,
    slow: Sequence[tuple[SlowStatement, tuple[str, ...]]],
    timeout: float,
    faults: Faults,
) -> tuple[PartitionAdvice, ...]:
    postgresql.prepare(connection, timeout=timeout)
    names: dict[str, tuple[str, str]] = {}
    for schema, table, is_visible in connection.exec_driver_sql(OURS + _PARTITIONED):
        names[f"{schema}.{table}"] = (schema, table)
        if is_visible:
            names[table] = (schema, table)
    known: dict[tuple[str, str], PartitionedTable] = {}
    found: dict[PartitionAdvice, None] = {}
    for statement, tables in slow:
        for place in dict.fromkeys(names[table] for table in tables if table in names):
            explained = _explained(connection, statement, faults)
            if explained is None:
                break
            if place not in known:
                known[place] = read_table(connection, place[1], place[0])
            advice = partition_advice(scan_of(explained, known[place]))
            if advice is not None:
                found[_masked(advice)] = None
    return tuple(found)


def _explained(
    connection: Connection, statement: SlowStatement, faults: Faults
) -> Sequence[Mapping[str, Any]] | None:
    """Give the plan of a statement, None for one that cannot be explained."""
    if statement.source is None or is_explainable("postgresql", statement.driver_sql) is not None:
        return None
    with connection.begin_nested() as savepoint:
        try:
            return explained_on(connection, statement.driver_sql, statement.parameters, _EXPLAIN)
        except SQLAlchemyError:
            savepoint.rollback()
        except Exception as error:  # noqa: BLE001 - a named border: the driver may raise anything
            savepoint.rollback()
            faults.note("partition advice for a statement", error)
    return None


def _masked(advice: PartitionAdvice) -> PartitionAdvice:
    """Leave out the values that PostgreSQL writes into a plan's conditions."""
    if advice.expression is None:
        return advice
    masked = mask(advice.expression)
    text = advice.text.replace(advice.expression, masked)
    return attrs.evolve(advice, expression=masked, text=text)
