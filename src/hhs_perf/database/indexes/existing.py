"""The indexes that are there, and the foreign keys that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import MetaData, Table, inspect

from ..asking import rows_of
from ..names import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from .statistics import Statistics

__all__ = ["Catalogue", "ExistingIndex", "ForeignKey"]

_MOST_TABLES = 1000


@attrs.frozen(kw_only=True)
class ExistingIndex:
    """An index, a primary key or a unique constraint; an expression's column is None.

    One that `is_whole` has all rows, is valid and can serve any reader.
    """

    name: str | None
    columns: tuple[str | None, ...]
    is_unique: bool
    is_primary: bool = False
    is_whole: bool = True


@attrs.frozen(kw_only=True)
class ForeignKey:
    """The columns of a table that refer to another one."""

    table: str
    schema: str | None
    columns: tuple[str, ...]
    target: str


class Catalogue:
    """What the database says of its tables, read once for each."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inspector = inspect(connection)
        self._indexes: dict[tuple[str | None, str], tuple[ExistingIndex, ...]] = {}

    def columns(self, table: str, schema: str | None) -> frozenset[str]:
        """Give the names of the columns that the table really has."""
        return frozenset(
            column["name"] for column in self._inspector.get_columns(table, schema=schema)
        )

    def indexes(self, table: str, schema: str | None) -> tuple[ExistingIndex, ...]:
        """Give the table's indexes, with those that keys and constraints bring along."""
        key = (schema, table)
        if key not in self._indexes:
            self._indexes[key] = tuple(self._read(table, schema))
        return self._indexes[key]

    def covers(self, table: str, schema: str | None, columns: Sequence[str]) -> bool:
        """Tell whether a whole index begins with these columns, in whatever order among them."""
        wanted = set(columns)
        return any(
            index.is_whole and set(index.columns[: len(columns)]) == wanted
            for index in self.indexes(table, schema)
        )

    def covers_in_order(self, table: str, schema: str | None, columns: Sequence[str]) -> bool:
        """Tell whether a whole index begins with these columns, in this order."""
        return any(
            index.is_whole and index.columns[: len(columns)] == tuple(columns)
            for index in self.indexes(table, schema)
        )

    def rows(self, table: str, schema: str | None, statistics: Statistics) -> float | None:
        """Give about how many rows a table has of which only the name is known."""
        return statistics.rows(Table(table, MetaData(), schema=schema))

    def unindexed_foreign_keys(self, schema: str | None) -> Iterator[ForeignKey]:
        """Give the foreign keys whose columns begin no index, of the first thousand tables."""
        found = self._inspector.get_multi_foreign_keys(schema=schema)
        for (_, table), keys in sorted(found.items(), key=lambda item: item[0][1])[:_MOST_TABLES]:
            for key in keys:
                columns = tuple(key["constrained_columns"])
                if columns and not self.covers(table, schema, columns):
                    yield ForeignKey(
                        table=table, schema=schema, columns=columns, target=key["referred_table"]
                    )

    def _read(self, table: str, schema: str | None) -> Iterator[ExistingIndex]:
        key = self._inspector.get_pk_constraint(table, schema=schema)
        if key["constrained_columns"]:
            yield ExistingIndex(
                name=key.get("name"),
                columns=tuple(key["constrained_columns"]),
                is_unique=True,
                is_primary=True,
            )
        invalid = self._invalid(table, schema)
        constraints = self._inspector.get_unique_constraints(table, schema=schema)
        for constraint in constraints:
            yield ExistingIndex(
                name=constraint["name"],
                columns=tuple(constraint["column_names"]),
                is_unique=True,
            )
        for index in self._inspector.get_indexes(table, schema=schema):
            options: Mapping[str, Any] = index.get("dialect_options") or {}
            partial = any(name.endswith("_where") for name in options)
            method = options.get("postgresql_using", "btree")
            yield ExistingIndex(
                name=index["name"],
                columns=tuple(index["column_names"]),
                is_unique=bool(index["unique"]),
                is_whole=not partial and method == "btree" and index["name"] not in invalid,
            )

    def _invalid(self, table: str, schema: str | None) -> frozenset[str]:
        if self._connection.dialect.name != "postgresql":
            return frozenset()
        path = quoted(self._connection.dialect, schema, table)
        found = rows_of(
            self._connection,
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE i.indrelid = to_regclass(:path) AND NOT (i.indisvalid AND i.indisready)",
            path=path,
        )
        return frozenset(row[0] for row in found)
