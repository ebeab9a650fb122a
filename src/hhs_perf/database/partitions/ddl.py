"""The statements that create, fill, attach and detach one partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..names import quoted_on_postgresql
from .names import qualified
from .steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .pieces import Piece
    from .state import Partition, PartitionedTable, Relation

__all__ = [
    "Move",
    "attached",
    "closed",
    "created",
    "created_inside",
    "detached",
    "finalized",
    "locked",
    "moved",
]


@attrs.frozen(kw_only=True)
class Move:
    """Rows of a DEFAULT partition that meet `condition`, as counted."""

    condition: str
    what: str
    rows: int


def locked(table: PartitionedTable) -> Step:
    """Let one plan at a time change the table, which goes on being read and written."""
    return Step(
        kind="lock",
        partition=table.name,
        sql=f"LOCK TABLE ONLY {qualified(table)} IN SHARE UPDATE EXCLUSIVE MODE",
        why="let one plan at a time change the table, which goes on being read and written",
    )


def created_inside(parent: Relation, made: Relation, piece: Piece) -> Step:
    """Create a partition of a table that nobody uses yet."""
    return Step(
        kind="create",
        partition=made.name,
        sql=f"CREATE TABLE {qualified(made)} PARTITION OF {qualified(parent)} {piece.bound}",
        why=f"create {made.name} of {parent.name}: {piece.what}",
    )


def created(parent: Relation, made: Relation, piece: Piece) -> Step:
    """Create a table that is to become a partition of one in use.

    `CREATE TABLE … PARTITION OF` would lock out readers of the parent; `ATTACH PARTITION` does not.
    The identity of a column is the parent's: PostgreSQL 17 refuses a partition with its own.
    """
    return Step(
        kind="create",
        partition=made.name,
        sql=(
            f"CREATE TABLE {qualified(made)} "
            f"(LIKE {qualified(parent)} INCLUDING ALL EXCLUDING IDENTITY){_split(made)}"
        ),
        why=f"create {made.name}: {piece.what}",
    )


def attached(parent: Relation, made: Relation, piece: Piece) -> Step:
    """Make a table a partition."""
    return Step(
        kind="attach",
        partition=made.name,
        sql=f"ALTER TABLE {qualified(parent)} ATTACH PARTITION {qualified(made)} {piece.bound}",
        why=f"make {made.name} a partition of {parent.name}",
    )


def closed(default: Partition) -> Step:
    """Keep new rows out of DEFAULT while some of it moves."""
    return Step(
        kind="lock",
        partition=default.name,
        sql=f"LOCK TABLE {qualified(default)} IN ACCESS EXCLUSIVE MODE",
        why=f"keep new rows out of {default.name} until its rows have moved",
    )


def moved(table: PartitionedTable, default: Partition, made: Relation, move: Move) -> Step:
    """Move the rows that belong to `made` out of DEFAULT, where they block its partition."""
    columns = ", ".join(quoted_on_postgresql(column) for column in table.facts.stored)
    return Step(
        kind="move",
        partition=made.name,
        sql=(
            f"WITH moved AS (DELETE FROM {qualified(default)} WHERE {move.condition} "  # noqa: S608 - all quoted
            f"RETURNING {columns}) "
            f"INSERT INTO {qualified(made)} ({columns}) SELECT {columns} FROM moved"
        ),
        why=f"move {move.rows:,} {move.what} from {default.name}, where they block the partition",
        rows=move.rows,
    )


def detached(
    parent: Relation, partition: Partition, why: str, *, concurrently: bool, drop: bool
) -> Iterator[Step]:
    """Make a table of its own of a partition, and drop it where that was asked for."""
    end = " CONCURRENTLY" if concurrently else ""
    yield Step(
        kind="detach",
        partition=partition.name,
        sql=f"ALTER TABLE {qualified(parent)} DETACH PARTITION {qualified(partition)}{end}",
        why=f"detach {partition.name}: {why}",
        alone=concurrently,
    )
    if drop:
        yield Step(
            kind="drop",
            partition=partition.name,
            sql=f"DROP TABLE {qualified(partition)}",
            why=f"drop {partition.name} with its rows, as was asked for",
            alone=concurrently,
        )


def finalized(parent: Relation, partition: Partition) -> Step:
    """End a detaching that was interrupted."""
    return Step(
        kind="finalize",
        partition=partition.name,
        sql=f"ALTER TABLE {qualified(parent)} DETACH PARTITION {qualified(partition)} FINALIZE",
        why=f"finish detaching {partition.name}, which was interrupted",
    )


def _split(made: Relation) -> str:
    if made.strategy is None:
        return ""
    columns = ", ".join(quoted_on_postgresql(column) for column in made.key if column is not None)
    return f" PARTITION BY {made.strategy.upper()} ({columns})"
