"""Indexes that nobody reads, and indexes that another one makes superfluous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from ..asking import rows_of
from ..names import for_text, quoted
from .asking import attempt
from .migration import drop_sql
from .report import IndexWaste
from .superfluous import ListedIndex, superfluous

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Dialect

    from .asking import Notes

__all__ = ["YOUNG", "waste"]

YOUNG: Final = 7 * 86_400.0
"""Seconds for which reads must have been counted before an index is called unused."""

_DAY: Final = 86_400.0

_INDEXES = """
SELECT n.nspname AS schema_name, t.relname AS table_name, c.relname AS index_name,
       i.indisunique AS is_unique,
       i.indisprimary OR i.indisexclusion OR i.indisreplident OR i.indisclustered
         OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)
         OR EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid) AS is_needed,
       a.amname AS method, i.indkey::text AS key_list, i.indnkeyatts AS key_count,
       i.indclass::text AS classes, i.indcollation::text AS collations,
       i.indoption::text AS options,
       coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
       coalesce(pg_get_expr(i.indexprs, i.indrelid), '') AS expressions,
       s.idx_scan AS scans, pg_relation_size(c.oid) AS size
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
  JOIN pg_am a ON a.oid = c.relam
  LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = c.oid
 WHERE i.indisvalid AND n.nspname <> 'information_schema' AND left(n.nspname, 3) <> 'pg_'
 ORDER BY 1, 2, 3 LIMIT 2000
"""
# A database may be younger than its server; when it was made only its oldest file tells.
_MADE = """
SELECT (pg_stat_file('base/' || d.oid || '/PG_VERSION', true)).modification
  FROM pg_database d WHERE d.datname = current_database()
"""
_MAY_ASK = "SELECT has_function_privilege('pg_stat_file(text, boolean)', 'EXECUTE')"
_SINCE = """
SELECT s.since, extract(epoch FROM now() - s.since) AS seconds, pg_is_in_recovery() AS is_replica
  FROM pg_stat_database d, greatest(
         coalesce(d.stats_reset, pg_postmaster_start_time()), CAST(:made AS timestamptz)
       ) AS s (since)
 WHERE d.datname = current_database()
"""


@attrs.frozen(kw_only=True)
class _Counting:
    """Since when reads are counted, for how many seconds that is, and where."""

    since: datetime
    seconds: float
    is_replica: bool


def waste(connection: Connection, notes: Notes) -> tuple[IndexWaste, ...]:
    """Give the indexes that could go: superfluous ones, and on PostgreSQL unused ones too.

    Indexes of keys and constraints, unique ones, which are read when rows are written, and those
    of partitions are never called unused, nor is any before reads were counted for seven days:
    that is noted. A replica, which counts its own readers only, is noted too.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    list_all = _on_sqlite if is_sqlite else _on_postgresql
    listed = attempt(connection, notes, "unneeded indexes are", lambda: list_all(connection))
    if listed is None:
        return ()
    found = tuple(superfluous(connection.dialect, listed))
    # What stands in for a superfluous one is needed, even if nobody has needed it yet.
    named = {(one.schema, name) for one in found for name in (one.name, one.other)}
    unused = [one for one in listed if _is_unused(one) and (one.schema, one.name) not in named]
    if not unused:
        return found
    counting = attempt(
        connection, notes, "since when reads are counted is", lambda: _counting(connection)
    )
    if counting is None:
        return found
    if counting.seconds < YOUNG:
        count = f"{len(unused)} {'index was' if len(unused) == 1 else 'indexes were'}"
        notes.add(
            f"{count} not read, but reads were counted for {counting.seconds / _DAY:.1f} days only:"
            f" none is called unused before {YOUNG / _DAY:.0f}"
        )
        return found
    notes.add(
        "this is a replica, which counts its own reads only"
        if counting.is_replica
        else "a replica counts its own reads: look there too before dropping an index"
    )
    return (*found, *(_unused(connection.dialect, one, counting) for one in unused))


def _is_unused(index: ListedIndex) -> bool:
    return index.scans == 0 and not index.is_needed and not index.is_unique


def _unused(dialect: Dialect, index: ListedIndex, counting: _Counting) -> IndexWaste:
    return IndexWaste(
        table=index.table,
        schema=index.schema,
        name=index.name,
        kind="unused",
        since=counting.since.isoformat(timespec="seconds"),
        counted_for=counting.seconds,
        scans=index.scans,
        size=index.size,
        reason=(
            f"no statement has read it for {counting.seconds / _DAY:.0f} days,"
            " or since it was made if that is less"
        ),
        sql=drop_sql(dialect, index.name, index.schema),
    )


def _counting(connection: Connection) -> _Counting:
    """Tell since when reads are counted: since the last of all that may have set them to 0."""
    made = None
    if rows_of(connection, _MAY_ASK)[0][0]:
        made = rows_of(connection, _MADE)[0][0]
    [(since, seconds, is_replica)] = rows_of(connection, _SINCE, made=made)
    return _Counting(since=since, seconds=float(seconds), is_replica=is_replica)


def _on_postgresql(connection: Connection) -> list[ListedIndex]:
    return [_listed(row) for row in rows_of(connection, _INDEXES)]


def _listed(row: Any) -> ListedIndex:
    keys: Sequence[str] = row.key_list.split()
    parts = zip(
        keys[: row.key_count],
        row.classes.split(),
        row.collations.split(),
        row.options.split(),
        strict=True,
    )
    return ListedIndex(
        table=row.table_name,
        schema=row.schema_name,
        name=row.index_name,
        is_unique=row.is_unique,
        is_needed=row.is_needed,
        parts=tuple(parts),
        included=tuple(keys[row.key_count :]),
        differs=(row.method, row.predicate, row.expressions),
        is_ordered=row.method == "btree",
        size=row.size,
        scans=row.scans,
    )


def _on_sqlite(connection: Connection) -> list[ListedIndex]:
    tables = rows_of(
        connection,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"
        " ORDER BY name LIMIT 1000",
    )
    return [index for (table,) in tables for index in _of_table(connection, table)]


def _of_table(connection: Connection, table: str) -> list[ListedIndex]:
    listed = []
    for _, name, is_unique, origin, is_partial in _pragma(connection, "index_list", table):
        columns = [row for row in _pragma(connection, "index_xinfo", name) if row[5]]
        if is_partial or any(row[2] is None for row in columns):
            continue  # what a predicate or an expression says, only its text tells
        listed.append(
            ListedIndex(
                table=table,
                schema=None,
                name=name,
                is_unique=bool(is_unique),
                is_needed=origin != "c",
                parts=tuple((row[2], row[3], row[4]) for row in columns),
            )
        )
    return listed


def _pragma(connection: Connection, pragma: str, name: str) -> Sequence[Any]:
    path = for_text(quoted(connection.dialect, name))
    return rows_of(connection, f"PRAGMA {pragma}({path})")
