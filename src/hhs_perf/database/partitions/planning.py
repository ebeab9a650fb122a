"""From the partitions that exist and those asked for to the statements between them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import attrs
from sqlalchemy.engine import Engine

from ..._clock import SystemClock
from ..names import fitting
from . import ddl
from .catalogue import count_rows, read_table
from .gaps import gaps
from .months import Month
from .names import qualified
from .pieces import Piece, check_level, default_piece, pieces_of
from .retention import retired
from .spec import ByMonth
from .state import Partition, Relation
from .steps import Notice, PartitionPlan, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from ..._clock import Clock
    from .pieces import Match
    from .spec import Level, PartitionSpec
    from .state import PartitionedTable
    from .steps import NoticeKind

__all__ = ["plan_from", "plan_partitions"]

# Detaching takes the stronger lock on the table: taken after the others, readers that wait for
# them and hold the table would be in a deadlock with it.
_FIRST: Final = frozenset({"finalize", "detach", "drop"})


def plan_partitions(
    source: Engine | Connection, spec: PartitionSpec, *, clock: Clock | None = None
) -> PartitionPlan:
    """Plan what makes a table's partitions those of `spec`; reads only, changes nothing.

    What exists is left alone, so that the plan of a table that has all is empty. Rows of DEFAULT
    that belong to a partition to be created are counted by reading DEFAULT.

    Args:
        source: An engine, or a connection: from async code
            `await connection.run_sync(plan_partitions, spec)`.
        spec: The partitions that the table is to have.
        clock: Tells which month is the present one; by default the system's.

    Raises:
        DatabaseError: There is no such table, it is not partitioned as `spec` says, or it cannot
            be read.
    """
    if isinstance(source, Engine):
        with source.connect() as connection:
            return plan_partitions(connection, spec, clock=clock)
    table = read_table(source, spec.table, spec.schema)
    now = dt.datetime.fromtimestamp((clock or SystemClock()).wall(), dt.UTC)
    return plan_from(table, spec, now, lambda relation, where: count_rows(source, relation, where))


def plan_from(
    table: PartitionedTable,
    spec: PartitionSpec,
    now: dt.datetime,
    count: Callable[[str, str], int],
) -> PartitionPlan:
    """Plan without a server: `count(relation, condition)` tells the rows of a DEFAULT partition.

    Raises `DatabaseError` when the table is not partitioned as `spec` says.
    """
    planner = _Planner(table, spec, now, count)
    steps = [*planner.level(table, spec.by)]
    steps.sort(key=lambda step: (step.alone, step.kind not in _FIRST))
    if steps and not steps[0].alone:
        steps.insert(0, ddl.locked(table))
    return PartitionPlan(table=qualified(table), steps=tuple(steps), notices=tuple(planner.notices))


class _Planner:
    def __init__(
        self,
        table: PartitionedTable,
        spec: PartitionSpec,
        now: dt.datetime,
        count: Callable[[str, str], int],
    ) -> None:
        self._table = table
        self._spec = spec
        self._count = count
        zones = [level.zone for level in spec.by if isinstance(level, ByMonth)]
        self._month = Month.of(now.astimezone(zones[0] if zones else dt.UTC).date())
        first = spec.since or self._month
        if spec.keep is not None:
            first = max(first, self._month.plus(-spec.keep))
        self._horizon = (first, self._month.plus(spec.ahead))
        self._ours = {each.name for each in _all(table)} | {table.name}
        self.notices: list[Notice] = []

    def level(self, parent: Relation, levels: tuple[Level, ...]) -> Iterator[Step]:
        """Plan the partitions of a table in use, and those below."""
        level, *rest = levels
        inner = tuple(rest)
        check_level(parent, level, self._table.facts.types)
        yield from (ddl.finalized(parent, each) for each in parent.partitions if each.pending)
        parent = attrs.evolve(
            parent, partitions=tuple(each for each in parent.partitions if not each.pending)
        )
        made: list[Piece] = []
        for piece in pieces_of(level, self._table, self._horizon):
            met = [(each, piece.meets(each)) for each in parent.partitions]
            near = [(each, how) for each, how in met if how != "apart"]
            if not near:
                steps = [*self._new(parent, piece, inner)]
                made += [piece] if steps else []
                yield from steps
            elif near[0][1] == "same":
                yield from self._below(near[0][0], inner)
            else:
                self._tell_taken(parent, piece, near)
        has_default = parent.default is not None
        if level.default and not has_default:
            yield from self._new(parent, default_piece(), ())
            has_default = True
        elif parent.default is not None and inner and parent.default.strategy is not None:
            yield from self._below(parent.default, inner)
        if isinstance(level, ByMonth):
            start = self._start(level)
            self.notices += gaps(parent, made, start)
            if start is not None:
                steps, notices = retired(
                    parent, start, self._spec, self._table, has_default=has_default
                )
                self.notices += notices
                yield from steps

    def _below(self, partition: Partition, inner: tuple[Level, ...]) -> Iterator[Step]:
        if not inner:
            return
        if partition.strategy is None:
            self._tell(
                "shape", partition.name, f"{partition.name} has no partitions by {inner[0].column}"
            )
            return
        yield from self.level(partition, inner)

    def _new(self, parent: Relation, piece: Piece, inner: tuple[Level, ...]) -> Iterator[Step]:
        made = self._relation(parent, piece, inner)
        if made is None:
            return
        below = self._relations(made, inner)
        default = parent.default
        rows = 0 if default is None else self._count(qualified(default), piece.condition)
        if default is None or not rows:
            yield ddl.created(parent, made, piece)
            yield ddl.attached(parent, made, piece)
            yield from (ddl.created_inside(made, child, each) for child, each in below)
            return
        moves = self._moves(default, piece, rows, below or [(made, piece)])
        if (reason := self._bar(default, rows - sum(move.rows for _, move in moves))) is not None:
            self._tell(
                "blocked",
                default.name,
                f"{default.name} holds {rows:,} {piece.what}, and {reason}",
            )
            return
        # What is attached with partitions of its own passes no identity on to them, and can then
        # not be detached (PostgreSQL 18): so each is filled first, and attached after its parent.
        yield ddl.created(parent, made, piece)
        yield from (ddl.created(made, child, each) for child, each in below)
        yield ddl.closed(default)
        yield from (ddl.moved(self._table, default, child, move) for child, move in moves)
        yield ddl.attached(parent, made, piece)
        yield from (ddl.attached(made, child, each) for child, each in below)

    def _moves(
        self, default: Partition, piece: Piece, rows: int, targets: list[tuple[Relation, Piece]]
    ) -> list[tuple[Relation, ddl.Move]]:
        """Tell what moves where; the DEFAULT of the targets comes last and takes the rest."""
        moves: list[tuple[Relation, ddl.Move]] = []
        for made, each in targets:
            condition, found, what = piece.condition, rows, piece.what
            if each.condition and each is not piece:
                condition += f" AND {each.condition}"
                found, what = self._count(qualified(default), condition), f"{what}, {each.what}"
            rows -= found
            if found:
                moves.append((made, ddl.Move(condition=condition, what=what, rows=found)))
        return moves

    def _relations(
        self, parent: Relation, levels: tuple[Level, ...]
    ) -> list[tuple[Relation, Piece]]:
        """Name the partitions of a table that is not attached yet."""
        if not levels:
            return []
        pieces = list(pieces_of(levels[0], self._table, self._horizon))
        pieces += [default_piece()] if levels[0].default else []
        named = [(self._relation(parent, piece, ()), piece) for piece in pieces]
        return [(made, piece) for made, piece in named if made is not None]

    def _relation(
        self, parent: Relation, piece: Piece, inner: tuple[Level, ...]
    ) -> Relation | None:
        """Give the table to be made for a piece; None when its name is in use."""
        name = self._name(parent, piece)
        if name is None:
            return None
        self._ours.add(name)
        if not inner:
            return Relation(name=name, schema=parent.schema)
        strategy = "range" if isinstance(inner[0], ByMonth) else "list"
        return Relation(name=name, schema=parent.schema, strategy=strategy, key=(inner[0].column,))

    def _name(self, parent: Relation, piece: Piece) -> str | None:
        name = fitting(f"{parent.name}_{piece.suffix}", piece.value, ours=self._ours)
        if name in self._table.facts.taken or name in self._ours:
            self._tell(
                "name",
                name,
                f"{name} is no partition of {parent.name}, and its name is needed for "
                f"the {piece.what}",
            )
            return None
        return name

    def _bar(self, default: Partition, stay: int) -> str | None:
        """Say why rows cannot leave a DEFAULT partition by being deleted there."""
        if stay:
            return f"{stay:,} of them match none of the partitions below"
        if self._table.facts.referenced_by:
            return f"the foreign key {self._table.facts.referenced_by[0]} points to them"
        triggers = [name for each in (default, *_all(default)) for name in each.delete_triggers]
        return f"moving them would fire the trigger {triggers[0]}" if triggers else None

    def _start(self, level: ByMonth) -> dt.datetime | None:
        """Give the instant at which the first month begins that stays; None if all of them do."""
        if self._spec.keep is None:
            return None
        kind = self._table.facts.types[level.column]
        zone = level.zone if kind == "timestamp with time zone" else dt.UTC
        return self._month.plus(-self._spec.keep).starts(zone)

    def _tell_taken(
        self, parent: Relation, piece: Piece, near: Sequence[tuple[Partition, Match]]
    ) -> None:
        covered = near[0][1] == "covered"
        names = ", ".join(each.name for each, _ in near)
        self._tell(
            "covered" if covered else "overlap",
            near[0][0].name,
            f"{names} of {parent.name} takes {'all' if covered else 'a part'} of {piece.value}",
        )

    def _tell(self, kind: NoticeKind, partition: str | None, text: str) -> None:
        self.notices.append(Notice(kind=kind, partition=partition, text=text))


def _all(relation: Relation) -> tuple[Partition, ...]:
    return tuple(found for each in relation.partitions for found in (each, *_all(each)))
