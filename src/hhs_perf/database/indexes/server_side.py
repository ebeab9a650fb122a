"""What pg_stat_statements says of a statement, found by its queryid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..asking import rows_of
from ..names import for_text, quoted
from .asking import Notes, attempt
from .report import ServerFigures

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["server_figures"]


def server_figures(connection: Connection, statement: str, query_id: int | None) -> ServerFigures:
    """Give the server's figures of the statement whose plan had `query_id`, or why there are none.

    They are those of this database, of all roles and clients, since they were last reset.
    """
    if query_id is None:
        return _none(statement, None, "the server computes no query ids (compute_query_id)")
    notes = Notes()
    found = attempt(
        connection, notes, "what the server counted is", lambda: _read(connection, query_id)
    )
    if found is None:
        return _none(statement, query_id, notes.all()[0])
    if isinstance(found, str):
        return _none(statement, query_id, found)
    calls, total, rows = found
    return ServerFigures(
        statement=statement,
        query_id=query_id,
        calls=calls,
        mean=total / calls,
        total=total,
        rows=rows,
    )


def _read(connection: Connection, query_id: int) -> tuple[int, float, int] | str:
    places = rows_of(
        connection,
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " WHERE e.extname = 'pg_stat_statements'",
    )
    if not places:
        return "the extension pg_stat_statements is not installed in this database"
    view = for_text(quoted(connection.dialect, places[0][0], "pg_stat_statements"))
    [(calls, milliseconds, rows)] = rows_of(
        connection,
        f"SELECT sum(calls)::bigint, sum(total_exec_time), sum(rows)::bigint FROM {view}"  # noqa: S608 - quoted
        " WHERE queryid = :id"
        " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        id=query_id,
    )
    if not calls:
        return "pg_stat_statements has no such statement, or hides it from this role"
    return int(calls), float(milliseconds) / 1000, int(rows)


def _none(statement: str, query_id: int | None, reason: str) -> ServerFigures:
    return ServerFigures(statement=statement, query_id=query_id, reason=reason)
