"""What keeps Alembic from dropping partitions, of which the host's metadata knows nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from ..marks import OURS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

__all__ = ["partition_filter"]

_TABLES: Final = """
SELECT n.nspname, c.relname, c.relispartition, n.nspname = current_schema()
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'p' OR c.relispartition AND c.relkind IN ('r', 'f')
"""
_MONTH: Final = re.compile(r"_\d{4}_\d{2}(_\w+)?")


def partition_filter(
    connection: Connection, include_object: Callable[..., bool] | None = None
) -> Callable[..., bool]:
    """Make an `include_object` for Alembic that leaves partitions out of autogenerate.

    Alembic would write `op.drop_table` for each of them, since the metadata declares the table
    alone. Left out are partitions, and tables that were detached from one and are still called
    `<table>_<year>_<month>…`. A partition that the metadata declares is compared as ever.

    Args:
        connection: The one that `context.configure` gets; asked once, when first needed. On
            another database than PostgreSQL nothing is left out.
        include_object: The host's own, which is asked about everything else.
    """
    names: set[tuple[str | None, str]] = set()
    parents: set[tuple[str | None, str]] = set()
    asked = connection.dialect.name != "postgresql"

    def ask() -> None:
        for schema, name, is_partition, is_current in connection.execute(text(OURS + _TABLES)):
            # The tables of the current schema are reflected without one.
            spelled = {schema, None} if is_current else {schema}
            (names if is_partition else parents).update((each, name) for each in spelled)

    def is_ours(schema: str | None, name: str) -> bool:
        return (schema, name) in names or any(
            name.startswith(parent) and _MONTH.fullmatch(name, len(parent))
            for owner, parent in parents
            if owner == schema
        )

    def include(  # the arguments are Alembic's
        target: Any,
        name: str | None,
        kind: str,
        reflected: bool,  # noqa: FBT001
        compare_to: Any,
    ) -> bool:
        nonlocal asked
        if kind == "table" and reflected and compare_to is None and name is not None:
            if not asked:
                ask()
                asked = True
            if is_ours(target.schema, name):
                return False
        return include_object is None or include_object(target, name, kind, reflected, compare_to)

    return include
