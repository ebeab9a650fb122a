"""The partitions of a table as PostgreSQL's catalogue has them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import SQLAlchemyError

from ...exceptions import DatabaseError
from ..asking import rows_of
from ..marks import OURS
from ..names import quoted_on_postgresql
from ..telling import told
from .state import Partition, PartitionedTable, TableFacts

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

__all__ = ["check_postgresql", "count_rows", "read_table", "refusal"]

_FIND: Final = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, current_setting('DateStyle'),
       current_setting('server_version_num')::int
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(:name)
"""

_TREE: Final = """
WITH RECURSIVE tree (oid, parent, pending) AS (
    SELECT CAST(:oid AS oid), NULL::oid, false
    UNION ALL
    SELECT i.inhrelid, i.inhparent, {pending}
    FROM pg_catalog.pg_inherits i JOIN tree ON tree.oid = i.inhparent
)
SELECT tree.oid, tree.parent, tree.pending, n.nspname, c.relname,
       pg_get_expr(c.relpartbound, c.oid),
       CASE p.partstrat::text WHEN 'r' THEN 'range' WHEN 'l' THEN 'list' WHEN 'h' THEN 'hash' END,
       (SELECT array_agg(a.attname::text ORDER BY k.n)
        FROM unnest(p.partattrs::int2[]) WITH ORDINALITY k (attnum, n)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum),
       (SELECT array_agg(t.tgname::text ORDER BY t.tgname) FROM pg_catalog.pg_trigger t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
          AND t.tgtype & 8 <> 0)
FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
ORDER BY n.nspname, c.relname
"""

_COLUMNS: Final = """
SELECT attname::text, format_type(atttypid, NULL), attgenerated::text = ''
FROM pg_catalog.pg_attribute WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""

_REFERENCES: Final = """
SELECT conname::text FROM pg_catalog.pg_constraint
WHERE confrelid = :oid AND contype = 'f' AND conparentid = 0 ORDER BY conname
"""

# A table makes a type of its name, so that of any type is taken too.
_NAMES: Final = """
SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
  ON n.oid = c.relnamespace WHERE n.nspname = :schema
UNION SELECT t.typname::text FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n
  ON n.oid = t.typnamespace WHERE n.nspname = :schema
"""

_KINDS: Final = {"v": "a view", "m": "a materialised view", "f": "a foreign table"}
_DETACHES_CONCURRENTLY: Final = 140_000


def check_postgresql(connection: Connection) -> None:
    """Raise `DatabaseError` unless the connection is one to PostgreSQL."""
    if connection.dialect.name != "postgresql":
        raise DatabaseError(f"partitions need PostgreSQL, and this is {connection.dialect.name}")


def refusal(doing: str, error: SQLAlchemyError, asked: Engine | Connection) -> DatabaseError:
    """Say what PostgreSQL refused, in the first line of its own words."""
    return DatabaseError(f"{doing}: {told(error, asked.engine.url)}")


def read_table(connection: Connection, table: str, schema: str | None = None) -> PartitionedTable:
    """Read the partitions of `table`; changes nothing.

    Raises:
        DatabaseError: There is no such table, it is not partitioned, or it cannot be read.
    """
    check_postgresql(connection)
    name = ".".join(quoted_on_postgresql(part) for part in (schema, table) if part is not None)
    try:
        return _read(connection, name)
    except SQLAlchemyError as exc:
        raise refusal(f"the partitions of {name} cannot be read", exc, connection) from exc


def count_rows(connection: Connection, relation: str, condition: str) -> int:
    """Count the rows of `relation` (its quoted name) that meet a condition."""
    try:
        counted = connection.exec_driver_sql(
            f"{OURS}SELECT count(*) FROM {relation} WHERE {condition}",  # noqa: S608 - all quoted
            execution_options={"no_parameters": True},
        )
        return int(counted.scalar_one())
    except SQLAlchemyError as exc:
        raise refusal(f"the rows of {relation} cannot be counted", exc, connection) from exc


def _read(connection: Connection, name: str) -> PartitionedTable:
    found = rows_of(connection, _FIND, name=name)
    if not found:
        raise DatabaseError(f"there is no table {name}")
    oid, schema, table, kind, style, version = found[0]
    if kind != "p":
        raise DatabaseError(
            f"{name} is {_KINDS.get(kind, 'a table without partitions')}; a table is not "
            "converted in place: see 'Convert a table' on the page Database partitioning"
        )
    if not style.startswith("ISO"):
        raise DatabaseError(f"bounds are read with DateStyle ISO, and it is {style}")
    pending = "i.inhdetachpending" if version >= _DETACHES_CONCURRENTLY else "false"
    rows = rows_of(connection, _TREE.format(pending=pending), oid=oid)
    columns = rows_of(connection, _COLUMNS, oid=oid)
    facts = TableFacts(
        types={column: type_ for column, type_, _ in columns},
        stored=tuple(column for column, _, is_stored in columns if is_stored),
        referenced_by=tuple(row[0] for row in rows_of(connection, _REFERENCES, oid=oid)),
        taken=frozenset(row[0] for row in rows_of(connection, _NAMES, schema=schema)),
        version=divmod(version, 10_000),
    )
    below: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        below[row[1]].append(row)
    [root] = below.pop(None)  # type: ignore[call-overload]
    return PartitionedTable(
        name=table,
        schema=schema,
        strategy=root[6],
        key=tuple(root[7] or ()),
        partitions=_partitions(below, oid),
        facts=facts,
    )


def _partitions(below: dict[int, list[Any]], parent: int) -> tuple[Partition, ...]:
    return tuple(
        Partition(
            name=name,
            schema=schema,
            bound=bound or "",
            pending=pending,
            strategy=strategy,
            key=tuple(key or ()),
            delete_triggers=tuple(triggers or ()),
            partitions=_partitions(below, oid),
        )
        for oid, _, pending, schema, name, bound, strategy, key, triggers in below.get(parent, ())
    )
