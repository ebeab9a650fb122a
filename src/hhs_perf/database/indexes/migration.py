"""The lines to copy: a migration for Alembic, and SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..names import fitting, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.engine import Dialect

__all__ = ["alembic_line", "create_sql", "drop_sql", "index_name"]


def index_name(table: str, columns: Sequence[str]) -> str:
    """Name an index `ix_table_column_column`, shortened to what PostgreSQL takes."""
    plain = re.sub(r"\W+", "_", "_".join(("ix", table, *columns)))
    return fitting(plain, table, *columns)


def alembic_line(
    name: str,
    table: str,
    schema: str | None,
    columns: Sequence[str],
    prefixes: Collection[str] = (),
) -> str:
    """Write the call of `op.create_index`; `prefixes` are columns that LIKE reads by beginning."""
    listed = ", ".join(_string(column) for column in columns)
    line = f"op.create_index({_string(name)}, {_string(table)}, [{listed}]"
    if schema is not None:
        line += f", schema={_string(schema)}"
    if prefixes:
        listed = ", ".join(f'{_string(one)}: "text_pattern_ops"' for one in sorted(prefixes))
        line += f", postgresql_ops={{{listed}}}"
    return line + ")"


def create_sql(
    dialect: Dialect,
    name: str,
    table: str,
    schema: str | None,
    columns: Sequence[str],
    *,
    prefixes: Collection[str] = (),
    is_concurrent: bool = True,
) -> str:
    """Write CREATE INDEX; on PostgreSQL without keeping writers waiting, where `is_concurrent`."""
    is_postgresql = dialect.name == "postgresql"
    listed = ", ".join(
        quoted(dialect, column)
        + (" text_pattern_ops" if column in prefixes and is_postgresql else "")
        for column in columns
    )
    concurrently = "CONCURRENTLY " if is_postgresql and is_concurrent else ""
    target = quoted(dialect, schema, table)
    return f"CREATE INDEX {concurrently}{quoted(dialect, name)} ON {target} ({listed})"


def drop_sql(dialect: Dialect, name: str, schema: str | None) -> str:
    """Write DROP INDEX; on PostgreSQL without keeping writers waiting."""
    concurrently = "CONCURRENTLY " if dialect.name == "postgresql" else ""
    return f"DROP INDEX {concurrently}{quoted(dialect, schema, name)}"


def _string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
