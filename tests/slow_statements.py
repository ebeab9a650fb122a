"""Statements as the book of slow ones keeps them, without waiting for one to be slow."""

from __future__ import annotations

import contextlib
import weakref

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from hhs_perf.database.seen.slow import SlowStatement, Source


def slow_statement(engine, statement, key="a statement", *, seconds=1.0, line=None):
    """Execute `statement` on a connection of `engine`, undo it, and tell that it was slow."""
    seen = []

    def keep(_connection, _cursor, sql, parameters, context, _many):
        compiled = context.compiled
        seen.append((sql, parameters, None if compiled is None else compiled.statement))

    event.listen(engine, "before_cursor_execute", keep)
    try:
        with engine.connect() as connection, contextlib.suppress(SQLAlchemyError):
            connection.execute(statement).close()
    finally:
        event.remove(engine, "before_cursor_execute", keep)
    sql, parameters, clause = seen[0]
    source = Source(
        engine=weakref.ref(engine),
        clause=clause,
        driver_sql=sql,
        parameters=parameters,
        size=len(sql),
    )
    return SlowStatement(
        key=key,
        sql=sql,
        seconds=seconds,
        fetch_seconds=0.0,
        rows=None,
        line=line,
        route=None,
        at=0.0,
        source=source,
    )
